"""How many replicas a pool has: by its numbers alone."""

from dataclasses import replace

import pytest
from tests.unit.flyte_server.executors.replica_stage import POOL

from flyte_server.executors.replicas.scaling import Seat, lacking, superfluous

TEN = replace(POOL, max_replicas=10, concurrency=4, idle_seconds=60, scaledown_seconds=30)


@pytest.mark.parametrize(
    ("waiting", "free", "replicas", "more"),
    [
        (1, 0, 0, 1),
        (4, 0, 0, 1),
        (5, 0, 0, 2),
        (5, 4, 1, 1),  # one starts already, with four places
        (4, 4, 1, 0),
        (1_000, 0, 8, 2),  # never more than the most
        (1_000, 0, 10, 0),
        (0, 0, 0, 0),
    ],
)
def test_replicas_start_for_those_that_wait_without_a_place(
    waiting: int, free: int, replicas: int, more: int
) -> None:
    assert lacking(TEN, waiting=waiting, free=free, replicas=replicas) == more


def test_the_least_number_is_kept_while_the_pool_is_used() -> None:
    policy = replace(TEN, min_replicas=3)
    assert lacking(policy, waiting=1, free=0, replicas=0) == 3
    assert lacking(policy, waiting=0, free=0, replicas=2) == 1


def seats(*idle: float) -> list[Seat]:
    return [Seat(f"w{index}", 4, seconds) for index, seconds in enumerate(idle)]


def test_one_replica_at_a_time_goes_the_one_that_idles_longest() -> None:
    assert superfluous(TEN, seats(31, 45, 0), 0) == ["w1"]
    assert superfluous(TEN, seats(29, 0, 0), 0) == []


def test_the_least_number_stays_until_the_whole_pool_idles() -> None:
    policy = replace(TEN, min_replicas=2)
    assert superfluous(policy, seats(40, 50), 40) == []
    assert superfluous(policy, seats(40, 50, 45), 40) == ["w1"]
    assert superfluous(policy, seats(61, 70), 60) == ["w0", "w1"]


def test_a_busy_pool_is_not_idle_however_short_its_time_is() -> None:
    policy = replace(TEN, idle_seconds=0)
    assert superfluous(policy, seats(0, 0), 0) == []
