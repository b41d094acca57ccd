"""The scribe: one process per host that reads what all its attempts write, and keeps it.

Pipes hold what was written when a writer dies, so nothing is lost at a crash; a full pipe makes a writer wait, so
nobody is overrun.  The scribe has no user code in it and a session of its own: it outlives its host until every pipe
is read to its end, and ends then.
"""

import json
import os
import resource
import selectors
import signal
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from flyte._entrypoints import mark
from flyte._entrypoints.channel import Message
from flyte._entrypoints.scribe import records
from flyte._entrypoints.scribe.attempt_log import AttemptLog
from flyte._kit import backoff, clock

TOKEN = "scribe"
"""What it shows where attempts show their tokens: it is nobody's kin, although it writes to their logs."""
_CHUNK = 64 * 1024
"""What a pipe holds."""
_TICK_SECONDS = 0.1
_BREATH_SECONDS = 0.002
"""After a look that found little: what comes meanwhile is read together."""
_LITTLE = 16 * 1024
_RECEIVED = 64 * 1024


class Scribe:
    """Its one loop.

    Args:
        link: leads to the host: messages with the read ends of an attempt's pipes.
    """

    def __init__(self, link: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._link: socket.socket | None = link
        self._incoming = b""
        self._descriptors: deque[int] = deque()
        self._open: dict[AttemptLog, int] = {}
        """How many of an attempt's pipes have not come to their end."""
        link.setblocking(False)
        self._selector.register(link, selectors.EVENT_READ, self._receive)

    def run(self) -> None:
        """Read until the host is gone and all pipes are at their ends."""
        while self._link is not None or self._open:
            waits = any(log.waits for log in self._open)
            found = self._selector.select(_TICK_SECONDS if waits else None)
            now_us = clock.now_us()
            taken = sum(key.data(now_us) for key, _ in found)
            for log in self._open if waits else ():
                log.tick(now_us)
            if taken < _LITTLE:
                backoff.sleep_blocking(_BREATH_SECONDS)

    def _receive(self, now_us: int) -> int:
        while self._link is not None:
            try:
                text, descriptors, _, _ = socket.recv_fds(self._link, _RECEIVED, 2)
            except BlockingIOError:
                break
            except OSError:
                text, descriptors = b"", []
            if not text:
                self._selector.unregister(self._link)
                self._link.close()
                self._link = None
            self._descriptors.extend(descriptors)
            *lines, self._incoming = (self._incoming + text).split(b"\n")
            for line in lines:
                self._begin(json.loads(line), now_us)
        return 0

    def _begin(self, message: Message, now_us: int) -> None:
        log = AttemptLog(message["path"], message["hidden"], limit_bytes=message["limit"])
        if message["resumed"]:
            log.gap(
                "the process that wrote this log was replaced; lines may be missing here", now_us
            )
        self._open[log] = 2
        for stream in (records.OUT, records.ERR):
            pipe = self._descriptors.popleft()
            self._selector.register(pipe, selectors.EVENT_READ, self._reader(log, stream, pipe))

    def _reader(self, log: AttemptLog, stream: bytes, pipe: int) -> Callable[[int], int]:
        def read(now_us: int) -> int:
            chunk = os.read(pipe, _CHUNK)
            if chunk:
                log.write(stream, chunk, now_us)
            else:
                self._selector.unregister(pipe)
                os.close(pipe)
                self._end_of_pipe(log, now_us)
            return len(chunk)

        return read

    def _end_of_pipe(self, log: AttemptLog, now_us: int) -> None:
        self._open[log] -= 1
        if not self._open[log]:
            del self._open[log]
            log.close(now_us)


def live(link: socket.socket, token_mark: mark.TokenMark) -> None:
    """Be the scribe, right after the fork from the host, until there is nothing to write any more."""
    os.setsid()
    os.chdir("/")
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)  # it ends when nobody needs it any more
    token_mark.write(TOKEN)
    _keep_only(link)
    Scribe(link).run()


def _keep_only(link: socket.socket) -> None:
    """Let go of what belongs to the host: its connections, and pipes that would never end."""
    os.closerange(3, link.fileno())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(link.fileno() + 1, soft if soft != resource.RLIM_INFINITY else 1 << 20)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
