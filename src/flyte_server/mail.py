"""The SMTP server through which emails leave, as a setting describes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

VARIABLE = "FLYTE_SERVER_SMTP_URL"
_EXAMPLE = "smtp://user:password@mail.example.com:587?from=flyte@example.com"
_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Smtp:
    """Where emails are handed over, and as whom."""

    host: str
    port: int
    sender: str
    """Address that stands in From."""
    encrypted: bool = False
    """From the first byte; else as soon as the server offers it (STARTTLS)."""
    user: str = ""
    """Empty: nobody logs in."""
    password: str = field(default="", repr=False)


def from_variables(variables: Mapping[str, str]) -> Smtp | None:
    """The server of FLYTE_SERVER_SMTP_URL; None if there is none.

    Raises:
        ValueError: it cannot be used; the message says what to write.
    """
    url = variables.get(VARIABLE, "").strip()
    if not url:
        return None
    # The value is not repeated in messages: it may have a password.
    refusal = ValueError(
        f"{VARIABLE} must be smtp:// or smtps:// with a host and ?from=ADDRESS, and user and password percent-encoded;"
        f" write e.g. {_EXAMPLE}"
    )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise refusal from None
    sender = parse_qs(parts.query).get("from", [""])[0]
    host = parts.hostname or ""
    is_whole = host and parts.path in {"", "/"} and "@" in sender
    if parts.scheme not in _PORTS or not is_whole:
        raise refusal
    return Smtp(
        host=host,
        port=port or _PORTS[parts.scheme],
        sender=sender,
        encrypted=parts.scheme == "smtps",
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )
