"""The raw rows of the store, as plain dictionaries."""

import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

TERMINAL = frozenset({"succeeded", "failed", "aborted", "timed_out", "recovered"})
ALIVE = frozenset({"initializing", "running"})
OPEN = frozenset({"queued", "waiting_for_resources", "initializing", "running", "paused"})
Row = dict[str, Any]
Key = tuple[str, str]
"""Run and action."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A run that a trigger has started."""

    trigger: str
    revision: int
    at: int
    run: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Everything that the store has."""

    names: dict[int, str]
    seqs: dict[int, int]
    actions: dict[Key, Row]
    attempts: dict[Key, list[Row]]
    cache: list[Row]
    leases: list[Row]
    set_aside: list[str]
    history: list[Row]
    """Every change of an action, in the order of their commits."""
    attempt_history: list[Row]
    ticks: list[Tick]
    """In the order in which they were created."""
    triggers: dict[str, Row]
    revisions: dict[tuple[str, int], bool]
    """Whether each revision of a trigger was active."""


def load(connection: sqlite3.Connection) -> Rows:
    """Read all of it."""
    runs = _all(connection, "runs")
    names = {run["id"]: run["name"] for run in runs}
    attempts: dict[Key, list[Row]] = defaultdict(list)
    for attempt in _all(connection, "attempts ORDER BY number"):
        attempt["failure"] = json.loads(attempt["failure"]) if attempt["failure"] else None
        attempts[names[attempt["run_id"]], attempt["action"]].append(attempt)
    return Rows(
        names=names,
        seqs={run["id"]: run["seq"] for run in runs},
        actions={
            (names[action["run_id"]], action["name"]): action
            for action in _all(connection, "actions")
        },
        attempts=attempts,
        cache=_all(connection, "cache"),
        leases=_all(connection, "leases"),
        set_aside=[f"{row['subject']}: {row['error']}" for row in _all(connection, "set_aside")],
        history=_all(connection, "history ORDER BY n"),
        attempt_history=_all(connection, "attempt_history ORDER BY n"),
        ticks=[_tick(run) for run in sorted(runs, key=itemgetter("id")) if run["trigger"]],
        triggers={row["name"]: row for row in _all(connection, "triggers")},
        revisions={
            (row["name"], row["revision"]): bool(row["active"])
            for row in _all(connection, "trigger_revisions")
        },
    )


def _tick(run: Row) -> Tick:
    by = json.loads(run["trigger"])
    return Tick(by["name"], by["revision"], by["tick"], run["name"], run["created_at"])


def _all(connection: sqlite3.Connection, table: str) -> list[Row]:
    cursor = connection.execute(f"SELECT * FROM {table}")
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor]
