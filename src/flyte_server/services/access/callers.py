"""Who asks, as the gate has found out: a header that only the gate writes.

A request that comes with this header has it removed before anything else looks at it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Protocol

from flyte_server.auth import roles
from flyte_server.auth.claims import Claims, Kind, OwnRun
from flyte_server.auth.roles import Grant, Role

HEADER = "x-flyte-caller"
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    subject: str
    """Unique and stable: what rows and the audit log keep.  `key:nightly`, `user:ada@example.com`, …"""
    name: str
    """For people to read."""
    kind: Kind = "local"
    grants: tuple[Grant, ...] = ()
    run: OwnRun | None = None
    """Of a task's process: all that it may touch."""
    worker: str = ""
    key: str = ""
    """Client id of the API key that all this stems from; empty: of none."""
    session: str = ""
    """Login of a person; empty: of none."""
    expires_at: int = 0
    """When the token ends, in microseconds since the epoch; 0: never."""


class _Headers(Protocol):
    def get(self, key: str, default: str = ..., /) -> str | None: ...


def of(headers: _Headers | Mapping[str, str], *, otherwise: str = "local") -> Caller:
    """Who asks.

    Args:
        headers: of the request, as the gate has passed them on.
        otherwise: the name of whoever asks where no gate stands (in tests of single services).
    """
    return known(headers) or Caller(otherwise, otherwise)


def known(headers: _Headers | Mapping[str, str]) -> Caller | None:
    """Who asks; None for a request that did not come through the gate."""
    text = headers.get(HEADER, "")
    return _read(text) if text else None


def visible(headers: _Headers | Mapping[str, str]) -> frozenset[str] | None:
    """The projects of which a listing may show something; None: all of them.

    Of a request that did not come through the gate: all, because nobody else can send one.
    """
    caller = known(headers)
    if caller is None:
        return None
    if caller.run is not None:
        return frozenset({caller.run.project})
    return roles.projects(caller.grants)


def from_claims(claims: Claims) -> Caller:
    """The caller whose token says this."""
    return Caller(
        claims.subject,
        claims.name,
        claims.kind,
        claims.grants,
        claims.run,
        claims.worker,
        claims.key,
        claims.session,
        claims.expires_at,
    )


def header(caller: Caller) -> tuple[bytes, bytes]:
    """The header that says who asks."""
    return HEADER.encode(), json.dumps(asdict(caller)).encode()


@lru_cache(_REMEMBERED)
def _read(text: str) -> Caller:
    said = json.loads(text)
    run = said.pop("run")
    grants = tuple(Grant(Role(grant["role"]), grant["project"]) for grant in said.pop("grants"))
    return Caller(**said, grants=grants, run=None if run is None else OwnRun(**run))
