"""Lanes, as texts."""

import pytest

from flyte_server.domain.admission import lanes
from flyte_server.domain.admission.lanes import Gate, Lane
from flyte_server.domain.needs import RUN, Needs, Pool

POOL = Pool("k", "warm", 1, 2, 3, 10, 10)
NEEDS = Needs(cpu_milli=500, devices=1, device="H200", device_class="NVIDIA_GPU")


def write(**fields: object) -> str:
    given = {"environment": "env", "queue": "", "is_root": False, "limits": {}, **fields}
    return lanes.write(7, 0, **given)  # type: ignore[arg-type]


def test_needs_and_limits_make_the_lane() -> None:
    text = write(needs=NEEDS, limits={Gate("environment", "env"): 1})
    assert lanes.read(text) == Lane(((Gate("environment", "env"), None),), NEEDS)
    assert write(needs=Needs()) == "", "a task that asks for nothing holds only a slot"
    assert write(needs=NEEDS) != write(needs=Needs(cpu_milli=500))


def test_a_pool_is_a_limit_and_its_processes_have_the_needs() -> None:
    lane = lanes.read(write(needs=NEEDS, pool=POOL))
    assert lane == Lane(((Gate("pool", "k"), 6),))
    assert lane.pool == "k"
    own = Pool("k", "warm", 1, 2, 3, 10, 10, scope=RUN)
    assert lanes.read(write(pool=own)).pool == "k-7"


def test_another_limit_keeps_the_rest() -> None:
    text = lanes.write(
        7,
        2,
        environment="env",
        queue="q",
        is_root=False,
        limits={Gate("queue", "q"): 1},
        needs=NEEDS,
    )
    into = lanes.relimited(text, "env", "q", {Gate("environment", "env"): 3})
    gates = ((Gate("run", "7"), 2), (Gate("environment", "env"), None))
    assert lanes.read(into) == Lane(gates, NEEDS)
    assert lanes.relimited(into, "env", "q", {Gate("queue", "q"): 1}) == text


@pytest.mark.parametrize("text", ["", '[["run", "7", 2], ["queue", "q", null]]'])
def test_lanes_of_earlier_versions_are_read(text: str) -> None:
    assert lanes.read(text).needs == Needs()
    assert lanes.relimited(text, "env", "q", {Gate("queue", "q"): 1}).startswith("[[")
