"""Retries and time of one call in a local run."""

from dataclasses import dataclass
from datetime import timedelta

from flyte import errors
from flyte._kit import backoff, clock
from flyte._policies import RetryStrategy, Timeout, retry_strategy, timeout
from flyte._task import TaskTemplate
from flyte._wire.failing import codes

_SYSTEM_RETRIES = 3
"""As a control plane gives for failures that are not the user's."""
_SYSTEM_PAUSES = backoff.Backoff(base=1, factor=2, cap=30)


@dataclass(slots=True)
class Budget:
    """What is left of a call's retries and time."""

    task_name: str
    strategy: RetryStrategy
    time: Timeout
    started: float
    attempt_started: float = 0.0
    user_failures: int = 0
    system_failures: int = 0
    system_retries: int = _SYSTEM_RETRIES

    @classmethod
    def of(cls, task: TaskTemplate, *, debugged: bool = False) -> "Budget":
        """The budget of a call that begins now; one that is debugged has all the time, and no second try."""
        if debugged:
            start = clock.monotonic()
            return cls(task.name, retry_strategy(0), Timeout(), start, system_retries=0)
        strategy, time = retry_strategy(task.retries), timeout(task.timeout) or Timeout()
        return cls(task.name, strategy, time, clock.monotonic())

    def pause(self, failure: codes.ErrorCode) -> float | None:
        """Seconds until the next attempt, or None when there is none.

        Not longer than until the deadline: the next attempt, which then does not start, tells of it.
        """
        pause, deadline = self._pause(failure), _seconds(self.time.deadline)
        if pause is None or deadline is None:
            return pause
        return max(0.0, min(pause, self.started + deadline - clock.monotonic()))

    def _pause(self, failure: codes.ErrorCode) -> float | None:
        if not failure.recoverable or failure.code == "DeadlineExceeded":
            return None
        if failure.kind == "system":
            self.system_failures += 1
            over = self.system_failures > self.system_retries
            return None if over else _SYSTEM_PAUSES.delay(self.system_failures - 1)
        self.user_failures += 1
        if self.user_failures > self.strategy.count:
            return None
        grown = self.strategy.backoff
        return grown.compute_delay(self.user_failures - 1).total_seconds() if grown else 0.0

    def seconds(self) -> tuple[float | None, bool]:
        """How long the next attempt may take, and whether that is because of the deadline."""
        self.attempt_started = clock.monotonic()
        runtime, deadline = _seconds(self.time.max_runtime), _seconds(self.time.deadline)
        if deadline is None:
            return runtime, False
        left = max(0.0, deadline - (clock.monotonic() - self.started))
        return (left, True) if runtime is None or left < runtime else (runtime, False)

    def exceeded(self, attempt_number: int, *, by_deadline: bool) -> errors.TaskTimeoutError:
        """The error for an attempt (0 for the first) whose time was over."""
        if by_deadline:
            return errors.DeadlineExceededError(
                f"{self.task_name} was not done {clock.monotonic() - self.started:.1f} s after its "
                f"creation; its deadline over all attempts is {_seconds(self.time.deadline):g} s."
            )
        return errors.MaxRuntimeExceededError(
            f"Attempt {attempt_number + 1} of {self.task_name} ran for "
            f"{clock.monotonic() - self.attempt_started:.1f} s, longer than its max_runtime of "
            f"{_seconds(self.time.max_runtime):g} s; raise it or make the task faster."
        )


def _seconds(limit: timedelta | int | None) -> float | None:
    return limit.total_seconds() if isinstance(limit, timedelta) else limit
