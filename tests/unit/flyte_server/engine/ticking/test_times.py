"""When schedules tick: at changes of the clock, on leap days, and for expressions that make no sense."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyte_server.domain.errors import Invalid
from flyte_server.domain.schedules.records import Cron, FixedRate
from flyte_server.engine.ticking import times

MINUTE = 60_000_000
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def moment(text: str, zone: str = "UTC") -> int:
    """A moment on the clock of a zone, in microseconds."""
    return (
        round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000
    )


def ticks(expression: str, zone: str, start: str, count: int) -> list[str]:
    """The first ticks after a moment, as the clock of the zone shows them, with its distance from UTC."""
    schedule = times.of(Cron(expression, zone))
    found: list[str] = []
    at: int | None = moment(start, zone)
    for _ in range(count):
        at = schedule.after(at) if at is not None else None
        assert at is not None
        shown = datetime.fromtimestamp(at / 1_000_000, ZoneInfo(zone))
        found.append(shown.strftime("%m-%d %H:%M %z"))
    return found


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        (
            BERLIN,
            "2026-03-28T00:00",
            ["03-28 02:30 +0100", "03-29 03:00 +0200", "03-30 02:30 +0200"],
        ),
        (
            NEW_YORK,
            "2026-03-07T00:00",
            ["03-07 02:30 -0500", "03-08 03:00 -0400", "03-09 02:30 -0400"],
        ),
    ],
)
def test_a_time_that_the_clock_leaves_out_comes_right_after_the_gap(
    zone: str, start: str, expected: list[str]
) -> None:
    assert ticks("30 2 * * *", zone, start, 3) == expected


@pytest.mark.parametrize(
    ("expression", "zone", "start", "expected"),
    [
        (
            "30 2 * * *",
            BERLIN,
            "2026-10-24T12:00",
            ["10-25 02:30 +0200", "10-26 02:30 +0100", "10-27 02:30 +0100"],
        ),
        (
            "30 1 * * *",
            NEW_YORK,
            "2026-10-31T12:00",
            ["11-01 01:30 -0400", "11-02 01:30 -0500", "11-03 01:30 -0500"],
        ),
    ],
)
def test_a_time_that_comes_twice_ticks_once(
    expression: str, zone: str, start: str, expected: list[str]
) -> None:
    assert ticks(expression, zone, start, 3) == expected


def test_steps_follow_the_time_that_passes() -> None:
    assert ticks("*/30 * * * *", BERLIN, "2026-10-25T01:40", 5) == [
        "10-25 02:00 +0200",
        "10-25 02:30 +0200",
        "10-25 02:00 +0100",
        "10-25 02:30 +0100",
        "10-25 03:00 +0100",
    ]
    assert ticks("*/30 * * * *", BERLIN, "2026-03-29T01:20", 3) == [
        "03-29 01:30 +0100",
        "03-29 03:00 +0200",
        "03-29 03:30 +0200",
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 29 2 *", ["02-29 00:00 +0000"]),
        ("*/5 * * * *", ["01-01 00:05 +0000", "01-01 00:10 +0000"]),
        ("0 6 * JAN MON-FRI", ["01-01 06:00 +0000", "01-04 06:00 +0000"]),
        ("0 0 L * *", ["01-31 00:00 +0000", "02-28 00:00 +0000"]),
        ("0 9 * * MON#1", ["01-04 09:00 +0000", "02-01 09:00 +0000"]),
        ("@daily", ["01-02 00:00 +0000", "01-03 00:00 +0000"]),
        ("@Hourly", ["01-01 01:00 +0000"]),
    ],
)
def test_what_an_expression_may_say(expression: str, expected: list[str]) -> None:
    assert ticks(expression, "UTC", "2027-01-01T00:00", len(expected)) == expected


def test_a_leap_day_comes_in_leap_years_only() -> None:
    leap = times.of(Cron("0 0 29 2 *", "UTC")).after(moment("2026-01-01T00:00"))
    assert leap == moment("2028-02-29T00:00")


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        (Cron("61 * * * *", "UTC"), "bad minute"),
        (Cron("* * * *", "UTC"), "has 4 fields"),
        (Cron("* * * * * *", "UTC"), "has 6 fields"),
        (Cron("", "UTC"), "has 0 fields"),
        (Cron("@never", "UTC"), "has 1 fields"),
        (Cron("0 0 30 2 *", "UTC"), "day-of-month"),
        (Cron("* " * 200, "UTC"), "400 characters"),
        (Cron("* * * * *", "Mars/Olympus"), "no time zone 'Mars/Olympus'"),
        (Cron("* * * * *", "../../etc/passwd"), "no time zone"),
        (Cron("* * * * *", "Europe"), "no time zone"),
    ],
)
def test_what_cannot_be_understood_is_refused(cron: Cron, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        times.check(cron, moment("2026-01-01T00:00"))


def test_a_rate_begins_where_it_says_and_keeps_its_distance() -> None:
    rate = times.of(FixedRate(15 * MINUTE, moment("2026-01-01T00:07")))
    assert rate.after(moment("2020-01-01T00:00")) == moment("2026-01-01T00:07")
    assert rate.after(moment("2026-01-01T00:07")) == moment("2026-01-01T00:22")
    assert rate.latest(moment("2026-01-01T00:06")) is None
    assert rate.latest(moment("2026-01-01T00:36")) == moment("2026-01-01T00:22")


MOMENTS = st.integers(moment("2026-01-01T00:00"), moment("2028-01-01T00:00"))
EXPRESSIONS = st.sampled_from(
    ["*/7 * * * *", "30 2 * * *", "30 1,2 * * *", "0 */3 * * *", "15 2 * * SUN", "0 0 1 * *"]
)


@given(MOMENTS, EXPRESSIONS, st.sampled_from([BERLIN, NEW_YORK, "UTC", "Australia/Lord_Howe"]))
def test_looking_back_finds_the_same_ticks_as_looking_ahead(
    at: int, expression: str, zone: str
) -> None:
    schedule = times.of(Cron(expression, zone))
    following = schedule.after(at)
    assert following is not None
    assert following > at
    assert schedule.latest(following) == following
    before = schedule.latest(at)
    assert before is None or before <= at
    if before is not None:
        assert schedule.after(before) == following
    shown = datetime.fromtimestamp(following / 1_000_000, UTC)
    assert shown.second == 0
