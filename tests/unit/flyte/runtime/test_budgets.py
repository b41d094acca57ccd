"""What is left of a call's retries and time in a local run."""

from datetime import timedelta

import flyte
from flyte import errors
from flyte._policies import Backoff, RetryStrategy, Timeout
from flyte._runtime.inprocess.budgets import Budget
from flyte._wire.failing import codes

env = flyte.TaskEnvironment("e")
USER = codes.to_code(ValueError("no"))
SYSTEM = codes.to_code(errors.RuntimeSystemError("Busy", "no"))


def budget(retries: RetryStrategy | int = 0, timeout: Timeout | None = None) -> Budget:
    @env.task(retries=retries, timeout=timeout or Timeout())
    async def task() -> None: ...

    return Budget.of(task)


def test_user_and_system_have_their_own() -> None:
    left = budget(RetryStrategy(2, Backoff(timedelta(seconds=5), factor=3)))
    assert left.pause(SYSTEM) == 1
    assert left.pause(USER) == 5
    assert left.pause(SYSTEM) == 2
    assert left.pause(USER) == 15
    assert left.pause(SYSTEM) == 4
    assert left.pause(USER) is None
    assert left.pause(SYSTEM) is None


def test_what_is_final_is_not_tried_again() -> None:
    left = budget(9)
    assert left.pause(codes.to_code(errors.NonRecoverableError("no use"))) is None
    assert left.pause(codes.to_code(errors.DeadlineExceededError("late"))) is None


def test_an_attempt_that_took_too_long_is_the_users() -> None:
    left = budget(1, Timeout(max_runtime=1))
    late = codes.to_code(left.exceeded(0, by_deadline=False))
    assert (left.pause(late), left.user_failures) == (0, 1)
    assert left.pause(late) is None


def test_nobody_waits_for_an_attempt_beyond_the_deadline() -> None:
    left = budget(RetryStrategy(3, Backoff(timedelta(seconds=60))), Timeout(deadline=2))
    pause = left.pause(USER)
    assert pause is not None
    assert 1 < pause <= 2


def test_the_error_says_which_limit_it_was_and_how_long_it_took() -> None:
    left = budget(0, Timeout(max_runtime=7, deadline=9))
    left.seconds()
    assert "Attempt 1 of e.task ran for 0.0 s, longer than its max_runtime of 7 s" in str(
        left.exceeded(0, by_deadline=False)
    )
    assert "after its creation; its deadline over all attempts is 9 s" in str(
        left.exceeded(0, by_deadline=True)
    )
