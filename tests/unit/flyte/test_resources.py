"""Resources: everything that is accepted, and a clear answer to the rest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flyte
from flyte import errors
from flyte._devices import parse
from flyte._resources import billionths


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", 10**9),
        ("500m", 5 * 10**8),
        ("0.5", 5 * 10**8),
        (".5", 5 * 10**8),
        ("5.", 5 * 10**9),
        ("+1", 10**9),
        ("-1", -(10**9)),
        ("1k", 10**12),
        ("1Ki", 1024 * 10**9),
        ("2Gi", 2 * 1024**3 * 10**9),
        ("1E", 10**27),
        ("1e3", 10**12),
        ("1E3", 10**12),
        ("1e-3", 10**6),
        ("1n", 1),
        ("0.1n", 1),
        ("100u", 10**5),
    ],
)
def test_quantities_are_those_of_kubernetes(text: str, amount: int) -> None:
    assert billionths(text) == amount


@pytest.mark.parametrize(
    "text", ["", "lots", "1gi", "1 Gi", "1GiB", "1KI", "1K", "--1", ".", "Gi", "1e", "1e3Gi", "0x1"]
)
def test_other_texts_are_no_quantities(text: str) -> None:
    assert billionths(text) is None


@given(st.integers(0, 10**6), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_more_is_more(number: int, suffix: str) -> None:
    less, more = billionths(f"{number}{suffix}"), billionths(f"{number + 1}{suffix}")
    assert less is not None
    assert more is not None
    assert less < more


@pytest.mark.parametrize(
    "accepted",
    [
        {},
        {"cpu": 1},
        {"cpu": 0.5},
        {"cpu": "500m"},
        {"cpu": (1, 2)},
        {"cpu": ("500m", 1)},
        {"cpu": 0},
        {"memory": "1Gi"},
        {"memory": ("512Mi", "1Gi")},
        {"disk": "10Gi"},
        {"shm": "auto"},
        {"shm": "2Gi"},
        {"gpu": 0},
        {"gpu": 2},
        {"gpu": "A100:4"},
        {"gpu": "A100_80G:8"},
        {"gpu": "T4 shared:1"},
        {"gpu": "Trn1:16"},
        {"gpu": "Inf1:16"},
        {"gpu": "MI300X:1"},
        {"gpu": "Gaudi1:1"},
        {"gpu": "AppleSilicon"},
        {"gpu": flyte.GPU("A100", 1, "1g.5gb")},
        {"gpu": flyte.Device(4, "TPU", "V5P", "2x2x1")},
    ],
)
def test_every_accepted_form(accepted: dict[str, Any]) -> None:
    flyte.Resources(**accepted)


@pytest.mark.parametrize(
    ("refused", "complaint"),
    [
        ({"cpu": True}, "cpu must be a core count or .* got bool: True"),
        ({"cpu": "abc"}, "cpu must be a core count .* got str: 'abc'"),
        ({"cpu": [1, 2]}, "cpu must be a core count .* got list"),
        ({"cpu": float("nan")}, "cpu must be a core count"),
        ({"cpu": -1}, "cpu must be greater than or equal to 0"),
        ({"cpu": (1, -2)}, "cpu must be greater than or equal to 0"),
        ({"cpu": (1, 2, 3)}, "cpu tuple must have exactly two elements"),
        ({"cpu": (None, 2)}, "cpu pair elements must both be set, got None"),
        ({"cpu": (2, 1)}, "cpu request must be less than or equal to its limit"),
        ({"memory": ("2Gi", "2G")}, "memory request must be less than or equal to its limit"),
        ({"memory": 1024}, "memory must be a Kubernetes quantity string .* got int: 1024"),
        ({"memory": "lots"}, "memory must be a Kubernetes quantity string"),
        ({"memory": "4GB"}, "memory must be a Kubernetes quantity string"),
        ({"memory": "-1Gi"}, "memory must be greater than or equal to 0"),
        ({"disk": 10}, "disk must be a Kubernetes quantity string"),
        ({"disk": ("1Gi", "2Gi")}, "disk must be a Kubernetes quantity string .* got tuple"),
        ({"shm": 1}, "shm must be a Kubernetes quantity string"),
        ({"gpu": -1}, "gpu must be greater than or equal to 0"),
        ({"gpu": True}, "gpu must be an accelerator string .* got bool"),
        ({"gpu": 1.5}, "gpu must be an accelerator string .* got float: 1.5"),
        ({"gpu": "T4"}, "gpu must be one of T4:1, T4:2"),
        ({"gpu": "T4:9"}, "gpu must be one of .* got 'T4:9'"),
        ({"gpu": "V5P:1"}, "gpu must be one of .* got 'V5P:1'"),
        ({"gpu": "Gaudi1:2"}, "gpu must be one of Gaudi1:1, got"),
    ],
)
def test_the_message_names_the_field(refused: dict[str, Any], complaint: str) -> None:
    with pytest.raises(errors.DefinitionError, match=complaint):
        flyte.Resources(**refused)


def test_requests_and_limits_as_texts() -> None:
    resources = flyte.Resources(cpu=(1, 2), memory=("1Gi", "2Gi"), gpu="A100:4", disk="10Gi")
    assert resources.requests() == {"cpu": "1", "memory": "1Gi", "gpu": "4", "disk": "10Gi"}
    assert resources.limits() == {"cpu": "2", "memory": "2Gi"}
    assert flyte.Resources(cpu=1).limits() == {}
    assert flyte.Resources(gpu=0).requests() == {}


def test_device_behind_each_form() -> None:
    assert flyte.Resources(gpu="A100:4").get_device() == flyte.Device(4, "GPU", "A100")
    assert flyte.Resources(gpu=2).get_device() == flyte.Device(2, "GPU")
    assert flyte.Resources(gpu="Trn1:4").get_device() == flyte.Device(4, "NEURON", "Trn1")
    assert flyte.Resources(gpu=0).get_device() is None
    assert flyte.Resources(gpu=flyte.TPU("V6E", "2x2")).get_device() == flyte.Device(
        1, "TPU", "V6E", "2x2"
    )


def test_shared_memory() -> None:
    assert flyte.Resources(shm="auto").get_shared_memory() == ""
    assert flyte.Resources(shm="2Gi").get_shared_memory() == "2Gi"
    assert flyte.Resources().get_shared_memory() is None


def test_device_functions() -> None:
    assert flyte.GPU("T4", 2) == flyte.Device(2, "GPU", "T4")
    assert flyte.Neuron("Inf2").device_class == "NEURON"
    assert flyte.AMD_GPU("MI300X").device_class == "AMD_GPU"
    assert flyte.HABANA_GAUDI("Gaudi1").device_class == "HABANA_GAUDI"
    assert flyte.APPLE_SILICON().device_class == "APPLE_SILICON"


@pytest.mark.parametrize(
    ("make", "arguments", "complaint"),
    [
        (flyte.GPU, ("X", 1), "Invalid GPU type: X. Must be one of"),
        (flyte.GPU, ("T4", 0), "GPU quantity must be at least 1"),
        (flyte.GPU, ("T4", True), "GPU quantity must be a whole number"),
        (flyte.GPU, ("A100", 1, "1g.10gb"), "Invalid partition for A100: 1g.10gb. Must be one of"),
        (flyte.GPU, ("T4 shared", 1, "1g.5gb"), "A shared GPU takes no partition"),
        (flyte.TPU, ("X",), "Invalid TPU type: X"),
        (flyte.TPU, ("V5P", "9x9"), "Invalid partition for V5P: 9x9"),
        (flyte.Neuron, ("X",), "Invalid Neuron type: X"),
        (flyte.AMD_GPU, ("X",), "Invalid AMD GPU type: X"),
        (flyte.HABANA_GAUDI, ("X",), "Invalid Habana Gaudi type: X"),
        (flyte.Device, (1, "XPU"), "Invalid device class: XPU"),
    ],
)
def test_unknown_devices_are_refused(make: Any, arguments: Any, complaint: str) -> None:
    with pytest.raises(errors.DefinitionError, match=complaint):
        make(*arguments)


def test_old_spelling_is_rewritten_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="A100_80G"):
        assert parse("A100 80G:2") == flyte.Device(2, "GPU", "A100_80G")
