"""The words of notifications: what they take, and what they refuse where it is written."""

from collections.abc import Callable
from typing import Any

import pytest

import flyte
from flyte.errors import DefinitionError
from flyte.models import ActionPhase
from flyte.notify import Email, NamedDelivery, NamedRule, Notification, Slack, Teams, Webhook

FAILED, SUCCEEDED = ActionPhase.FAILED, ActionPhase.SUCCEEDED
URL = "https://example.com/hook"


def test_phases_are_a_tuple_each_once() -> None:
    assert Webhook(on_phase=FAILED, url=URL).on_phase == (FAILED,)
    assert Webhook(on_phase=(SUCCEEDED, FAILED, SUCCEEDED), url=URL).on_phase == (SUCCEEDED, FAILED)


def test_one_several_or_a_rule_may_be_asked_for() -> None:
    hook, rule = Webhook(on_phase=FAILED, url=URL), NamedRule("oncall")
    for given, kept in ((hook, (hook,)), ([hook, hook], (hook, hook)), (rule, rule), ((), ())):
        assert flyte.with_runcontext(notifications=given).options.notifications == kept
        assert flyte.Trigger("t", notifications=given).notifications == given
    assert flyte.with_runcontext().options.notifications == ()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Webhook(on_phase=(), url=URL), "at least one phase"),
        (lambda: Webhook(on_phase=ActionPhase.RUNNING, url=URL), "with which a run ends"),
        (lambda: Webhook(on_phase=("done",), url=URL), "with which a run ends"),  # pyright: ignore[reportArgumentType]
        (lambda: Webhook(on_phase=FAILED, url="example.com"), "https://"),
        (lambda: Webhook(on_phase=FAILED, url=URL, method="post"), "one of POST"),  # pyright: ignore[reportArgumentType]
        (lambda: Webhook(on_phase=FAILED, url=URL, headers={"a": 1}), "headers"),  # pyright: ignore[reportArgumentType]
        (lambda: Slack(on_phase=FAILED, webhook_url=""), "webhook_url"),
        (lambda: Teams(on_phase=FAILED, webhook_url="ftp://h/"), "webhook_url"),
        (lambda: Email(on_phase=FAILED, recipients=()), "at least one address"),
        (lambda: Email(on_phase=FAILED, recipients="a@b.c"), "tuple of addresses"),  # pyright: ignore[reportArgumentType]
        (lambda: Email(on_phase=FAILED, recipients=("a@b.c",), cc=("bob",)), "cc must be"),
        (lambda: flyte.with_runcontext(notifications="mail"), "with_runcontext: notifications"),
        (lambda: flyte.with_runcontext(notifications=[NamedRule("r")]), "flyte.notify.Webhook"),
        (lambda: flyte.with_runcontext(notifications=[Notification(on_phase=FAILED)]), "Webhook"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        make()


def test_a_run_in_this_process_says_that_it_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    env = flyte.TaskEnvironment("notify-words")

    @env.task
    def double(x: int) -> int:
        return 2 * x

    wished = NamedDelivery(on_phase=FAILED, name="pager")
    flyte.with_runcontext(mode="local", notifications=wished).run(double, x=2)
    assert "are not sent" in caplog.text
