"""NVIDIA accelerators and their MIG partitions, as the driver tells of them through NVML.

No driver: none.  A device that cannot be asked (lost, in an error state) is left out with a warning, and keeps nobody
from the others.
"""
# ruff: noqa: N802 - names of the driver's library

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pynvml

_logger = logging.getLogger(__name__)
_CUDA, _CONTAINER = "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"
_NO_DRIVER = (
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
    pynvml.NVML_ERROR_NO_PERMISSION,
)


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One device, or one partition of one."""

    id: str
    """UUID, as CUDA_VISIBLE_DEVICES takes it: `GPU-…` or `MIG-…`."""
    index: int
    """Number of the device; its partitions have the same."""
    model: str
    """Product name of the device."""
    partition: str
    """MIG profile such as `1g.5gb`; empty: a whole device."""
    memory: int
    """Bytes."""
    parent: str
    """UUID of the device that a partition is of; of a whole one its own."""


class Nvml(Protocol):
    """The part of the module `pynvml` that is used; a handle is whatever it gives."""

    def nvmlInit(self) -> None: ...
    def nvmlShutdown(self) -> None: ...
    def nvmlDeviceGetCount(self) -> int: ...
    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any: ...
    def nvmlDeviceGetUUID(self, handle: Any) -> str: ...
    def nvmlDeviceGetName(self, handle: Any) -> str: ...
    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any: ...
    def nvmlDeviceGetMigMode(self, device: Any) -> Sequence[int]: ...
    def nvmlDeviceGetMaxMigDeviceCount(self, device: Any) -> int: ...
    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: Any, index: int) -> Any: ...


def find(variables: Mapping[str, str], nvml: Nvml = pynvml) -> tuple[Accelerator, ...]:
    """What there is and may be used: within the masks CUDA_VISIBLE_DEVICES and NVIDIA_VISIBLE_DEVICES.

    Args:
        variables: those of the control plane.
        nvml: the driver's library.
    """
    if variables.get(_CONTAINER, "").strip().lower() in {"none", "void"}:
        return ()
    try:
        nvml.nvmlInit()
    except pynvml.NVMLError as error:
        if _code(error) not in _NO_DRIVER:
            _logger.warning("accelerators are not counted: NVML says %s", error)
        return ()
    try:
        found = tuple(_all(nvml))
    except pynvml.NVMLError as error:
        _logger.warning("accelerators are not counted: NVML says %s", error)
        return ()
    finally:
        _shut_down(nvml)
    mask = variables.get(_CUDA)
    return found if mask is None else visible(found, mask)


def visible(found: Sequence[Accelerator], mask: str) -> tuple[Accelerator, ...]:
    """What a mask leaves, in its order, read as CUDA reads it: numbers or beginnings of UUIDs, up to the first
    that is unknown.

    Example:
        >>> visible((), "0,1")
        ()
    """
    chosen: dict[str, Accelerator] = {}
    for entry in mask.split(","):
        matching = [each for each in found if _is_meant(each, entry.strip())]
        if not matching:
            break
        chosen.update({each.id: each for each in matching})
    return tuple(chosen.values())


def _is_meant(accelerator: Accelerator, entry: str) -> bool:
    if entry.isdecimal():
        return accelerator.index == int(entry)
    names = (accelerator.id, accelerator.parent)
    return bool(entry) and any(name.lower().startswith(entry.lower()) for name in names)


def _all(nvml: Nvml) -> Iterator[Accelerator]:
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            yield from list(_of_device(nvml, index))
        except pynvml.NVMLError as error:
            _logger.warning("accelerator %d is not used: NVML says %s", index, error)


def _of_device(nvml: Nvml, index: int) -> Iterator[Accelerator]:
    """The device, or its partitions when it is divided: then it cannot be used as a whole."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    uuid, model = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
    if not is_divided(nvml, handle):
        memory = int(nvml.nvmlDeviceGetMemoryInfo(handle).total)
        yield Accelerator(uuid, index, model, "", memory, uuid)
        return
    for _, inner in partitions(nvml, handle):
        yield Accelerator(
            nvml.nvmlDeviceGetUUID(inner),
            index,
            model,
            _profile(nvml.nvmlDeviceGetName(inner)),
            int(nvml.nvmlDeviceGetMemoryInfo(inner).total),
            uuid,
        )


def partitions(nvml: Nvml, handle: Any) -> Iterator[tuple[int, Any]]:
    """Places and handles of the partitions of a divided device."""
    for place in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            yield place, nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, place)
        except pynvml.NVMLError as error:
            if _code(error) != pynvml.NVML_ERROR_NOT_FOUND:  # no partition is made there
                raise


def is_divided(nvml: Nvml, handle: Any) -> bool:
    """Whether a device is used in partitions only."""
    try:
        return nvml.nvmlDeviceGetMigMode(handle)[0] == pynvml.NVML_DEVICE_MIG_ENABLE
    except pynvml.NVMLError as error:
        if _code(error) == pynvml.NVML_ERROR_NOT_SUPPORTED:
            return False
        raise


def _profile(name: str) -> str:
    """`NVIDIA A100-SXM4-40GB MIG 1g.5gb` is a partition `1g.5gb`; what is after a `+` are extensions of it."""
    return name.rpartition("MIG ")[2].partition("+")[0].strip()


def _code(error: pynvml.NVMLError) -> int | None:
    return getattr(error, "value", None)


def _shut_down(nvml: Nvml) -> None:
    try:
        nvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        _logger.debug("NVML cannot be shut down: %s", error)
