"""What is sent: the templates of a notice, filled with how its run has ended."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from urllib.parse import urlsplit

from flyteidl2.notification import definition_pb2

from flyte_server.domain.notices.templates import filled, filled_within
from flyte_server.domain.records import Failure
from flyte_server.services.wire import ids, notices
from flyte_server.store.notices import Ended, Notice

KEY = "idempotency-key"
"""Header by which a receiver knows that it has seen a message before."""
_TRACEBACK = "Traceback (most recent call last)"
_LONGEST_ERROR = 2000
_WITHOUT_BODY = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class WebRequest:
    """What goes to a web address."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes to an SMTP server; From is the sender's."""

    message: EmailMessage
    recipients: tuple[str, ...]
    """All of them, also those that the message does not name."""


def message(ended: Ended) -> WebRequest | Letter:
    """What a notice sends, now that its run has ended."""
    template = definition_pb2.DeliveryConfigTemplate.FromString(ended.notice.delivery)
    values = _values(ended)
    key = f"{ended.run.project}-{ended.run.domain}-{ended.run.name}-{ended.run.id}-{ended.notice.number}"
    if template.HasField("webhook"):
        return _request(template.webhook, values, key)
    return _letter(template.email, values, key)


def receiver(notice: Notice) -> str:
    """Who is told, for people; the path of a web address is left out, because with some it is all one needs to
    write there."""
    template = definition_pb2.DeliveryConfigTemplate.FromString(notice.delivery)
    if template.HasField("webhook"):
        parts = urlsplit(template.webhook.url)
        return f"{notices.method_of(template.webhook)} {parts.scheme}://{parts.netloc}/…"
    return ", ".join(each.address for each in _all(template.email))


def _values(ended: Ended) -> dict[str, str]:
    run, failure = ended.run, ended.root.failure
    return {
        ".Run.Name": run.name,
        ".Run.Project": run.project,
        ".Run.Domain": run.domain,
        ".Run.Org": ids.ORG,
        ".Phase": ended.root.phase.name,
        ".Error": "" if failure is None else _said(failure),
    }


def _said(failure: Failure) -> str:
    """What was raised; where it was raised does not leave the control plane."""
    message = failure.message.partition(_TRACEBACK)[0].strip()
    return f"{failure.code}: {message}".removesuffix(": ")[:_LONGEST_ERROR]


def _request(
    webhook: definition_pb2.WebhookDeliveryTemplate, values: dict[str, str], key: str
) -> WebRequest:
    method = notices.method_of(webhook)
    parsed = notices.as_json(webhook.body_template)
    if parsed is None:
        kind, body = "text/plain; charset=utf-8", filled(webhook.body_template, values)
    else:
        kind, body = "application/json", json.dumps(filled_within(parsed, values))
    headers = {name.lower(): value for name, value in webhook.headers.items()}
    if method not in _WITHOUT_BODY:
        headers.setdefault("content-type", kind)
    headers.setdefault("user-agent", "flyte-notifications")
    headers[KEY] = key
    content = b"" if method in _WITHOUT_BODY else body.encode()
    return WebRequest(method, webhook.url, tuple(headers.items()), content)


def _letter(
    email: definition_pb2.EmailDeliveryTemplate, values: dict[str, str], key: str
) -> Letter:
    made = EmailMessage()
    # One line: what a value says must not become a header.
    made["Subject"] = " ".join(filled(email.inline.subject, values).split())
    made["To"] = _addresses(email.to)
    if email.cc:
        made["Cc"] = _addresses(email.cc)
    made["Message-ID"] = f"<{key}@flyte>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(filled(email.inline.text_template, values))
    page = email.inline.html_template
    if page and page != notices.NO_HTML:
        escaped = {place: _escaped(value) for place, value in values.items()}
        made.add_alternative(filled(page, escaped), subtype="html")
    return Letter(made, tuple(dict.fromkeys(each.address for each in _all(email))))


def _escaped(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _all(
    email: definition_pb2.EmailDeliveryTemplate,
) -> Iterable[definition_pb2.EmailRecipient]:
    return (*email.to, *email.cc, *email.bcc)


def _addresses(given: Iterable[definition_pb2.EmailRecipient]) -> tuple[Address, ...]:
    return tuple(Address(each.name, addr_spec=each.address) for each in given)
