"""A driver's library with the accelerators of a test; fulfils `machine.accelerators.Nvml`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml

GIB = 1 << 30


@dataclass
class Gpu:
    """One device."""

    uuid: str
    name: str
    memory: int = 16 * GIB
    parts: dict[int, "Gpu"] = field(default_factory=dict)
    """Partitions by their places; such a device is divided."""
    knows_mig: bool = True
    lost: bool = False
    processes: dict[int, int | None] = field(default_factory=dict)
    """Bytes that each process occupies there; None: the driver does not tell."""


class FakeNvml:
    """What `pynvml` would say of these devices.

    Args:
        gpus: the devices, by their numbers.
        refuses: code of the error with which the driver refuses everything.
    """

    def __init__(self, *gpus: Gpu, refuses: int | None = None) -> None:
        self._gpus = gpus
        self._refuses = refuses
        self.is_open = False

    def nvmlInit(self) -> None:
        if self._refuses is not None:
            raise pynvml.NVMLError(self._refuses)
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:
        assert self.is_open
        return len(self._gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        if self._gpus[index].lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return self._gpus[index]

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        return handle.uuid

    def nvmlDeviceGetName(self, handle: Any) -> str:
        return handle.name

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        return SimpleNamespace(total=handle.memory, free=handle.memory, used=0)

    def nvmlDeviceGetMigMode(self, device: Any) -> Sequence[int]:
        if not device.knows_mig:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return [int(bool(device.parts)), int(bool(device.parts))]

    def nvmlDeviceGetMaxMigDeviceCount(self, device: Any) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: Any, index: int) -> Any:
        if index not in device.parts:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return device.parts[index]

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> Any:
        assert self.is_open
        return [
            SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in handle.processes.items()
        ]
