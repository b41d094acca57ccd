"""What retention asks of the database touches runs, never all actions."""

import pytest

from flyte_server.store import queries
from flyte_server.store.database import Database

PARAMETERS = {
    "removable": {"ended_by": 1, "first": 1, "last": 1, "limit": 10},
    "unmeasured": {"limit": 1},
    "unended": {},
    "inputs": {"above": 0},
    "largest": {"limit": 1},
    "totals": {},
    "latest_moment": {},
    "drop_actions": {"id": 1, "limit": 50},
    "drop_entries": {"project": "p", "domain": "d", "name": "r", "limit": 50},
    "unused_specs": {"limit": 1},
    "drop_spec": {"digest": "x"},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_no_statement_reads_all_actions(name: str) -> None:
    database = Database.in_memory()
    statement = getattr(queries.load("retention"), name).sql
    plan = database._connection().execute(f"EXPLAIN QUERY PLAN {statement}", PARAMETERS[name])
    steps = [row[3] for row in plan]
    scanned = {step for step in steps if step.startswith("SCAN")}
    small = ("SCAN r", "SCAN s", "SCAN runs", "SCAN a USING COVERING INDEX actions_open")
    assert all(step.startswith(small) or step == "SCAN CONSTANT ROW" for step in scanned), steps
