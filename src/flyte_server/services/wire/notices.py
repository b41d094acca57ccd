"""What a run tells when it ends: rules in its settings, to rows.  What could never be sent is refused here."""

import json
from collections.abc import Iterable
from email.errors import HeaderParseError
from email.headerregistry import Address
from typing import Any

from flyteidl2.notification import definition_pb2
from flyteidl2.task import run_pb2

from flyte_server.domain.commands import NewNotice
from flyte_server.domain.errors import Invalid
from flyte_server.domain.notices import templates
from flyte_server.services.wire import conditions, statuses

NO_HTML = "No HTML body"
"""What the official client writes where an email has no HTML."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "idempotency-key"})
"""Headers that say how a request is sent."""
_MOST = 20
"""Receivers of one run."""
_LONGEST = 64 * 1024
"""Bytes of a delivery."""


def of_run(spec: run_pb2.RunSpec) -> tuple[NewNotice, ...]:
    """What the run tells, one notice for each receiver.

    Raises:
        Invalid: it names a rule or a delivery, or asks for something that cannot be sent.
    """
    if spec.WhichOneof("notification_settings") == "notification_rule_name":
        raise _unnamed("rule", spec.notification_rule_name)
    made = tuple(notice for rule in spec.notification_rules.rules for notice in _notices(rule))
    if len(made) > _MOST:
        raise Invalid(f"The run has {len(made)} notifications; give it {_MOST} at most.")
    return made


def method_of(webhook: definition_pb2.WebhookDeliveryTemplate) -> str:
    """The HTTP method of a webhook; POST when none is said."""
    name = definition_pb2.HttpMethod.Name(webhook.method)
    return "POST" if webhook.method == 0 else name.removeprefix("HTTP_METHOD_")


def _notices(rule: run_pb2.InlineRule) -> Iterable[NewNotice]:
    if rule.WhichOneof("delivery") == "delivery_config_name":
        raise _unnamed("delivery", rule.delivery_config_name)
    phases = tuple(statuses.from_phase(number, where="a notification") for number in rule.on_phases)
    if not phases or not all(phase.terminal for phase in phases):
        raise Invalid(
            "A notification tells with which phase a run ends; name some of SUCCEEDED, FAILED, ABORTED, TIMED_OUT and"
            " RECOVERED."
        )
    template = rule.delivery_template
    single: list[dict[str, Any]] = []
    if template.HasField("webhook"):
        _check_webhook(template.webhook)
        single.append({"webhook": template.webhook})
    if template.HasField("email"):
        _check_email(template.email)
        single.append({"email": template.email})
    if not single:
        raise Invalid("A notification has no receiver; give it a webhook or an email.")
    for each in single:
        delivery = definition_pb2.DeliveryConfigTemplate(**each).SerializeToString()
        if len(delivery) > _LONGEST:
            raise Invalid(f"A notification has {len(delivery)} bytes; {_LONGEST} are the most.")
        yield NewNotice(phases, delivery)


def _unnamed(kind: str, name: str) -> Invalid:
    return Invalid(
        f"The notification {kind} {name!r} is not known: this control plane has no notification {kind}s with names."
        " Write out what is to be told, e.g. flyte.notify.Webhook(on_phase=…, url=…)."
    )


def _check_webhook(webhook: definition_pb2.WebhookDeliveryTemplate) -> None:
    conditions.check_url(webhook.url)
    if not (webhook.url.isascii() and webhook.url.isprintable()):
        raise Invalid(f"The webhook's url {webhook.url[:200]!r} has letters that must be escaped.")
    if method_of(webhook) not in _METHODS:
        raise Invalid(
            f"A notification cannot be sent by {method_of(webhook)}; use one of {', '.join(sorted(_METHODS))}."
        )
    for name, value in webhook.headers.items():
        is_token = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        if not is_token or name.lower() in _OURS or not value.isprintable() or not value.isascii():
            raise Invalid(f"The webhook's header {name[:80]!r} cannot be sent; leave it out.")
    _check_texts(webhook.body_template)


def _check_email(email: definition_pb2.EmailDeliveryTemplate) -> None:
    if email.WhichOneof("content") != "inline":
        raise Invalid(
            "An email from a provider's template cannot be sent; write subject and body out, as flyte.notify.Email"
            " does."
        )
    if not email.to:
        raise Invalid("An email has no recipient; give it one.")
    for each in (*email.to, *email.cc, *email.bcc):
        try:
            Address(each.name, addr_spec=each.address)
            is_right = "@" in each.address and each.address.isascii()
        except (ValueError, IndexError, HeaderParseError):
            is_right = False
        if not is_right:
            raise Invalid(
                f"{each.address[:200]!r} is no address for an email; write e.g. ada@example.com."
            )
    _check_texts(email.inline.subject, email.inline.text_template, email.inline.html_template)


def _check_texts(*texts: str) -> None:
    for text in texts:
        place = templates.unknown(text)
        if place is not None:
            known = ", ".join(f"{{{{{each}}}}}" for each in templates.PLACES)
            raise Invalid(f"Nothing can stand in {place[:80]!r} of a notification; use {known}.")


def as_json(text: str) -> Any:
    """The text as a value of JSON; None when it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None
