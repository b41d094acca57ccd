"""One host as the control plane sees it: a process, a connection, the attempts it holds."""

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from flyte_server.clock import Clock
from flyte_server.domain.records import AttemptKey
from flyte_server.domain.telling import LAST_WORDS
from flyte_server.executors.common import processes
from flyte_server.executors.common.processes import HostProcess
from flyte_server.executors.process import records, spawning
from flyte_server.executors.process.connection import PROTOCOL, Connection, Message, wire_key
from flyte_server.executors.process.records import HostRecord
from flyte_server.executors.process.spawning import HostProgram

_POLL_SECONDS = 0.01
_END_SECONDS = 2.0
"""A process that has hung up is gone a moment later; one that is not is ended."""


class Listener(Protocol):
    """Who wants to know what hosts say."""

    def heard(self, host: "Host", messages: list[Message]) -> None:
        """Messages about attempts, in the order of their happening."""
        ...

    async def ended(self, host: "Host", sentence: str) -> None:
        """The process is gone."""
        ...


class Host:
    """Holds what is said to the host until it has said hello, and knows whether it is of use."""

    def __init__(self, home: Path, host_id: str, *, clock: Clock, listener: Listener) -> None:
        self.host_id = host_id
        self.bound = ""
        """Which attempts it serves: a key of the pool; empty for one that has not been needed
        yet."""
        self.attempts: set[AttemptKey] = set()
        self.idle_since = clock.monotonic()
        self.ready = asyncio.Event()
        """Set once everything that it holds has been heard."""
        self.gone = asyncio.Event()
        self._home = home
        self._clock = clock
        self._listener = listener
        self._connection: Connection | None = None
        self._process: HostProcess | None = None
        self._backlog: list[Message] = []
        self._acknowledged: list[AttemptKey] = []
        self.answered = False
        """Whether it has said something since it was asked last; at first it owes its hello."""
        self._started_here = False
        self._condemned = ""
        self._released = False
        self._burial: asyncio.Task[None] | None = None

    @property
    def process(self) -> HostProcess:
        assert self._process is not None, "a host is started or adopted before it is used"
        return self._process

    async def start(self, program: HostProgram, env: Mapping[str, str]) -> None:
        """Start the process, connected from its birth; returns before it says hello."""
        ours, theirs = socket.socketpair()
        try:
            pid = spawning.spawn(self._home, self.host_id, program, env=env, connection=theirs)
        finally:
            theirs.close()
        self._process = HostProcess(pid, processes.start_ticks(pid))
        self._started_here = True
        await asyncio.get_running_loop().create_unix_connection(self._connect, sock=ours)

    async def adopt(self, record: HostRecord) -> None:
        """Connect to a process that an earlier control plane started.

        Raises:
            OSError: nobody listens there.
        """
        self._process = HostProcess(record.pid, record.start_ticks)
        await asyncio.get_running_loop().create_unix_connection(self._connect, record.socket)

    async def end(self) -> None:
        """Have the process gone, whatever it is doing."""
        while self.process.running():
            self.process.kill()
            await self._clock.sleep(_POLL_SECONDS)

    def ask(self) -> None:
        """Ask for a sign of life; one question at a time."""
        if self.answered:
            self.answered = False
            self.send({"op": "ping"})

    def excused(self) -> bool:
        """Whether it cannot answer and is alive: it starts, or imports a task's code, and nobody has
        stopped its process."""
        record = records.read(records.path_of(self._home, self.host_id))
        starts = record is None and self._started_here and not self.ready.is_set()
        imports = record is not None and record.importing
        return (starts or imports) and not self.process.stopped()

    def condemn(self, reason: str) -> None:
        """End it; `reason` is why its attempts are lost."""
        self._condemned = self._condemned or reason
        self.process.kill()

    def _connect(self) -> Connection:
        self._connection = Connection(hear=self._hear, lost=self._hung_up)
        return self._connection

    def send(self, message: Message) -> None:
        """Tell the host something, as soon as it listens."""
        if self._connection is not None and self.ready.is_set():
            self._connection.send(message)
        else:
            self._backlog.append(message)

    def acknowledge(self, key: AttemptKey) -> None:
        """The end of an attempt is committed: the host may forget it."""
        self.attempts.discard(key)
        if not self.attempts:
            self.idle_since = self._clock.monotonic()
        if not self._acknowledged:
            asyncio.get_running_loop().call_soon(self._send_acknowledged)
        self._acknowledged.append(key)

    def _send_acknowledged(self) -> None:
        self.send({"op": "ack", "keys": [wire_key(key) for key in self._acknowledged]})
        self._acknowledged.clear()

    def stop(self) -> None:
        """Let the host end itself when it holds nothing any more."""
        self.send({"op": "stop"})

    def release(self) -> None:
        """Hang up without ending anything."""
        self._released = True
        if self._connection is not None:
            self._connection.close()

    def _hear(self, messages: list[Message]) -> None:
        self.answered = True
        about_attempts: list[Message] = []
        for message in messages:
            if message["op"] == "hello":
                self._greeted(message)
            elif message["op"] not in {"ready", "pong"}:
                about_attempts.append(message)
        self._listener.heard(self, about_attempts)
        if any(message["op"] == "ready" for message in messages):
            self._open()

    def _greeted(self, message: Message) -> None:
        self.bound = message["bound"] or self.bound
        if message["protocol"] != PROTOCOL:
            self.process.kill()  # made by another version: its attempts are lost, and tried again

    def _open(self) -> None:
        self.ready.set()
        backlog, self._backlog = self._backlog, []
        for message in backlog:
            self.send(message)

    def _hung_up(self) -> None:
        self._connection = None
        if self._released:
            self.gone.set()
        else:
            self._burial = asyncio.get_running_loop().create_task(self._bury())

    async def _bury(self) -> None:
        """Wait for the process to be gone, and tell."""
        deadline = self._clock.monotonic() + _END_SECONDS
        while self.process.running():
            if self._clock.monotonic() > deadline:
                self.process.kill()
            await self._clock.sleep(_POLL_SECONDS)
        self.gone.set()
        self.ready.set()
        await self._listener.ended(self, self._sentence())

    def _sentence(self) -> str:
        words = records.last_words(self._home, self.host_id)
        seen = f"{self._condemned}; it " if self._condemned else ""
        sentence = f"host {self.host_id} (process {self.process.pid}) {seen}{self.process.ending}"
        return f"{sentence}{LAST_WORDS}{words}" if words else sentence
