"""A host's one loop: connections, signals and timers around the children."""

import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flyte._entrypoints import child
from flyte._entrypoints.channel import Channel, Message
from flyte._entrypoints.child import Closable, Launch
from flyte._entrypoints.nursery import Nursery
from flyte._entrypoints.records import PROTOCOL, HostRecord
from flyte._entrypoints.starters import Starter
from flyte._kit import clock

_ALONE_TICK_SECONDS = 2.0
"""How often a host without a control plane looks whether it is still wanted."""
_LAST_GRACE_SECONDS = 5.0
_NOTICE_SECONDS = 25.0
"""How long tasks have to save what they can when the machine is taken away: a little less than what Kubernetes and
the spot markets give by themselves."""
_TAKEN_AWAY = "the machine told its host to end (SIGTERM)"
_BACKLOG = 128
"""Control planes that may come and go while a long import lets nobody in."""
_Order = Callable[[Message], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a host is told by its command line."""

    home: Path
    host_id: str
    linger_seconds: float = 300.0
    """How long to wait for a control plane with nothing to do."""
    connection: int | None = None
    """File descriptor of a socket that leads to the control plane which started the host."""


class _Announced:
    """A starter whose first preparation is announced: while the task's code is imported, which may
    take minutes, the host answers nobody and is alive all the same."""

    def __init__(self, starter: Starter, announce: Callable[[bool], None]) -> None:
        self._starter = starter
        self._announce = announce
        self._prepared = False

    @property
    def links(self) -> tuple[Path, ...]:
        return self._starter.links

    def prepare(self, launch: Launch, direct_output: Callable[[], None]) -> str:
        if self._prepared:
            return self._starter.prepare(launch, direct_output)
        self._prepared = True
        self._announce(True)
        try:
            return self._starter.prepare(launch, direct_output)
        finally:
            self._announce(False)

    def perform(self, launch: Launch) -> int:
        return self._starter.perform(launch)


class Supervisor:
    """Single-threaded, so that it can fork; never waits for anything but its selector.

    It ends when it is told to, or when it is alone and idle for long, or when its record is gone:
    then somebody removed the home, and its children with it have nowhere to write to.
    """

    def __init__(self, options: Options, starter: Starter) -> None:
        self._options = options
        self._record = HostRecord(options.home, options.host_id)
        self._nursery = Nursery(
            self._record.work,
            _Announced(starter, self._announce),
            tell=self._tell,
            inherited=self._connections,
        )
        self._address = ""
        self._channel: Channel | None = None
        self._bound = ""
        self._pid = os.getpid()
        self._stopping = False
        self._terminated = False
        self._orphaned = False
        self._alone_since = clock.monotonic()
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._wakeups, self._alarm = socket.socketpair()
        self._orders: dict[str, _Order] = {
            "bind": self._bind,
            "launch": lambda message: self._nursery.add(Launch.read(message)),
            "kill": lambda message: self._nursery.kill(
                tuple(message["key"]), message["grace"], message.get("overrun")
            ),
            "note": lambda message: self._nursery.note(tuple(message["key"]), message["text"]),
            "ack": lambda message: self._nursery.forget(tuple(key) for key in message["keys"]),
            "stop": self._stop,
            "ping": lambda _: self._tell({"op": "pong"}),
        }

    def run(self) -> None:
        """Listen, announce, serve, and clean up at the end."""
        self._record.work.mkdir(parents=True, exist_ok=True)
        os.chdir(self._record.work)
        self._nursery.desk.open()  # before there are user's modules and connections
        self._address = self._listen()
        self._watch_signals()
        self._record.write(self._address)
        if self._options.connection is not None:
            self._connect(socket.socket(fileno=self._options.connection))
        while not self._done():
            self._flush()
            for key, _ in self._selector.select(self._timeout()):
                key.data()
            self._heed()
            self._nursery.start_some()
            self._nursery.tick()
        self._depart()

    def _listen(self) -> str:
        address = self._record.make_address()
        try:
            self._listener.bind(address)
        except OSError:  # a file system without sockets
            address = self._record.make_address(elsewhere=True)
            self._listener.bind(address)
        self._listener.listen(_BACKLOG)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        return address

    def _watch_signals(self) -> None:
        for end in (self._wakeups, self._alarm):
            end.setblocking(False)
        signal.set_wakeup_fd(self._alarm.fileno(), warn_on_full_buffer=False)
        for number in child.MANAGED_SIGNALS:
            signal.signal(number, self._noticed)
        self._selector.register(self._wakeups, selectors.EVENT_READ, self._wake)

    def _connections(self) -> tuple[Closable, ...]:
        own = (self._selector, self._listener, self._wakeups, self._alarm)
        return (*own, self._channel) if self._channel else own

    # -- messages

    def _accept(self) -> None:
        """A control plane connects: first hear what an earlier one said last, then tell this one
        everything."""
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if self._channel is not None:
            self._receive()
            self._disconnect()
        self._connect(connection)

    def _connect(self, connection: socket.socket) -> None:
        self._channel = channel = Channel(connection)
        self._selector.register(channel, selectors.EVENT_READ, self._receive)
        self._tell(
            {
                "op": "hello",
                "protocol": PROTOCOL,
                "id": self._options.host_id,
                "pid": os.getpid(),
                "bound": self._bound,
            }
        )
        for message in self._nursery.held():
            self._tell(message)
        self._tell({"op": "ready"})

    def _disconnect(self) -> None:
        if self._channel is not None:
            self._selector.unregister(self._channel)
            self._channel.close()
            self._channel = None
            self._alone_since = clock.monotonic()

    def _receive(self) -> None:
        channel = self._channel
        if channel is None:
            return
        for message in channel.receive():
            order = self._orders.get(message["op"])
            if order is None:
                print(f"unknown order, ignored: {json.dumps(message)[:200]}")  # noqa: T201 - the host's own log
            else:
                order(message)

    def _tell(self, message: Message) -> None:
        """Say something to the control plane; without one it will ask when it comes."""
        if self._channel is not None:
            self._channel.queue(message)

    def _flush(self) -> None:
        channel = self._channel
        if channel is None:
            return
        channel.flush()
        if channel.closed:
            self._receive()  # what it said before it went still counts
            self._disconnect()
            return
        interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.pending else 0)
        if self._selector.get_key(channel).events != interest:
            self._selector.modify(channel, interest, self._receive)

    # -- orders

    def _bind(self, message: Message) -> None:
        """Become the host of one environment and code bundle; before any of it is imported."""
        self._bound = message["host_key"]
        self._nursery.variables.replace(message["env"])
        time.tzset()

    def _stop(self, _: Message) -> None:
        self._stopping = True

    def _announce(self, importing: bool) -> None:
        """Write where every control plane looks, also one that comes meanwhile."""
        try:
            self._record.write(self._address, importing=importing)
        except OSError as error:
            print(f"cannot write {self._record.path}: {error.strerror}")  # noqa: T201 - the host's own log

    # -- time and the end

    def _noticed(self, number: int, _: object) -> None:
        """A signal.

        A byte in the wakeup socket ends the wait; it does not count, a child may have written it.
        """
        if os.getpid() != self._pid:
            # A child that was forked a moment ago: do what would have happened a moment later.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif number == signal.SIGTERM:
            self._terminated = True

    def _wake(self) -> None:
        with suppress(OSError):
            self._wakeups.recv(4096)
        self._nursery.reap()

    def _heed(self) -> None:
        """The machine wants the host gone: asked for before anything starts, since the launch that came with the signal
        must not begin only to be ended."""
        if self._terminated and not self._stopping:
            self._stopping = True
            self._tell({"op": "leaving"})
            self._nursery.leave(_TAKEN_AWAY, _NOTICE_SECONDS)

    def _timeout(self) -> float | None:
        limit = self._nursery.patience()
        if self._channel is None:
            limit = min(limit, _ALONE_TICK_SECONDS)
        return None if limit == float("inf") else limit

    def _done(self) -> bool:
        if self._channel is not None:
            return self._stopping and not self._nursery.busy and self._nursery.empty
        if not self._orphaned and not self._record.exists():
            self._orphaned = self._stopping = True
            self._nursery.kill_all(_LAST_GRACE_SECONDS)
        if self._nursery.busy:
            self._alone_since = clock.monotonic()
            return False
        waited = clock.monotonic() - self._alone_since
        return (self._stopping or waited > self._options.linger_seconds) and self._bequeath()

    def _bequeath(self) -> bool:
        """Leave the results that nobody has heard as a testament.

        Whether it is kept: on a full disk the host stays until there is room.
        """
        results = self._unheard()
        try:
            if results:
                self._record.write(self._address, results)
        except OSError as error:
            print(f"cannot leave {len(results)} results in {self._record.path}: {error.strerror}")  # noqa: T201 - the host's own log
            return False
        return True

    def _unheard(self) -> list[Message]:
        return [] if self._orphaned else self._nursery.unacknowledged()

    def _depart(self) -> None:
        """Leave nothing but the testament, if there is one."""
        results = self._unheard()
        self._nursery.desk.leave()
        for connection in self._connections():
            connection.close()
        self._record.remove(self._address, keep_record=bool(results))
        sys.stdout.flush()
