"""Settings of the organisation, of domains, and of projects in a domain."""

from dataclasses import dataclass
from typing import Any

from flyte_server.store import queries
from flyte_server.store.rows import Connection

_statements = queries.load("settings")


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom settings hold; both empty: for the whole organisation."""

    domain: str = ""
    project: str = ""
    """Of a project in the domain; no project without a domain."""

    def __str__(self) -> str:
        if not self.domain:
            return "the organisation"
        return f"{self.project}/{self.domain}" if self.project else f"domain {self.domain}"


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes settings, and when."""

    by: str
    at: int


@dataclass(frozen=True, slots=True)
class StoredSettings:
    """What was made for one scope."""

    scope: Scope
    body: str
    """As services write it."""
    version: int
    """Counts changes, from 1."""


def load(connection: Connection, scope: Scope) -> StoredSettings | None:
    """The settings of exactly this scope."""
    row = _statements.load(connection, domain=scope.domain, project=scope.project)
    return None if row is None else _stored(row)


def levels(connection: Connection, scope: Scope) -> list[StoredSettings]:
    """The settings of a scope and of all above it, the widest first."""
    rows = _statements.levels(connection, domain=scope.domain, project=scope.project)
    return [_stored(row) for row in rows]


def create(connection: Connection, scope: Scope, body: str, change: Change) -> bool:
    """Make settings for a scope; False when it has some."""
    return bool(_statements.insert(connection, **_columns(scope, body, change)))


def update(
    connection: Connection, scope: Scope, body: str, change: Change, *, version: int
) -> bool:
    """Change the settings of a scope; False when they are not of this version any more."""
    columns = _columns(scope, body, change)
    return bool(_statements.update(connection, **columns, version=version))


def _columns(scope: Scope, body: str, change: Change) -> dict[str, Any]:
    return {
        "domain": scope.domain,
        "project": scope.project,
        "body": body,
        "changed_at": change.at,
        "changed_by": change.by,
    }


def _stored(row: Any) -> StoredSettings:
    domain, project, body, version = row
    return StoredSettings(Scope(domain, project), body, version)
