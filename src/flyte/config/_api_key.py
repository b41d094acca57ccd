"""API keys as text: the one thing that a program needs to be let in.

Two forms.  The official one is base64 of `host:client_id:secret:org`, for a control plane at `https://host`; a port
does not fit into it.  Ours is `flyte1.` and base64url of a JSON object, for every address.
"""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any

from flyte import errors

PREFIX = "flyte1."
_PARTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What an API key holds."""

    endpoint: str
    client_id: str
    client_secret: str = field(repr=False)
    org: str | None = None


def parse(text: str, where: str) -> ApiKey:
    """Read an API key of either form.

    Args:
        text: the key; white space around it is ignored.
        where: where it was found, for the message; the key itself is never told.

    Raises:
        flyte.errors.InitializationError: it cannot be read.

    Example:
        >>> parse("aG9zdDppZDpzZWNyZXQ6b3Jn", "api_key")
        ApiKey(endpoint='https://host', client_id='id', org='org')
    """
    text = "".join(text.split())
    try:
        found = _ours(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else _official(text)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise errors.InitializationError(
            "InvalidApiKey",
            "user",
            f"the API key in {where} cannot be read: it is cut off, or no API key; take all of what "
            "`flyte create api-key NAME` has printed",
        ) from error
    if not found.endpoint or not found.client_id or not found.client_secret:
        raise errors.InitializationError(
            "InvalidApiKey",
            "user",
            f"the API key in {where} is not whole; make another one: flyte create api-key NAME",
        )
    return found


def _ours(text: str) -> ApiKey:
    told: Any = json.loads(base64.b64decode(_padded(text), altchars=b"-_", validate=True))
    return ApiKey(
        endpoint=_text(told["endpoint"]),
        client_id=_text(told["client_id"]),
        client_secret=_text(told["client_secret"]),
        org=_text(told.get("org") or "") or None,
    )


def _official(text: str) -> ApiKey:
    decoded = base64.b64decode(_padded(text), validate=True).decode()
    host, client_id, secret, org = decoded.split(":", _PARTS - 1)
    return ApiKey(
        endpoint=f"https://{host}",
        client_id=client_id,
        client_secret=secret,
        org=None if org in ("", "None") else org,
    )


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value
