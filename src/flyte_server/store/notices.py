"""What is told when runs have ended: the engine writes the rows, `services.notices` what became of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from flyte_server.domain.commands import NewNotice
from flyte_server.domain.ids import ROOT_ACTION
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action, Run
from flyte_server.store import actions, queries, runs
from flyte_server.store.rows import Connection

_statements = queries.load("notices")


class NoticeState(StrEnum):
    """How far a notice is."""

    WAITING = "waiting"
    """For the end of its run, or for the next try."""
    SENT = "sent"
    FAILED = "failed"
    """Given up."""
    UNWANTED = "unwanted"
    """The run has ended in a phase that is not to be told."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to be told to one receiver."""

    run_id: int
    number: int
    """From 1, in the order in which the run has them."""
    phases: tuple[Phase, ...]
    delivery: bytes
    """The DeliveryConfigTemplate message."""
    state: NoticeState
    failures: int
    """How often it could not be told."""
    due_at: int
    ended_at: int | None
    error: str
    """Why the last try failed; of a sent one: what was wrong all the same."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A notice that is due, with the run that has ended."""

    notice: Notice
    run: Run
    root: Action


def insert(connection: Connection, run_id: int, wished: Sequence[NewNotice], now_us: int) -> None:
    """Somebody is to be told when a run has ended.  Only the engine calls this."""
    for number, each in enumerate(wished, start=1):
        _statements.insert(
            connection,
            run_id=run_id,
            number=number,
            phases=json.dumps([phase.value for phase in each.phases]),
            delivery=each.delivery,
            due_at=now_us,
        )


def due(connection: Connection, now_us: int, limit: int = 20) -> list[Ended]:
    """What is to be told now, the longest waiting first."""
    found: list[Ended] = []
    for notice in map(_notice, _statements.due(connection, now=now_us, limit=limit)):
        run = runs.by_id(connection, notice.run_id)
        root = actions.load(connection, notice.run_id, ROOT_ACTION)
        if run is not None and root is not None:  # else it is being removed, and its rows with it
            found.append(Ended(notice, run, root))
    return found


def next_due_at(connection: Connection, now_us: int) -> int | None:
    """When something is tried again; None: nothing is."""
    return _statements.next_due_at(connection, now=now_us)


def claim(connection: Connection, notice: Notice, until: int) -> bool:
    """Nobody else sends it until then; False when somebody was faster."""
    written = _statements.claim(
        connection,
        run_id=notice.run_id,
        number=notice.number,
        due_at=notice.due_at,
        until=until,
    )
    return written == 1


def put_off(
    connection: Connection, notice: Notice, *, failures: int, due_at: int, error: str
) -> None:
    """It could not be told; it is tried again later."""
    _statements.put_off(
        connection,
        run_id=notice.run_id,
        number=notice.number,
        failures=failures,
        due_at=due_at,
        error=error,
    )


def settle(
    connection: Connection,
    notice: Notice,
    state: NoticeState,
    now_us: int,
    *,
    failures: int,
    error: str = "",
) -> None:
    """It was told, is given up, or is not to be told."""
    _statements.settle(
        connection,
        run_id=notice.run_id,
        number=notice.number,
        state=state.value,
        failures=failures,
        ended_at=now_us,
        error=error,
    )


def of_run(connection: Connection, run_id: int) -> list[Notice]:
    """Everything that a run tells."""
    return [_notice(row) for row in _statements.of_run(connection, run_id=run_id)]


def _notice(row: Sequence[object]) -> Notice:
    run_id, number, phases, delivery, state, failures, due_at, ended_at, error = row
    return Notice(
        run_id=run_id,  # pyright: ignore[reportArgumentType]
        number=number,  # pyright: ignore[reportArgumentType]
        phases=tuple(map(Phase, json.loads(str(phases)))),
        delivery=delivery,  # pyright: ignore[reportArgumentType]
        state=NoticeState(str(state)),
        failures=failures,  # pyright: ignore[reportArgumentType]
        due_at=due_at,  # pyright: ignore[reportArgumentType]
        ended_at=ended_at,  # pyright: ignore[reportArgumentType]
        error=str(error),
    )
