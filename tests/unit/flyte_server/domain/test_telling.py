"""The text of a failure in its three parts."""

import pytest

from flyte_server.domain import telling
from flyte_server.domain.telling import Told

TRACEBACK = "Traceback (most recent call last):\n  File x\nValueError: no"


@pytest.mark.parametrize(
    "told",
    [
        Told("It broke."),
        Told("It broke.", next_step="mend it"),
        Told("It broke.", "evidence: in two\n\nparts"),
        Told("no rows", TRACEBACK, "look at train.py:12 in fit"),
    ],
)
def test_the_parts_come_back(told: Told) -> None:
    assert telling.read(str(told)) == told


def test_evidence_is_marked_unless_it_is_a_traceback() -> None:
    assert telling.told("It broke.", "peak 2 GiB") == "It broke.\n\nevidence: peak 2 GiB"
    assert telling.told("no", TRACEBACK) == f"no\n\n{TRACEBACK}"


def test_the_headline_is_the_first_line() -> None:
    assert telling.headline("\nIt broke.\n\nnext: mend it") == "It broke."
