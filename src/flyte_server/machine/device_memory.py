"""What each process occupies on NVIDIA accelerators, as NVML tells.

Asked once a second while something with accelerators runs, and never else: the driver's library stays open meanwhile.
"""
# ruff: noqa: N802 - names of the driver's library

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import pynvml

from flyte_server.machine import accelerators
from flyte_server.machine.accelerators import Nvml

_logger = logging.getLogger(__name__)


class ProcessNvml(Nvml, Protocol):
    """The part of the module `pynvml` that is used."""

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> Any: ...


class DeviceMemory:
    """Bytes on all devices, by the number of the process.

    Example:
        >>> DeviceMemory()()
        {4711: 1073741824}
    """

    def __init__(self, nvml: ProcessNvml = pynvml) -> None:
        self._nvml = nvml
        self._is_open = False
        self._has_warned = False

    def __call__(self) -> Mapping[int, int]:
        """Look; nothing is known while the driver does not answer."""
        used: Counter[int] = Counter()
        try:
            if not self._is_open:
                self._nvml.nvmlInit()
                self._is_open = True
            for index in range(self._nvml.nvmlDeviceGetCount()):
                used.update(self._on_device(index))
        except pynvml.NVMLError as error:
            self._is_open = False
            if not self._has_warned:
                self._has_warned = True
                _logger.warning("memory on accelerators is not measured: NVML says %s", error)
        return used

    def _on_device(self, index: int) -> Mapping[int, int]:
        used: Counter[int] = Counter()
        try:
            for handle in self._parts(self._nvml.nvmlDeviceGetHandleByIndex(index)):
                for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle):
                    used[process.pid] += process.usedGpuMemory or 0  # None: not told
        except pynvml.NVMLError as error:
            _logger.debug("accelerator %d does not tell who uses it: %s", index, error)
        return used

    def _parts(self, device: Any) -> Iterator[Any]:
        if not accelerators.is_divided(self._nvml, device):
            yield device
            return
        yield from (part for _, part in accelerators.partitions(self._nvml, device))
