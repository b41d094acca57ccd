"""Accelerators, as a driver tells of them."""

import logging

import pynvml
import pytest
from tests.fakes.nvml import GIB, FakeNvml, Gpu

from flyte_server.domain.admission.accelerators import Device
from flyte_server.domain.needs import Needs
from flyte_server.machine import accelerators

T4 = Gpu("GPU-t4", "Tesla T4", knows_mig=False)
H200 = Gpu("GPU-h200", "NVIDIA H200", memory=141 * GIB)
A100 = Gpu(
    "GPU-a100",
    "NVIDIA A100-SXM4-40GB",
    parts={
        0: Gpu("MIG-1", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", 5 * GIB),
        3: Gpu("MIG-2", "NVIDIA A100-SXM4-40GB MIG 1g.5gb+me", 5 * GIB),
        5: Gpu("MIG-3", "NVIDIA A100-SXM4-40GB MIG 3g.20gb", 20 * GIB),
    },
)


def ids(mask: str | None = None, **variables: str) -> list[str]:
    if mask is not None:
        variables["CUDA_VISIBLE_DEVICES"] = mask
    return [each.id for each in accelerators.find(variables, FakeNvml(T4, H200, A100))]


def test_devices_and_partitions_are_found() -> None:
    nvml = FakeNvml(T4, H200, A100)
    found = accelerators.find({}, nvml)
    assert [(each.id, each.index, each.model, each.partition) for each in found] == [
        ("GPU-t4", 0, "Tesla T4", ""),
        ("GPU-h200", 1, "NVIDIA H200", ""),
        ("MIG-1", 2, "NVIDIA A100-SXM4-40GB", "1g.5gb"),
        ("MIG-2", 2, "NVIDIA A100-SXM4-40GB", "1g.5gb"),
        ("MIG-3", 2, "NVIDIA A100-SXM4-40GB", "3g.20gb"),
    ]
    assert found[1].memory == 141 * GIB
    assert not nvml.is_open


@pytest.mark.parametrize(
    ("mask", "left"),
    [
        ("1", ["GPU-h200"]),
        ("1,0", ["GPU-h200", "GPU-t4"]),
        ("GPU-h2", ["GPU-h200"]),
        ("MIG-3,0", ["MIG-3", "GPU-t4"]),
        ("2", ["MIG-1", "MIG-2", "MIG-3"]),
        ("GPU-a100", ["MIG-1", "MIG-2", "MIG-3"]),
        ("0,9,1", ["GPU-t4"]),
        ("0,0", ["GPU-t4"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
    ],
)
def test_an_outer_mask_is_kept_to(mask: str, left: list[str]) -> None:
    assert ids(mask) == left


def test_a_container_without_devices_has_none() -> None:
    assert ids(NVIDIA_VISIBLE_DEVICES="void") == []
    assert ids(NVIDIA_VISIBLE_DEVICES="none") == []
    assert len(ids(NVIDIA_VISIBLE_DEVICES="all")) == 5


def test_no_driver_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    for code in (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED):
        assert accelerators.find({}, FakeNvml(T4, refuses=code)) == ()
    assert not caplog.records


def test_a_driver_in_trouble_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    broken = FakeNvml(T4, refuses=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)
    with caplog.at_level(logging.WARNING):
        assert accelerators.find({}, broken) == ()
    assert "accelerators are not counted" in caplog.text


def test_a_lost_device_keeps_nobody_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = accelerators.find({}, FakeNvml(Gpu("GPU-x", "Tesla T4", lost=True), H200))
    assert [each.id for each in found] == ["GPU-h200"]
    assert "accelerator 0 is not used" in caplog.text


@pytest.mark.parametrize(
    ("wire", "product", "answers"),
    [
        ("nvidia-tesla-t4", "Tesla T4", True),
        ("nvidia-tesla-t4", "NVIDIA A10", False),
        ("H200", "NVIDIA H200", True),
        ("nvidia-tesla-h100", "NVIDIA H100 80GB HBM3", True),
        ("nvidia-tesla-h100", "NVIDIA H200", False),
        ("nvidia-tesla-a100", "NVIDIA A100-SXM4-40GB", True),
        ("nvidia-a100-80gb", "NVIDIA A100-SXM4-80GB", True),
        ("nvidia-a100-80gb", "NVIDIA A100-SXM4-40GB", False),
        ("nvidia-a10", "NVIDIA A10G", False),
        ("nvidia-a10g", "NVIDIA A10G", True),
        ("nvidia-l40s", "NVIDIA L40S", True),
        ("nvidia-l4", "NVIDIA L40S", False),
        ("nvidia-tesla-v100", "Tesla V100-SXM2-16GB", True),
        ("nvidia-rtx-pro-6000", "NVIDIA RTX PRO 6000 Blackwell Server Edition", True),
        ("", "NVIDIA H200", True),
    ],
)
def test_names_of_the_wire_are_matched_to_products(wire: str, product: str, answers: bool) -> None:
    needs = Needs(devices=1, device=wire, device_class="NVIDIA_GPU")
    assert Device("GPU-1", product).answers(needs) is answers


def test_a_partition_answers_only_who_asks_for_it() -> None:
    part = Device("MIG-1", "NVIDIA A100-SXM4-40GB", "1g.5gb")
    asked = Needs(devices=1, device="nvidia-tesla-a100", device_class="NVIDIA_GPU")
    assert not part.answers(asked)
    assert part.answers(Needs(devices=1, device_class="NVIDIA_GPU", partition="1g.5gb"))
    assert not part.answers(Needs(devices=1, device_class="NVIDIA_GPU", partition="3g.20gb"))
