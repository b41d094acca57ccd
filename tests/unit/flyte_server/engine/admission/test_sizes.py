"""What is set wins over what is found."""

from pathlib import Path

import pytest
from tests.fakes.nvml import FakeNvml, Gpu

from flyte_server.domain.capacity import Capacity
from flyte_server.engine.admission import sizes
from flyte_server.machine import accelerators
from flyte_server.readings import SettingsError
from flyte_server.settings import Settings

TWO = FakeNvml(Gpu("GPU-a", "Tesla T4"), Gpu("GPU-b", "Tesla T4"))


def capacity(home: Path, **variables: str) -> Capacity:
    names = {f"FLYTE_SERVER_{name}": value for name, value in variables.items()}
    settings = Settings.from_environment(home=str(home), environment=names)
    return sizes.capacity(settings, find=lambda given: accelerators.find(given, TWO))


def test_the_machine_is_looked_at(tmp_path: Path) -> None:
    found = capacity(tmp_path)
    assert found.cpu_milli
    assert found.memory
    assert found.disk
    assert [device.id for device in found.devices] == ["GPU-a", "GPU-b"]


def test_settings_win(tmp_path: Path) -> None:
    found = capacity(tmp_path, CPUS="500m", MEMORY="2Gi", DISK="1G", ACCELERATORS="none")
    assert found == Capacity(4, 500, 2 << 30, 1_000_000_000, ())
    assert capacity(tmp_path, CPUS="16").slots == 32
    assert capacity(tmp_path, CPUS="1", SLOTS="7").slots == 7


@pytest.mark.parametrize(
    ("said", "ids"), [("1", ["GPU-a"]), ("GPU-b", ["GPU-b"]), ("GPU-b,0", ["GPU-b", "GPU-a"])]
)
def test_accelerators_may_be_fewer(tmp_path: Path, said: str, ids: list[str]) -> None:
    assert [each.id for each in capacity(tmp_path, ACCELERATORS=said).devices] == ids


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CPUS", "many", r"FLYTE_SERVER_CPUS='many' is no quantity above 0; write e\.g\."),
        ("CPUS", "0", "is no quantity above 0"),
        ("MEMORY", "2GB", "FLYTE_SERVER_MEMORY='2GB' is no quantity above 0"),
        ("MEMORY", "-1", "is no quantity above 0"),
        ("DISK", "NaN", "is no quantity above 0"),
        ("DISK", "iG", "is no quantity above 0"),
        ("ACCELERATORS", "some", "is neither 'none', nor how many, nor a list"),
        ("ACCELERATORS", "3", "FLYTE_SERVER_ACCELERATORS=3, but this machine has 2"),
        ("ACCELERATORS", "GPU-c", "names 'GPU-c', which this machine does not have; it has: GPU-a, "),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(tmp_path: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        capacity(tmp_path, **{name: value})
