"""Slots and amounts."""

import pytest

from flyte_server.domain.capacity import Capacity, said


def test_slots_never_become_negative() -> None:
    assert Capacity(3).free(1) == 2
    assert Capacity(3).free(7) == 0


def test_without_slots_nothing_would_ever_start() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Capacity(0)


def test_a_small_machine_still_runs_a_few_at_once() -> None:
    assert Capacity.for_cpus(1).slots == 4
    assert Capacity.for_cpus(16).slots == 32


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("cpu", 1000, "1 CPU"),
        ("cpu", 250, "0.25 CPUs"),
        ("memory", 3 << 30, "3 GiB of memory"),
        ("disk", 500, "500 B of disk"),
        ("memory", 8_000_000_000, "7.451 GiB of memory"),
    ],
)
def test_amounts_are_said_for_people(kind: str, value: int, text: str) -> None:
    assert said(kind, value) == text
