"""Leases: who is alive, and who holds which attempt."""

from collections.abc import Collection

from flyte_server.domain.records import AttemptKey, Lease
from flyte_server.store import queries, rows
from flyte_server.store.rows import Connection

_statements = queries.load("leases")


def renew(
    connection: Connection, workers: Collection[str], *, plane: str, seconds: float, now_us: int
) -> list[Lease]:
    """Note a sign of life of each of these workers; gives all leases as they are then.

    Args:
        connection: within a transaction.
        workers: ids of the control plane and of its hosts that are alive.
        plane: id of the control plane that says so.
        seconds: for how long its word holds.
        now_us: for people who look at the rows; nothing is decided by it.
    """
    _statements.renew(
        connection,
        [
            {"worker": worker, "plane": plane, "seconds": seconds, "now": now_us}
            for worker in sorted(workers)
        ],
    )
    return load_all(connection)


def load_all(connection: Connection) -> list[Lease]:
    """Every lease, live or not."""
    return [rows.lease(row) for row in _statements.all(connection)]


def holders(connection: Connection) -> dict[AttemptKey, str]:
    """Attempts that are alive, each with the id of its worker: a host, or the control plane that
    claimed it and has not started it yet."""
    return {AttemptKey(*key): worker for *key, worker in _statements.holders(connection)}


def drop(connection: Connection, records: Collection[Lease]) -> None:
    """Take leases away; one that was renewed meanwhile stays, and so does one whose worker holds an
    attempt: that is first to be lost."""
    if not records:
        return
    needed = frozenset(holders(connection).values())
    over = [
        {"worker": record.worker, "beats": record.beats}
        for record in records
        if record.worker not in needed
    ]
    if over:
        _statements.drop(connection, over)


def leave(connection: Connection, plane: str) -> None:
    """Take away what a control plane that ends has renewed; hosts that hold attempts stay alive."""
    drop(connection, [record for record in load_all(connection) if record.plane == plane])
