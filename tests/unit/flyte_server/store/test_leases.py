"""The rows of leases: renewed together, taken away only when nobody needs them."""

import sqlite3
from collections.abc import Iterator

import pytest

from flyte_server.domain.phases import Kind, Phase
from flyte_server.domain.records import Action, Attempt, AttemptKey, Lease, Run
from flyte_server.store import actions, leases, runs
from flyte_server.store.file import migrate


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    migrate.apply(made)
    yield made
    made.close()


def renew(
    connection: sqlite3.Connection, *workers: str, plane: str = "cp-1", now: int = 7
) -> dict[str, Lease]:
    found = leases.renew(connection, workers, plane=plane, seconds=10.0, now_us=now)
    return {lease.worker: lease for lease in found}


def hold(connection: sqlite3.Connection, worker: str, phase: Phase = Phase.RUNNING) -> AttemptKey:
    """An attempt that a worker has."""
    run_id = runs.insert(connection, Run(0, "p", "d", f"r-{worker}", b"", {}, 0, 5, 0))
    action = Action(run_id, "a0", None, Kind.TASK, phase, "e.f", 5, attempt=1, token="t")
    actions.insert(connection, [action])
    actions.save_attempts(
        connection, [Attempt(run_id, "a0", 1, "t", Phase.INITIALIZING, worker=worker)]
    )
    return AttemptKey(run_id, "a0", 1, "t")


def test_every_renewal_counts(connection: sqlite3.Connection) -> None:
    renew(connection, "cp-1", "h-1")
    found = renew(connection, "cp-1", now=9)
    assert found["cp-1"] == Lease("cp-1", "cp-1", 2, 10.0, 9)
    assert found["h-1"] == Lease("h-1", "cp-1", 1, 10.0, 7)


def test_whoever_renews_holds_the_lease(connection: sqlite3.Connection) -> None:
    renew(connection, "h-1", plane="cp-1")
    found = renew(connection, "h-1", plane="cp-2")
    assert (found["h-1"].plane, found["h-1"].beats) == ("cp-2", 2)


def test_holders_are_the_workers_of_living_attempts(connection: sqlite3.Connection) -> None:
    running = hold(connection, "h-1")
    claimed = hold(connection, "cp-1", Phase.INITIALIZING)
    hold(connection, "h-2", Phase.FAILED)
    assert leases.holders(connection) == {running: "h-1", claimed: "cp-1"}


def test_a_lease_that_is_needed_or_was_renewed_stays(connection: sqlite3.Connection) -> None:
    hold(connection, "needed")
    read = renew(connection, "needed", "renewed", "over").values()
    renew(connection, "renewed")
    leases.drop(connection, list(read))
    assert {lease.worker for lease in leases.load_all(connection)} == {"needed", "renewed"}


def test_a_control_plane_leaves_its_own_alone(connection: sqlite3.Connection) -> None:
    hold(connection, "busy")
    renew(connection, "cp-1", "idle", "busy", plane="cp-1")
    renew(connection, "cp-2", "h-2", plane="cp-2")
    leases.leave(connection, "cp-1")
    assert {lease.worker for lease in leases.load_all(connection)} == {"busy", "cp-2", "h-2"}
