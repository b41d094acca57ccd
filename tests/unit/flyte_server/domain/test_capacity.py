"""Slots."""

import pytest

from flyte_server.domain.capacity import Capacity


def test_slots_never_become_negative() -> None:
    assert Capacity(3).free(1) == 2
    assert Capacity(3).free(7) == 0


def test_without_slots_nothing_would_ever_start() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Capacity(0)


def test_a_small_machine_still_runs_a_few_at_once() -> None:
    assert Capacity.for_cpus(1).slots == 4
    assert Capacity.for_cpus(16).slots == 32
