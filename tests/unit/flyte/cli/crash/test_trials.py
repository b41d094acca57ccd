"""Which crashes are tried."""

import pytest

from flyte.cli.crash import trials
from flyte.cli.crash.notes import Written

RECORDS = [Written(number, "begins", f"c{number}", "env.f", "task") for number in range(1, 11)]


@pytest.mark.parametrize(
    ("most", "at", "numbers"),
    [
        (200, (), list(range(1, 11))),
        (10, (), list(range(1, 11))),
        (5, (), [1, 3, 5, 7, 9]),
        (3, (), [1, 4, 7]),
        (1, (4, 2, 99), [2, 4]),
    ],
)
def test_steps_are_chosen_by_number_or_evenly(
    most: int, at: tuple[int, ...], numbers: list[int]
) -> None:
    assert [record.number for record in trials.chosen(RECORDS, most, at)] == numbers


def test_every_step_is_tried_before_and_after() -> None:
    titles = [crash.title for crash in trials.crashes(RECORDS[:2])]
    assert titles == ["1 before", "1 after", "2 before", "2 after"]
