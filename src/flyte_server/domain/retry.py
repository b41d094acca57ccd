"""Who pays for a failure, and how long the next attempt waits."""

from dataclasses import dataclass

from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Action, Failure, Policy

SYSTEM_BACKOFF = (1.0, 2.0, 30.0)
"""Base, factor and cap (seconds) of the wait after a failure that is not the user's."""
_LONGEST_SECONDS = 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class Retry:
    """What an attempt's failure does to the budgets of its action."""

    user_failures: int
    system_failures: int
    delay_us: int | None
    """How long the next attempt waits; None: there is none, the failure is the action's end."""


def after(action: Action, failure: Failure) -> Retry:
    """Charge one failure to the budget of whoever is to blame.

    The system's failures have a budget of their own, so that a machine that is switched off does
    not eat the retries that a user set aside for a flaky model.  A failure that says it is not
    recoverable ends the action.
    """
    policy = action.policy
    if failure.blame is Blame.SYSTEM:
        failures = action.system_failures + 1
        within = failure.recoverable and failures <= policy.system_retries
        delay = backoff_us(*SYSTEM_BACKOFF, failures=failures) if within else None
        return Retry(action.user_failures, failures, delay)
    failures = action.user_failures + 1
    within = failure.recoverable and failures <= policy.retries
    return Retry(
        failures, action.system_failures, _user_delay_us(policy, failures) if within else None
    )


def backoff_us(base: float, factor: float, cap: float, *, failures: int) -> int:
    """The wait before the next attempt, in microseconds: `base * factor ** (failures - 1)`, at most
    `cap` if above 0.

    >>> [backoff_us(1.0, 2.0, 5.0, failures=n) // 1_000_000 for n in (1, 2, 3, 4)]
    [1, 2, 4, 5]
    """
    longest = cap if cap > 0 else _LONGEST_SECONDS
    delay = base
    for _ in range(failures - 1):
        if delay >= longest or delay <= 0 or factor == 1.0:
            break
        delay *= factor
    return int(max(0.0, min(delay, longest)) * 1_000_000)


def _user_delay_us(policy: Policy, failures: int) -> int:
    return backoff_us(
        policy.backoff_base_seconds,
        policy.backoff_factor,
        policy.backoff_cap_seconds,
        failures=failures,
    )
