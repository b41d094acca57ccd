"""API keys as they are printed for people, taken apart again.

The official client reads base64 of `host:client_id:secret:org`, in which a port has no room; for all other endpoints a
key is `flyte1.` and base64url of JSON.
"""

import base64
import binascii
import json

_PREFIX = "flyte1."
_PARTS = 4
_LONGEST = 4096


def client_and_secret(text: str) -> tuple[str, str] | None:
    """The client id and the secret in a printed key; None if it is none.

    Example:
        >>> client_and_secret(base64.b64encode(b"flyte.example.com:k1:s:").decode())
        ('k1', 's')
    """
    if len(text) > _LONGEST or not text.isascii():
        return None
    try:
        return _own(text) if text.startswith(_PREFIX) else _official(text)
    except (ValueError, binascii.Error, KeyError, TypeError, RecursionError):
        return None


def _own(text: str) -> tuple[str, str] | None:
    encoded = text.removeprefix(_PREFIX)
    record = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    client_id, secret = record["client_id"], record["client_secret"]
    return (client_id, secret) if isinstance(client_id, str) and isinstance(secret, str) else None


def _official(text: str) -> tuple[str, str] | None:
    parts = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode().split(":", 3)
    return (parts[1], parts[2]) if len(parts) == _PARTS else None
