"""KeyService and AuditService: who may come in, and what they did."""

from collections.abc import Mapping
from typing import Any

from flyte_server.auth.keys import Key, Keys
from flyte_server.auth.roles import Role
from flyte_server.clock import Clock
from flyte_server.domain.errors import Invalid
from flyte_server.services.access import callers
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.wire import ids
from flyte_server.store.access import audit
from flyte_server.store.access.audit import Asked, Entry
from flyte_server.store.database import Database

_MOST_KEYS = 1000
_MOST_ENTRIES = 1000
_MICROSECONDS = 1_000_000


class KeyService:
    """Creates, lists and revokes API keys."""

    name = "KeyService"

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def methods(self) -> Mapping[str, Method]:
        return {"Create": self.create, "List": self.list, "Revoke": self.revoke}

    async def create(self, request: Request) -> Payload:
        """`{name, role, project?, expires_seconds?} -> {key, client_id, client_secret}`.

        `client_secret` is in this answer and nowhere else; `key` is as `List` has it.

        Raises:
            Invalid: the name, the role or the time makes no sense.
            AlreadyExists: there is a key of this name.
        """
        seconds = request.number("expires_seconds", 0)
        project = request.text("project", "")
        key, secret = await self._keys.create(
            request.text("name"),
            _role(request.text("role")),
            project=ids.name(project, where="project") if project else None,
            expires_at=self._clock.now_us() + seconds * _MICROSECONDS if seconds else None,
            by=callers.of(request.context.request_headers()).subject,
        )
        return {"key": _shown(key), "client_id": key.client_id, "client_secret": secret}

    async def list(self, request: Request) -> Payload:
        """`{after?, limit?} -> {keys: [{name, client_id, role, project, created_at, created_by, expires_at}], next}`.

        By name; `after` is the `next` of the page before, and an empty one says that this was the last.  Moments are
        microseconds since the epoch, as text; `project` is empty for all projects, `expires_at` for never.
        """
        limit = min(max(request.number("limit", _MOST_KEYS), 1), _MOST_KEYS)
        found = await self._keys.list(after=request.text("after", ""), limit=limit)
        return {
            "keys": [_shown(key) for key in found],
            "next": found[-1].name if len(found) == limit else "",
        }

    async def revoke(self, request: Request) -> Payload:
        """`{name} -> {}`: the key, and all tokens that came of it, are refused from now on.

        Raises:
            NotFound: there is none of this name.
        """
        by = callers.of(request.context.request_headers()).subject
        await self._keys.revoke(request.text("name"), by=by)
        return {}


class AuditService:
    """Shows the audit log."""

    name = "AuditService"

    def __init__(self, database: Database) -> None:
        self._database = database

    def methods(self) -> Mapping[str, Method]:
        return {"List": self.list}

    async def list(self, request: Request) -> Payload:
        """`{who?, project?, since?, before?, limit?} -> {entries, next}`: the newest first.

        `since` is in microseconds since the epoch, as text; `before` is the `next` of the page before.  Entries are
        `{id, at, subject, name, kind, method, project, target, outcome, address}`.
        """
        limit = min(max(request.number("limit", 100), 1), _MOST_ENTRIES)
        asked = Asked(
            who=request.text("who", ""),
            project=request.text("project", ""),
            since=_moment(request, "since"),
            before=_moment(request, "before"),
            limit=limit,
        )
        found = await self._database.read(audit.listing, asked)
        return {
            "entries": [_told(number, entry) for number, entry in found],
            "next": str(found[-1][0]) if len(found) == limit else "",
        }


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise Invalid(f"There is no role {text!r}; choose one of {', '.join(Role)}.") from None


def _moment(request: Request, name: str) -> int:
    text = request.text(name, "") or "0"
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Invalid(f"{request.method} needs a number as text as {name!r}, but got {text!r}.")
    return int(text)


def _shown(key: Key) -> dict[str, Any]:
    return {
        "name": key.name,
        "client_id": key.client_id,
        "role": key.role.value,
        "project": key.project or "",
        "created_at": str(key.created_at),
        "created_by": key.created_by,
        "expires_at": str(key.expires_at or ""),
    }


def _told(number: int, entry: Entry) -> dict[str, Any]:
    return {
        "id": str(number),
        "at": str(entry.at),
        "subject": entry.subject,
        "name": entry.name,
        "kind": entry.kind,
        "method": entry.method,
        "project": entry.project,
        "target": entry.target,
        "outcome": entry.outcome,
        "address": entry.address,
    }
