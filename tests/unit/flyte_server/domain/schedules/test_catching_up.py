"""Which tick gets a run, when several are due."""

from hypothesis import given
from hypothesis import strategies as st

from flyte_server.domain.schedules.catching_up import GRACE_US, MOST_MISSED, Step, step
from flyte_server.domain.schedules.records import CatchUp

MINUTE = 60_000_000


class Minutes:
    """Ticks every minute, until the end if there is one."""

    def __init__(self, end: int | None = None) -> None:
        self._end = end

    def after(self, moment: int) -> int | None:
        found = (moment // MINUTE + 1) * MINUTE
        return None if self._end is not None and found > self._end else found

    def latest(self, moment: int) -> int | None:
        found = moment // MINUTE * MINUTE
        return min(found, self._end) if self._end is not None else found


def test_one_tick_in_time_runs_with_every_policy() -> None:
    for policy in CatchUp:
        done = step(Minutes(), MINUTE, MINUTE + 5, policy, failed=False)
        assert done == Step(MINUTE, 2 * MINUTE)


def test_of_missed_ticks_the_latest_runs() -> None:
    done = step(Minutes(), MINUTE, 10 * MINUTE + 1, CatchUp.LATEST, failed=False)
    assert done == Step(10 * MINUTE, 11 * MINUTE)


def test_all_missed_ticks_run_one_after_the_other() -> None:
    done = step(Minutes(), MINUTE, 10 * MINUTE + 1, CatchUp.ALL, failed=False)
    assert done == Step(MINUTE, 2 * MINUTE)


def test_of_very_many_missed_ticks_the_newest_hundred_run() -> None:
    now = 5_000 * MINUTE + 1
    done = step(Minutes(), MINUTE, now, CatchUp.ALL, failed=False)
    assert done.moment == (5_000 - MOST_MISSED + 1) * MINUTE


def test_who_wants_no_missed_ticks_gets_none() -> None:
    late = MINUTE + GRACE_US + 1
    done = step(Minutes(end=MINUTE), MINUTE, late, CatchUp.NONE, failed=False)
    assert done == Step(None, None)
    done = step(Minutes(), MINUTE, 10 * MINUTE + 1, CatchUp.NONE, failed=False)
    assert done == Step(10 * MINUTE, 11 * MINUTE), "the newest one is not late"


def test_a_tick_that_was_tried_in_time_is_not_given_up() -> None:
    late = MINUTE + GRACE_US + 1
    done = step(Minutes(end=MINUTE), MINUTE, late, CatchUp.NONE, failed=True)
    assert done == Step(MINUTE, None)


def test_a_schedule_that_ends_is_waited_for_no_more() -> None:
    done = step(Minutes(end=MINUTE), MINUTE, MINUTE, CatchUp.LATEST, failed=False)
    assert done == Step(MINUTE, None)


@given(st.integers(1, 400), st.integers(0, 400), st.sampled_from(CatchUp), st.booleans())
def test_a_step_never_goes_back_and_never_ahead_of_time(
    due: int, late: int, policy: CatchUp, failed: bool
) -> None:
    now = (due + late) * MINUTE + 7
    done = step(Minutes(), due * MINUTE, now, policy, failed=failed)
    assert done.following is not None
    assert done.following > due * MINUTE
    if done.moment is not None:
        assert due * MINUTE <= done.moment <= now < done.moment + (MOST_MISSED + 1) * MINUTE
        assert done.following == done.moment + MINUTE
