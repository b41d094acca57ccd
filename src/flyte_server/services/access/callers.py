"""Who asks, as the gate has found out: a header that only the gate writes.

A request that comes with this header has it removed before anything else looks at it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

HEADER = "x-flyte-caller"

Kind = Literal["local", "key", "person", "task"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    subject: str
    """Unique and stable: what rows and the audit log keep.  `key:nightly`, `user:ada@example.com`, …"""
    name: str
    """For people to read."""
    kind: Kind = "local"
    """local: whoever may read the data directory, or everybody where nobody is asked; key: an API key; person: somebody
    who logged in; task: the process of an attempt."""


class _Headers(Protocol):
    def get(self, key: str, default: str = ..., /) -> str | None: ...


def of(headers: _Headers | Mapping[str, str], *, otherwise: str = "local") -> Caller:
    """Who asks.

    Args:
        headers: of the request, as the gate has passed them on.
        otherwise: the name of whoever asks where no gate stands (in tests of single services).
    """
    text = headers.get(HEADER, "")
    return Caller(**json.loads(text)) if text else Caller(otherwise, otherwise)


def header(caller: Caller) -> tuple[bytes, bytes]:
    """The header that says who asks."""
    return HEADER.encode(), json.dumps(asdict(caller)).encode()
