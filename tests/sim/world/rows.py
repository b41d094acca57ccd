"""The raw rows of the store, as plain dictionaries."""

import json
import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

TERMINAL = frozenset({"succeeded", "failed", "aborted", "timed_out", "recovered"})
ALIVE = frozenset({"initializing", "running"})
OPEN = frozenset({"queued", "waiting_for_resources", "initializing", "running", "paused"})
Row = dict[str, Any]
Key = tuple[str, str]
"""Run and action."""


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
    )


def _all(connection: sqlite3.Connection, table: str) -> list[Row]:
    cursor = connection.execute(f"SELECT * FROM {table}")
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor]
