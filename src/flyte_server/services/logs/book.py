"""Which log belongs to which attempt, how far the attempt is, and whether its log is all there."""

from dataclasses import dataclass
from pathlib import Path

from flyte_server.clock import Clock
from flyte_server.domain.errors import NotFound
from flyte_server.domain.records import Action, ActionKey, Attempt
from flyte_server.engine.admission import waiting
from flyte_server.engine.admission.waiting import Wait
from flyte_server.engine.engine import Engine
from flyte_server.services.directory import Directory
from flyte_server.services.launch.specs import log_path
from flyte_server.services.logs import events
from flyte_server.services.logs.files import Ending, LogFiles
from flyte_server.services.logs.records import Line
from flyte_server.services.wire.ids import ActionName
from flyte_server.settings import Settings
from flyte_server.store import actions
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection

_BEGIN_US = 1_000_000
"""So long after an attempt's end its log may still begin: whoever says nothing has none."""
_END_US = 10_000_000
"""So long after an attempt's end its log may lack its end: whoever writes it is behind, or was killed."""
_PATIENCE_US = 1_000_000
"""So long an attempt waits before anything is told about it: most start at once."""


@dataclass(frozen=True, slots=True)
class State:
    """How far an attempt is."""

    attempt: Attempt | None
    """None before it is claimed."""
    is_over: bool
    """Nothing happens to it any more."""
    events: list[Line]
    """What became of it, as long as it has no process."""


class LogBook:
    """Finds logs."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        directory: Directory,
        *,
        engine: Engine,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._database = database
        self._directory = directory
        self._engine = engine
        self.clock = clock

    async def open(self, name: ActionName, number: int) -> "OneLog":
        """The log of an attempt, which need not have started if it is the next one.

        Args:
            name: of the action.
            number: of the attempt; 0 means the newest.

        Raises:
            NotFound: there is no such action, or it has not had so many attempts.
        """
        facts, action = await self._directory.action(name)
        newest = max(action.attempt, 1)
        if number > newest:
            raise NotFound(
                f"Attempt {number} of action {name.name!r} has not started, so it has no log (yet)."
            )
        path = Path(log_path(self._settings, facts, name.name, number or newest))
        return OneLog(self, ActionKey(facts.run.id, name.name), number or newest, path)

    async def folder(self, name: ActionName) -> Path:
        """Where the logs of an action lie; those of the other actions of its run lie beside it.

        Raises:
            NotFound: there is no such run.
        """
        facts = await self._directory.by_name(name.run)
        return Path(log_path(self._settings, facts, name.name, 1)).parent

    async def state(self, key: ActionKey, number: int) -> State:
        """How far an attempt is now."""
        now_us = self.clock.now_us()
        action, attempts, wait = await self._database.read(_rows, key, self._engine, now_us)
        attempt = next((each for each in attempts if each.number == number), None)
        if action is None:
            return State(None, is_over=True, events=[])
        if attempt is not None and attempt.started_at is not None:
            return State(attempt, attempt.ended, events=[])
        is_over = action.phase.terminal if attempt is None else attempt.ended
        found = events.told(action, attempt, wait)
        waited_us = now_us - max(action.queued_at, action.due_at)
        return State(attempt, is_over, found if is_over or waited_us > _PATIENCE_US else [])


@dataclass(frozen=True, slots=True)
class OneLog:
    """The log of one attempt."""

    book: LogBook
    key: ActionKey
    number: int
    path: Path

    async def state(self) -> State:
        """How far the attempt is now."""
        return await self.book.state(self.key, self.number)

    def is_whole(self, state: State) -> bool:
        """Whether the log of an attempt that is over, read to its end just now, is all that it will be."""
        attempt = state.attempt
        if attempt is None or attempt.ended_at is None or attempt.started_at is None:
            return True
        ending = LogFiles(self.path).ending()
        if ending in {Ending.WHOLE, Ending.PLAIN}:
            return True
        patience_us = _BEGIN_US if ending is Ending.MISSING else _END_US
        return self.book.clock.now_us() - attempt.ended_at > patience_us


def _rows(
    connection: Connection, key: ActionKey, engine: Engine, now_us: int
) -> tuple[Action | None, list[Attempt], Wait | None]:
    action = actions.load(connection, key.run_id, key.name)
    if action is None:
        return None, [], None
    attempts = actions.attempts(connection, key.run_id, key.name)
    wait = waiting.why(connection, action, engine.capacity, now_us, engine.processes.all)
    return action, attempts, wait
