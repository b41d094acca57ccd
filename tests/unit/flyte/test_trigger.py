"""The words of triggers: what they take, and what they refuse with a sentence."""

from datetime import UTC, datetime
from typing import Any

import pytest

import flyte
from flyte._trigger import triggers
from flyte.errors import DefinitionError

NIGHTLY = flyte.Cron("0 3 * * *", "Europe/Berlin")


@pytest.mark.parametrize(
    ("make", "expression"),
    [
        (flyte.Trigger.minutely, "* * * * *"),
        (flyte.Trigger.hourly, "0 * * * *"),
        (flyte.Trigger.daily, "0 0 * * *"),
        (flyte.Trigger.weekly, "0 0 * * 0"),
        (flyte.Trigger.monthly, "0 0 1 * *"),
    ],
)
def test_the_usual_schedules_have_names(make: Any, expression: str) -> None:
    made = make("at", inputs={"x": 1}, auto_activate=False, catch_up="all")
    assert made.automation == flyte.Cron(expression)
    assert made.inputs == {"x": 1, "at": flyte.TriggerTime}
    assert made.name == make.__name__
    assert (made.auto_activate, made.catch_up) == (False, "all")
    assert make().inputs is None


def test_a_cron_says_itself_with_its_time_zone() -> None:
    assert NIGHTLY.timezone_expression == "CRON_TZ=Europe/Berlin 0 3 * * *"
    assert str(NIGHTLY) == "Cron Trigger: CRON_TZ=Europe/Berlin 0 3 * * *"
    assert str(flyte.FixedRate(5)) == "FixedRate Trigger: every 5 minutes"
    assert flyte.Cron("@daily").timezone == "UTC"


def test_a_start_without_a_time_zone_is_in_utc() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert flyte.FixedRate(5, start.replace(tzinfo=None)).starts_at == start
    assert flyte.FixedRate(5).starts_at is None


def test_partitions_of_an_artifact_may_be_keywords() -> None:
    wanted = flyte.OnArtifact("sales", partitions={"year": "2026"}, region="eu")
    assert wanted.partitions == {"year": "2026", "region": "eu"}
    assert flyte.OnArtifact("sales").partitions is None


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: flyte.Cron("* * * *"), "has 4 fields"),
        (lambda: flyte.Cron("* * * * * *"), "has 6 fields"),
        (lambda: flyte.Cron(""), "1 to 255"),
        (lambda: flyte.Cron("* * * * *", ""), "timezone"),
        (lambda: flyte.Cron(5), "expression"),  # pyright: ignore[reportArgumentType]
        (lambda: flyte.FixedRate(0), "got 0"),
        (lambda: flyte.FixedRate(True), "whole number"),
        (lambda: flyte.FixedRate(1.5), "whole number"),  # pyright: ignore[reportArgumentType]
        (lambda: flyte.FixedRate(5, "noon"), "datetime"),  # pyright: ignore[reportArgumentType]
        (lambda: flyte.Trigger(""), "1 to 255"),
        (lambda: flyte.Trigger("t" * 256), "1 to 255"),
        (lambda: flyte.Trigger("t", "0 3 * * *"), "flyte.Cron"),  # pyright: ignore[reportArgumentType]
        (lambda: flyte.Trigger("t", NIGHTLY, "d" * 256), "255 characters"),
        (lambda: flyte.Trigger("t", NIGHTLY, notifications=("mail",)), "flyte.notify.Webhook"),
        (lambda: flyte.Trigger("t", NIGHTLY, catch_up="some"), "one of latest"),  # pyright: ignore[reportArgumentType]
        (
            lambda: flyte.Trigger(
                "t", NIGHTLY, inputs={"a": flyte.TriggerTime, "b": flyte.TriggerTime}
            ),
            "only one input",
        ),
        (lambda: triggers(("nightly",)), "flyte.Trigger"),  # pyright: ignore[reportArgumentType]
        (lambda: triggers((flyte.Trigger("t"), flyte.Trigger("t"))), "different names"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(make: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        make()
