"""Who occupies what on accelerators."""

import logging

import pynvml
import pytest
from tests.fakes.nvml import GIB, FakeNvml, Gpu

from flyte_server.machine.device_memory import DeviceMemory


def test_a_process_on_several_devices_and_partitions_counts_once_with_all() -> None:
    whole = Gpu("GPU-1", "NVIDIA H200", processes={7: 2 * GIB, 8: None})
    divided = Gpu(
        "GPU-2",
        "NVIDIA A100-SXM4-40GB",
        parts={0: Gpu("MIG-1", "x MIG 1g.5gb", processes={7: GIB, 9: GIB})},
    )
    lost = Gpu("GPU-3", "NVIDIA H200", lost=True)
    nvml = FakeNvml(lost, whole, divided)
    look = DeviceMemory(nvml)
    assert look() == {7: 3 * GIB, 8: 0, 9: GIB}
    whole.processes.clear()
    assert look() == {7: GIB, 9: GIB}


def test_without_a_driver_nothing_is_known_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    look = DeviceMemory(FakeNvml(refuses=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))
    with caplog.at_level(logging.WARNING):
        assert look() == {}
        assert look() == {}
    assert len(caplog.records) == 1
