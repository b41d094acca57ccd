"""One store for all control planes of a world, which fails, and at which control planes die."""

import contextlib
import random
import sqlite3
from collections.abc import Callable
from typing import Any

from tests.sim.world.faults import BROKEN, FULL, LOCKED, Trouble
from tests.sim.world.journal import Journal
from tests.sim.world.loop import Being, never, running

from flyte_server.domain import errors
from flyte_server.store import faults
from flyte_server.store.database import Database
from flyte_server.store.file import migrate

_RECOVERY_LOOKS = 12
_CODES = {LOCKED: sqlite3.SQLITE_BUSY, BROKEN: sqlite3.SQLITE_IOERR}
_HISTORY = """
CREATE TEMP TABLE history (
    n INTEGER PRIMARY KEY, commit_no INTEGER, run_id INTEGER, name TEXT, parent TEXT,
    old_phase TEXT, phase TEXT, old_attempt INTEGER, attempt INTEGER, old_token TEXT, token TEXT,
    old_version INTEGER, version INTEGER, seq INTEGER, output_uri TEXT, aborting TEXT, answer TEXT
);
CREATE TEMP TABLE attempt_history (
    n INTEGER PRIMARY KEY, run_id INTEGER, action TEXT, number INTEGER, old_phase TEXT, phase TEXT,
    old_token TEXT, token TEXT
);
CREATE TEMP TRIGGER action_added AFTER INSERT ON main.actions BEGIN
    INSERT INTO history VALUES (NULL, commit_no(), NEW.run_id, NEW.name, NEW.parent,
        NULL, NEW.phase, NULL, NEW.attempt, NULL, NEW.token, NULL, NEW.version, NEW.seq, NEW.output_uri,
        NEW.aborting, NEW.answer);
END;
CREATE TEMP TRIGGER action_changed AFTER UPDATE ON main.actions WHEN commit_no() > 0 BEGIN
    INSERT INTO history VALUES (NULL, commit_no(), NEW.run_id, NEW.name, NEW.parent,
        OLD.phase, NEW.phase, OLD.attempt, NEW.attempt,
        OLD.token, NEW.token, OLD.version, NEW.version, NEW.seq, NEW.output_uri, NEW.aborting, NEW.answer);
END;
CREATE TEMP TRIGGER attempt_changed AFTER UPDATE ON main.attempts BEGIN
    INSERT INTO attempt_history VALUES (NULL, NEW.run_id, NEW.action, NEW.number, OLD.phase, NEW.phase,
        OLD.token, NEW.token);
END;
"""


def _template() -> bytes:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate.apply(connection)
        return connection.serialize()


class Disk:
    """The file: it outlives every control plane.  Triggers write down each change of a row, for the checker."""

    template: bytes | None = None

    def __init__(self) -> None:
        if Disk.template is None:
            Disk.template = _template()
        self.connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False, cached_statements=512
        )
        self.connection.deserialize(Disk.template)
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.create_function("commit_no", 0, lambda: self.commits)
        self.connection.executescript(_HISTORY)
        self.database = Database(lambda: self.connection, None)
        self.state = ""
        """The error that everything gets now; empty: it works."""
        self.commits = 0
        self.synced_at = 0.0
        """When what is on the platter was put there."""
        self._platter = sqlite3.connect(":memory:")
        self._changes = (0, 0)
        self.sync()

    def sync(self) -> None:
        """What is committed survives a power cut from now on."""
        self.connection.backup(self._platter)
        self._changes, self.synced_at = self._counts(), running().time()

    def lose_power(self) -> None:
        """What was not synced is gone."""
        self._platter.backup(self.connection)
        self.connection.execute("DELETE FROM history WHERE n > ?", self._changes[:1])
        self.connection.execute("DELETE FROM attempt_history WHERE n > ?", self._changes[1:])

    def damage(self, statement: str, values: tuple[Any, ...]) -> None:
        """Change rows behind everybody's back."""
        commits, self.commits = self.commits, 0
        self.connection.execute(statement, values)
        self.commits = commits

    def _counts(self) -> tuple[int, int]:
        """How many changes are written down."""
        last = "SELECT coalesce(max(n), 0) FROM"
        statement = f"SELECT ({last} history), ({last} attempt_history)"
        return self.connection.execute(statement).fetchone()

    def close(self) -> None:
        self.connection.close()
        self._platter.close()


