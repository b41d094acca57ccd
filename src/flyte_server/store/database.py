"""The SQLite file: one writer thread, a few readers, every call one transaction."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from flyte_server.domain import errors
from flyte_server.store import faults
from flyte_server.store.file import backups, integrity, location, migrate
from flyte_server.store.rows import Connection

P = ParamSpec("P")
T = TypeVar("T")

_READERS = 2
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",  # `sync` puts on the disk what must survive a power cut
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 10000",
    "PRAGMA temp_store = MEMORY",
)


class Database:
    """Runs functions on connections: `await database.read(runs.by_id, 7)`.

    Each function gets a connection inside a transaction of its own, which is committed when it
    returns and rolled back when it raises.  Reads see one snapshot and never wait for the writer.

    Made by `open` (a file, threads) or `in_memory` (tests: no file, no threads, everything in the
    caller's).
    """

    def __init__(self, connect: Callable[[], Connection], path: Path | None) -> None:
        self._connect = connect
        self.path = path
        """The file; None in memory."""
        self._opened: list[Connection] = []
        self._local = threading.local()
        self._closed = False
        self._writer: ThreadPoolExecutor | None = None
        self._readers: ThreadPoolExecutor | None = None
        if path is not None:
            self._writer = ThreadPoolExecutor(1, "flyte-store-writer")
            self._readers = ThreadPoolExecutor(_READERS, "flyte-store-reader")

    @classmethod
    def open(cls, path: Path) -> "Database":
        """Open or make the database file and bring it to this release's schema; blocks shortly.

        Raises:
            errors.StoreUnusable: when the file cannot be used there; the message says why.
            errors.SchemaTooNew: when a newer release wrote it.
        """
        location.refuse_network(path, location.mounts())
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            integrity.check(path)
            if not path.exists():
                _create(path)
            connection = _connect(str(path))
            try:
                migrate.apply(
                    connection, backup=lambda old: backups.before_migration(connection, path, old)
                )
            finally:
                connection.close()
        except (OSError, sqlite3.Error) as error:
            raise errors.StoreUnusable(
                f"the database {path} cannot be opened ({error}; {faults.room(path)}): make the"
                " directory writable and have room on its disk, or set FLYTE_HOME to another one"
            ) from error
        return cls(lambda: _connect(str(path)), path)

    @classmethod
    def in_memory(cls) -> "Database":
        """An empty database without file and threads: deterministic, for tests."""
        database = cls(lambda: _connect(":memory:"), None)
        migrate.apply(database._connection())
        return database

    async def read(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `function(connection, …)` on one snapshot; it must not write."""

        def work() -> T:
            return self._transaction("BEGIN", function, *args, **kwargs)

        return await self._run(self._readers, work)

    async def write(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `function(connection, …)` alone on the writer; returns after the commit.

        A commit survives the death of every process.  Only `sync` makes it survive a power cut.
        A caller that is cancelled meanwhile does not stop the transaction.
        """

        def work() -> T:
            return self._transaction("BEGIN IMMEDIATE", function, *args, **kwargs)

        return await self._run(self._writer, work)

    async def back_up(self) -> Path | None:
        """Copy the database over its copy of the day before; None in memory.

        The copy is one moment's state; who writes meanwhile does not wait.

        Raises:
            errors.StoreUnusable: when there is no room, or it cannot be written.
        """
        path = self.path
        if path is None:
            return None
        return await self._run(self._readers, lambda: backups.daily(self._connection(), path))

    async def sync(self) -> None:
        """Wait until everything that was committed is on the disk."""
        await self._run(self._writer, self._sync)

    def close(self) -> None:
        """Finish what runs and close the file; blocks shortly."""
        self._closed = True
        for pool in (self._writer, self._readers):
            if pool is not None:
                pool.shutdown(wait=True)
        for connection in self._opened:
            connection.close()
        self._opened.clear()

    async def _run(self, pool: ThreadPoolExecutor | None, work: Callable[[], T]) -> T:
        if self._closed:
            raise errors.Unavailable("the database is closed: the control plane is stopping")
        if pool is None:
            return self._told(work)
        return await asyncio.get_running_loop().run_in_executor(pool, self._told, work)

    def _transaction(
        self,
        begin: str,
        function: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        connection = self._connection()
        connection.execute(begin)
        try:
            result = function(connection, *args, **kwargs)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk, for one, rolls back by itself
                connection.execute("ROLLBACK")
            raise
        return result

    def _told(self, work: Callable[[], T]) -> T:
        """Do it; what SQLite says about the disk becomes a refusal with the next step."""
        try:
            return work()
        except sqlite3.Error as error:
            raise faults.refusal(error, self.path) from error

    def _sync(self) -> None:
        if self.path is None:
            return
        # what is committed is in the write-ahead log
        descriptor = os.open(self.path.with_name(f"{self.path.name}-wal"), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _connection(self) -> Connection:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            self._opened.append(connection)
        return connection


def _create(path: Path) -> None:
    """Make an empty database under another name first: an empty file is none that a crash has left."""
    draft = path.with_name(f".{path.name}.new")
    for name in (draft, *(draft.with_name(f"{draft.name}{end}") for end in ("-wal", "-shm"))):
        name.unlink(missing_ok=True)
    connection = _connect(str(draft))
    try:
        migrate.apply(connection)
    finally:
        connection.close()
    draft.replace(path)


def _connect(path: str) -> Connection:
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection
