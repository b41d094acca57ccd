"""Looks at real accelerators, and checks that a child sees its own and no others.

For a machine with an NVIDIA driver, with nothing but Python 3.12 and `pynvml.py` (of nvidia-ml-py) on the path:

    PYTHONPATH=folder-with-pynvml python3 tests/gpu/devices.py

Exit 1 and a sentence per line for what is not as it should be; 0 when all is well, or when there is no accelerator.
"""

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

SRC = Path(__file__).parents[2] / "src"
_ERROR_NO_DEVICE = 100
_NOT_EVEN_ASKED = 255


def load() -> tuple[ModuleType, ModuleType]:
    """The two modules under test, without what else the control plane needs."""
    package = ModuleType("flyte_server")
    package.__path__ = [str(SRC / "flyte_server")]
    sys.modules["flyte_server"] = package
    from flyte_server.domain.admission import accelerators as asked  # noqa: PLC0415
    from flyte_server.machine import accelerators as found  # noqa: PLC0415

    return found, asked


def seen_by_child(mask: str) -> int:
    """How many devices CUDA shows to a forked child with this mask; as hosts fork, before CUDA is used."""
    child = os.fork()
    if child == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = mask
        os._exit(_count())
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _count() -> int:
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return _NOT_EVEN_ASKED
    begun = cuda.cuInit(0)
    if begun == _ERROR_NO_DEVICE:
        return 0
    count = ctypes.c_int()
    refused = begun or cuda.cuDeviceGetCount(ctypes.byref(count))
    return _NOT_EVEN_ASKED if refused else count.value


def problems(found: ModuleType, asked: ModuleType, devices: Sequence[Any]) -> list[str]:
    """What is not as it should be."""
    said = [problem for each in devices for problem in of_device(found, asked, each)]
    if (seen := seen_by_child("")) != 0:
        said.append(f"a child that may see none sees {seen} devices")
    if found.find({"CUDA_VISIBLE_DEVICES": ""}):
        said.append("an empty mask leaves devices")
    return said


def of_device(found: ModuleType, asked: ModuleType, each: Any) -> list[str]:
    """What is not as it should be with one of them."""
    from flyte_server.domain.needs import Needs  # noqa: PLC0415

    device = asked.Device(each.id, each.model, each.partition, each.memory)
    print(f"{device.kind}: {each.id}, {each.memory >> 20} MiB, number {each.index}")
    needs = [
        Needs(devices=1, device=name, device_class=asked.NVIDIA, partition=each.partition)
        for name in ("", each.model)
    ]
    masked = [one.id for one in found.find({"CUDA_VISIBLE_DEVICES": each.id})]
    seen = seen_by_child(each.id)
    checks = {
        "does not answer a request for any or for its name": all(map(device.answers, needs)),
        f"is masked by its id to {masked}": masked == [each.id],
        "has no memory": each.memory > 0,
        f"alone is shown to a child, which sees {seen} devices": seen == 1,
    }
    return [f"{device.kind} {problem}" for problem, is_well in checks.items() if not is_well]


def main() -> int:
    found, asked = load()
    devices = found.find({})
    if not devices:
        print("no accelerator here")
        return 0
    said = problems(found, asked, devices)
    print("\n".join(said) or f"{len(devices)} found, all is well")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
