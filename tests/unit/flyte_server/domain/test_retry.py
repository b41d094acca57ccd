"""Budgets and backoff."""

import pytest

from flyte_server.domain import retry
from flyte_server.domain.phases import Blame, Kind, Phase
from flyte_server.domain.records import Action, Failure, Policy


def action(**fields: object) -> Action:
    return Action(1, "x", "a0", Kind.TASK, Phase.RUNNING, "env.f", 0, **fields)


@pytest.mark.parametrize(
    ("base", "factor", "cap", "failures", "seconds"),
    [
        (0, 2, 0, 5, 0),
        (1, 2, 0, 1, 1),
        (1, 2, 0, 4, 8),
        (1, 2, 5, 4, 5),
        (3, 1, 0, 1_000_000, 3),
        (1, 10, 60, 10_000, 60),
        (1, 10, 0, 10_000, 365 * 86_400),
        (8, 0.5, 0, 3, 2),
        (-1, 2, 0, 3, 0),
    ],
)
def test_backoff(base: float, factor: float, cap: float, failures: int, seconds: float) -> None:
    assert retry.backoff_us(base, factor, cap, failures=failures) == seconds * 1_000_000


def test_the_system_waits_longer_each_time_up_to_half_a_minute() -> None:
    failure = Failure("WorkerLost", "", Blame.SYSTEM)
    policy = Policy(system_retries=10)
    waits = [
        retry.after(action(policy=policy, system_failures=n), failure).delay_us for n in range(7)
    ]
    assert waits == [n * 1_000_000 for n in (1, 2, 4, 8, 16, 30, 30)]


def test_an_unknown_culprit_pays_like_the_user() -> None:
    plan = retry.after(action(policy=Policy(retries=1)), Failure("?", "", Blame.UNKNOWN))
    assert (plan.user_failures, plan.system_failures, plan.delay_us) == (1, 0, 0)
