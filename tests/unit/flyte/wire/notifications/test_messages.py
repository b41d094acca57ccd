"""Notifications on the wire: the rules that the official client (2.12.1) sends for the same words."""

import json

import pytest
from flyteidl2.notification import definition_pb2
from flyteidl2.task import run_pb2

from flyte._wire import run_spec
from flyte._wire.notifications.messages import tell
from flyte.models import ActionPhase
from flyte.notify import Email, NamedDelivery, NamedRule, Notification, Slack, Teams, Webhook

FAILED = ActionPhase.FAILED
JSON = {"Content-Type": "application/json"}
URL = "https://example.com/hook"


def told(*wished: Notification) -> run_pb2.RunSpec:
    spec = run_pb2.RunSpec()
    tell(spec, wished)
    return spec


def only(wished: Notification) -> definition_pb2.WebhookDeliveryTemplate:
    return told(wished).notification_rules.rules[0].delivery_template.webhook


@pytest.mark.parametrize(
    ("wished", "headers", "body"),
    [
        (
            Webhook(on_phase=FAILED, url=URL),
            {},
            {
                "run": "{{.Run.Name}}",
                "project": "{{.Run.Project}}",
                "domain": "{{.Run.Domain}}",
                "phase": "{{.Phase}}",
                "error": "{{.Error}}",
            },
        ),
        (Webhook(on_phase=FAILED, url=URL, body={}, headers={"a": "b"}), {"a": "b"}, {}),
        (
            Slack(on_phase=FAILED, webhook_url=URL),
            JSON,
            {
                "text": "Run: {{.Run.Name}} finished with phase {{.Phase}}\n"
                " | {{.Run.Project}}/{{.Run.Domain}}\n"
            },
        ),
        (Slack(on_phase=FAILED, webhook_url=URL, message="m"), JSON, {"text": "m"}),
        (
            Slack(on_phase=FAILED, webhook_url=URL, message="m", blocks=({"type": "x"},)),
            JSON,
            {"blocks": [{"type": "x"}]},
        ),
        (
            Teams(on_phase=FAILED, webhook_url=URL, message="M"),
            JSON,
            {"title": "Run {{.Run.Name}} {{.Phase}}", "text": "M"},
        ),
        (Teams(on_phase=FAILED, webhook_url=URL, card={"type": "y"}), JSON, {"type": "y"}),
    ],
)
def test_what_goes_to_a_web_address(
    wished: Notification, headers: dict[str, str], body: object
) -> None:
    made = only(wished)
    assert made.url == URL
    assert made.method == definition_pb2.HTTP_METHOD_POST
    assert dict(made.headers) == headers
    assert json.loads(made.body_template) == body


def test_an_email_has_html_always() -> None:
    wished = Email(on_phase=FAILED, recipients=("a@b.c",), bcc=("g@h.i",), body="1 < 2")
    made = told(wished).notification_rules.rules[0].delivery_template.email
    assert [each.address for each in (*made.to, *made.bcc)] == ["a@b.c", "g@h.i"]
    assert made.inline.text_template == "1 < 2"
    assert made.inline.html_template == "<pre>1 &lt; 2</pre>"


def test_phases_and_names() -> None:
    spec = told(NamedDelivery(on_phase=(FAILED, ActionPhase.TIMED_OUT), name="pager"))
    rule = spec.notification_rules.rules[0]
    assert list(rule.on_phases) == [6, 8]
    assert rule.delivery_config_name == "pager"
    tell(spec, NamedRule("oncall"))
    assert spec.notification_rule_name == "oncall"
    assert not told().WhichOneof("notification_settings")


def test_a_rerun_tells_what_the_earlier_run_told_unless_it_chooses() -> None:
    before = told(Webhook(on_phase=FAILED, url=URL))
    assert run_spec.again(before, run_pb2.RunSpec()).notification_rules == before.notification_rules
    now = told(Webhook(on_phase=FAILED, url=f"{URL}/2"))
    assert run_spec.again(before, now).notification_rules == now.notification_rules
