"""The words of notifications: when something is told, to whom, and what.

Texts may have places for `{{.Run.Name}}`, `{{.Run.Project}}`, `{{.Run.Domain}}`, `{{.Run.Org}}`, `{{.Phase}}` and
`{{.Error}}`, which the control plane fills.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from flyte._phases import ActionPhase
from flyte.errors import DefinitionError

Method = Literal["POST", "PUT", "PATCH", "GET", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT"]

_SUBJECT = "Run {{.Run.Name}} {{.Phase}}"
_BODY = "Run: {{.Run.Name}}\nProject/Domain: {{.Run.Project}}/{{.Run.Domain}}\nPhase: {{.Phase}}\nError: {{.Error}}\n"
_EXAMPLE = "flyte.notify.Webhook(on_phase=ActionPhase.FAILED, url='https://…')"


@dataclass(frozen=True, kw_only=True)
class Notification:
    """Something that is told when a run ends; use one of its kinds.

    Args:
        on_phase: the ends that are told, one or several of SUCCEEDED, FAILED, ABORTED, TIMED_OUT and RECOVERED.

    Raises:
        DefinitionError: no phase, or one that is no end.
    """

    on_phase: ActionPhase | tuple[ActionPhase, ...]

    def __post_init__(self) -> None:
        given: Any = self.on_phase
        phases = (given,) if isinstance(given, str) else tuple(given)
        object.__setattr__(self, "on_phase", tuple(dict.fromkeys(map(self._ended, phases))))
        if not phases:
            raise self._wrong("on_phase", given, "at least one phase, such as ActionPhase.FAILED")

    def _ended(self, given: Any) -> ActionPhase:
        wanted = "a phase with which a run ends, such as ActionPhase.FAILED"
        try:
            phase = ActionPhase(given)
        except ValueError:
            raise self._wrong("on_phase", given, wanted) from None
        if not phase.is_terminal:
            raise self._wrong("on_phase", given, wanted)
        return phase

    def _wrong(self, field: str, found: object, wanted: str) -> DefinitionError:
        return DefinitionError(f"{type(self).__name__}: {field} must be {wanted}, got {found!r}")

    def _check_url(self, field: str, url: Any) -> None:
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise self._wrong(field, url, "an address that begins with https:// or http://")


@dataclass(frozen=True, kw_only=True)
class Webhook(Notification):
    """A request to a web address.

    Args:
        on_phase: see `Notification`.
        url: the address.
        method: of the request.
        headers: of the request.
        body: a JSON object; its texts may have places to fill.  None: run, project, domain, phase and error.

    Raises:
        DefinitionError: for a value that it cannot have.

    Example:
        >>> flyte.with_runcontext(
        ...     notifications=Webhook(on_phase=ActionPhase.FAILED, url="https://hooks.example.com/flyte")
        ... ).run(main)
    """

    url: str
    method: Method = "POST"
    headers: dict[str, str] | None = None
    body: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_url("url", self.url)
        if self.method not in get_args(Method):
            raise self._wrong("method", self.method, f"one of {', '.join(get_args(Method))}")
        for name, value in (self.headers or {}).items():
            if not (isinstance(name, str) and isinstance(value, str)):
                raise self._wrong(f"headers[{name!r}]", value, "a text")


@dataclass(frozen=True, kw_only=True)
class Slack(Notification):
    """A message to a channel, through an incoming webhook of Slack.

    Args:
        on_phase: see `Notification`.
        webhook_url: the address that Slack gave for the channel.  Whoever has it can write there.
        message: the text; None: run, phase and project.
        blocks: the message in Slack's Block Kit; then `message` is not sent.

    Raises:
        DefinitionError: for a value that it cannot have.
    """

    webhook_url: str
    message: str | None = None
    blocks: tuple[dict[str, Any], ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_url("webhook_url", self.webhook_url)


@dataclass(frozen=True, kw_only=True)
class Teams(Notification):
    """A message to a channel, through an incoming webhook of Microsoft Teams.

    Args:
        on_phase: see `Notification`.
        webhook_url: the address that Teams gave for the channel.
        title: of the message.
        message: the text; None: run, project, phase and error.
        card: an Adaptive Card, sent in place of title and message.

    Raises:
        DefinitionError: for a value that it cannot have.
    """

    webhook_url: str
    title: str = _SUBJECT
    message: str | None = None
    card: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_url("webhook_url", self.webhook_url)


@dataclass(frozen=True, kw_only=True)
class Email(Notification):
    """An email, which the control plane sends through its SMTP server (FLYTE_SERVER_SMTP_URL).

    Args:
        on_phase: see `Notification`.
        recipients: addresses, at least one.
        cc: addresses that get a copy.
        bcc: addresses that get a copy without the others seeing it.
        subject: with places to fill, as the two below.
        body: plain text.
        html_body: the same as HTML; None: plain text only.

    Raises:
        DefinitionError: for a value that it cannot have.
    """

    recipients: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    subject: str = _SUBJECT
    body: str = _BODY
    html_body: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.recipients:
            raise self._wrong("recipients", self.recipients, "at least one address")
        for field in ("recipients", "cc", "bcc"):
            given: Any = getattr(self, field)
            if isinstance(given, str) or not all("@" in str(each) for each in given):
                raise self._wrong(
                    field, given, "a tuple of addresses, such as ('ada@example.com',)"
                )


@dataclass(frozen=True, kw_only=True)
class NamedDelivery(Notification):
    """A way of telling that the control plane knows by name.  Ours knows none, and refuses such a run.

    Args:
        on_phase: see `Notification`.
        name: of the delivery.
    """

    name: str


@dataclass(frozen=True)
class NamedRule:
    """Ends and ways of telling them that the control plane knows by name.  Ours knows none, and refuses such a run.

    Args:
        name: of the rule.
    """

    name: str


Notifications = NamedRule | tuple[Notification, ...]


def notifications(
    given: NamedRule | Notification | Sequence[Notification], where: str
) -> Notifications:
    """What `notifications=` asks for.

    Args:
        given: a named rule, a notification, or several.
        where: who asks, for the message.

    Raises:
        DefinitionError: for something else.
    """
    if isinstance(given, NamedRule):
        return given
    found: Any = (given,) if isinstance(given, Notification) else given
    if not isinstance(found, list | tuple):
        raise DefinitionError(f"{where}: notifications must be like {_EXAMPLE}, got {given!r}")
    for each in found:
        if not isinstance(each, Notification) or type(each) is Notification:
            raise DefinitionError(f"{where}: notifications must be like {_EXAMPLE}, got {each!r}")
    return tuple(found)
