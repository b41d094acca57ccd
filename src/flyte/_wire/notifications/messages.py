"""The words of notifications as messages."""

import html
import json
from collections.abc import Sequence
from typing import Any

from flyteidl2.notification import definition_pb2
from flyteidl2.task import run_pb2

from flyte.notify import Email, NamedDelivery, NamedRule, Notification, Slack, Teams, Webhook
from flyte.notify._words import Notifications

_JSON = {"Content-Type": "application/json"}
_WEBHOOK_BODY = {
    "run": "{{.Run.Name}}",
    "project": "{{.Run.Project}}",
    "domain": "{{.Run.Domain}}",
    "phase": "{{.Phase}}",
    "error": "{{.Error}}",
}
_SLACK_TEXT = (
    "Run: {{.Run.Name}} finished with phase {{.Phase}}\n | {{.Run.Project}}/{{.Run.Domain}}\n"
)
_TEAMS_TEXT = (
    "Run: {{.Run.Name}}\nProject/Domain: {{.Run.Project}}/{{.Run.Domain}}\n"
    "Phase: {{.Phase}}\nError: {{.Error}}\n"
)


def tell(spec: run_pb2.RunSpec, wished: Notifications) -> None:
    """Put into the settings of a run what is told when it ends; in place of what stands there, if there is something.

    Args:
        spec: the settings; changed.
        wished: what is to be told; empty: nothing, the settings stay.
    """
    if isinstance(wished, NamedRule):
        spec.notification_rule_name = wished.name
    elif wished:
        spec.notification_rules.CopyFrom(run_pb2.InlineRuleList(rules=map(_rule, wished)))


def _rule(wished: Notification) -> run_pb2.InlineRule:
    rule = run_pb2.InlineRule()
    # The word has made a tuple of it.
    rule.on_phases.extend(phase.to_protobuf_value() for phase in wished.on_phase)  # pyright: ignore[reportArgumentType, reportAttributeAccessIssue]
    if isinstance(wished, NamedDelivery):
        rule.delivery_config_name = wished.name
    elif isinstance(wished, Email):
        rule.delivery_template.email.CopyFrom(_email(wished))
    else:
        rule.delivery_template.webhook.CopyFrom(_webhook(wished))
    return rule


def _webhook(wished: Notification) -> definition_pb2.WebhookDeliveryTemplate:
    match wished:
        case Webhook():
            body = _WEBHOOK_BODY if wished.body is None else wished.body
            return _request(wished.url, wished.headers or {}, body, wished.method)
        case Slack():
            blocks = {"blocks": list(wished.blocks or ())}
            text = {"text": _SLACK_TEXT if wished.message is None else wished.message}
            return _request(wished.webhook_url, _JSON, blocks if wished.blocks else text)
        case Teams():
            text = _TEAMS_TEXT if wished.message is None else wished.message
            told = {"title": wished.title, "text": text}
            return _request(wished.webhook_url, _JSON, wished.card or told)
        case _:
            raise TypeError(f"{wished!r} is no notification of ours")


def _request(
    url: str, headers: dict[str, str], body: dict[str, Any], method: str = "POST"
) -> definition_pb2.WebhookDeliveryTemplate:
    return definition_pb2.WebhookDeliveryTemplate(
        url=url,
        method=f"HTTP_METHOD_{method}",
        headers=headers,
        body_template=json.dumps(body),
    )


def _email(wished: Email) -> definition_pb2.EmailDeliveryTemplate:
    plain = f"<pre>{html.escape(wished.body, quote=False)}</pre>"  # the message must have some
    return definition_pb2.EmailDeliveryTemplate(
        to=_recipients(wished.recipients),
        cc=_recipients(wished.cc),
        bcc=_recipients(wished.bcc),
        inline=definition_pb2.InlineEmailTemplate(
            subject=wished.subject,
            text_template=wished.body,
            html_template=wished.html_body or plain,
        ),
    )


def _recipients(addresses: Sequence[str]) -> list[definition_pb2.EmailRecipient]:
    return [definition_pb2.EmailRecipient(address=address) for address in addresses]
