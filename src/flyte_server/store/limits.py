"""Limits of environments and queues, and the lanes that follow from them.  Only the engine writes here."""

from flyte_server.domain.admission import lanes
from flyte_server.domain.admission.lanes import Gate, Limits
from flyte_server.store import queries
from flyte_server.store.rows import Connection

_statements = queries.load("limits")


def listing(connection: Connection) -> dict[Gate, int]:
    """All limits."""
    return {Gate(kind, name): most for kind, name, most in _statements.listing(connection)}


def save(connection: Connection, gate: Gate, most: int) -> None:
    """Set a limit, and let what waits already wait for it too."""
    known = listing(connection)
    _statements.save(connection, kind=gate.kind, name=gate.name, most=most)
    if gate not in known:
        _assign(connection, gate, {**known, gate: most})


def delete(connection: Connection, gate: Gate) -> bool:
    """Take a limit away; False when there is none."""
    if not _statements.delete(connection, kind=gate.kind, name=gate.name):
        return False
    _assign(connection, gate, listing(connection))
    return True


def _assign(connection: Connection, gate: Gate, limits: Limits) -> None:
    """New lanes for all that has not ended; for a hundred thousand actions that takes a second."""
    changes: list[dict[str, str]] = []
    for lane, environment, queue in _statements.concerned(
        connection, kind=gate.kind, name=gate.name
    ):
        into = lanes.relimited(lane, environment, queue, limits)
        changes.append({"old": lane, "environment": environment, "queue": queue, "lane": into})
    if changes:
        _statements.assign(connection, changes)