class FaultyStore:
    """What one control plane has instead of a `Database`.

    Args:
        disk: the store.
        plane: who uses it, and dies of it.
        recovers: whether it was started again after a crash.
    """

    def __init__(
        self,
        disk: Disk,
        plane: Being,
        trouble: Trouble,
        dice: random.Random,
        *,
        journal: Journal,
        recovers: bool,
    ) -> None:
        self._disk = disk
        self._plane = plane
        self._trouble = trouble
        self._dice = dice
        self._journal = journal
        self._looks_of_recovery = _RECOVERY_LOOKS if recovers else 0
        self._closed = False

    async def read(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As `Database.read`."""
        await self._before()
        if self._disk.state in {BROKEN, LOCKED}:
            raise _refusal(self._disk.state)
        result = self._disk.database._transaction("BEGIN", function, *args, **kwargs)
        await self._delay()
        return result

    async def write(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As `Database.write`; the control plane may die before, in, or after the commit."""
        await self._before()
        if self._disk.state:
            raise _refusal(self._disk.state)
        if self._happens(self._trouble.store_error):
            saying = self._dice.choice([LOCKED, BROKEN, FULL])
            self._journal.fault("store refused a commit", saying)
            with contextlib.suppress(_TornError):
                self._disk.database._transaction("BEGIN IMMEDIATE", _torn, function, args, kwargs)
            raise _refusal(saying)
        if self._happens(self._trouble.crash_during):
            with contextlib.suppress(_TornError):
                self._disk.database._transaction("BEGIN IMMEDIATE", _torn, function, args, kwargs)
            await self._die("crash during a commit")
        self._disk.commits += 1
        result = self._disk.database._transaction("BEGIN IMMEDIATE", function, *args, **kwargs)
        self._journal.deeds["commits"] += 1
        if self._happens(self._trouble.crash_after):
            await self._die("crash after a commit")
        await self._delay()
        return result

    async def sync(self) -> None:
        """As `Database.sync`."""
        await self._delay()
        if self._disk.state in {BROKEN, FULL} or self._happens(self._trouble.store_error):
            self._journal.fault("disk refused a sync")
            raise OSError(5, "Input/output error")
        self._disk.sync()

    def close(self) -> None:
        """As `Database.close`; the disk stays."""

    async def _before(self) -> None:
        await self._delay()
        if self._looks_of_recovery:
            self._looks_of_recovery -= 1
            if self._happens(self._trouble.crash_in_recovery / _RECOVERY_LOOKS):
                await self._die("crash inside recovery")
        if self._happens(self._trouble.crash_before):
            await self._die("crash before a transaction")

    async def _die(self, how: str) -> None:
        self._journal.fault(how, self._plane.name)
        self._plane.kill()
        await never()

    async def _delay(self) -> None:
        if self._trouble.store_delay:
            loop = running()
            ready = loop.create_future()
            loop.call_later(self._dice.random() * self._trouble.store_delay, ready.set_result, None)
            await ready

    def _happens(self, share: float) -> bool:
        return share > 0 and running().time() < self._trouble.until and self._dice.random() < share


def _refusal(saying: str) -> Exception:
    """What `Database` makes of SQLite's words."""
    if saying == FULL:  # its message says how much room this machine has: another one each time
        return errors.DiskFull(saying)
    error = sqlite3.OperationalError(saying)
    error.sqlite_errorcode = _CODES.get(saying, sqlite3.SQLITE_IOERR)
    return faults.translated(error)


class _TornError(Exception):
    """The transaction was not committed."""


def _torn(
    connection: sqlite3.Connection,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    with contextlib.suppress(Exception):
        function(connection, *args, **kwargs)
    raise _TornError
