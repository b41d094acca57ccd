"""The host's side of its scribe: pipes for attempts, and a new scribe when one dies."""

import json
import os
import signal
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from flyte._entrypoints import mark, processes
from flyte._entrypoints.channel import Message
from flyte._entrypoints.scribe import process

_PATIENCE_SECONDS = 0.5
"""How long a scribe may not take a message; it is stuck in a file system then."""


@dataclass(slots=True, eq=False)
class Pens:
    """With what one attempt writes its log: two pipes, whose other ends the scribe reads."""

    readers: tuple[int, int]
    """Kept here too, so that a new scribe can be given them; without one a writer waits, and does not die."""
    writers: tuple[int, int]
    order: Message = field(repr=False)

    def take(self) -> None:
        """Let descriptors 1 and 2 be the pipes."""
        for number, writer in enumerate(self.writers, start=1):
            os.dup2(writer, number)

    def close(self) -> None:
        """Close the writers: of the host after the fork, of the attempt when it has taken them.  The pipes come to
        their end when nothing of the attempt is left."""
        for writer in self.writers:
            os.close(writer)
        self.writers = (-1, -1)


class Desk:
    """Hands out pens.  Without a scribe (it cannot be forked, or is stuck) there are none, and output goes to the file
    as it is.

    Args:
        token_mark: of the host.
        forked: called with the number of each scribe's process.
    """

    def __init__(self, token_mark: mark.TokenMark, forked: Callable[[int], object]) -> None:
        self._mark = token_mark
        self._forked = forked
        self._link: socket.socket | None = None
        self._pid = 0
        self._out: set[Pens] = set()

    def open(self) -> None:
        """Have a scribe."""
        if self._link is not None:
            return
        try:
            ours, theirs = socket.socketpair()
            pid = os.fork()
        except OSError as error:
            print(f"no scribe: {error.strerror}; logs have no times")  # noqa: T201 - the host's own log
            return
        if pid == 0:
            _be_scribe(theirs, self._mark)
        theirs.close()
        ours.settimeout(_PATIENCE_SECONDS)
        self._link, self._pid = ours, pid
        self._forked(pid)
        for pens in self._out:
            self._send(pens, resumed=True)

    def pens(self, path: str, hidden: tuple[str, ...], limit_bytes: int) -> Pens | None:
        """Pipes for an attempt, given to the scribe before the attempt has a process."""
        self.open()
        if self._link is None:
            return None
        try:
            out, err = os.pipe(), os.pipe()
        except OSError as error:
            print(f"no pipes for {path}: {error.strerror}")  # noqa: T201 - the host's own log
            return None
        order: Message = {"path": path, "hidden": hidden, "limit": limit_bytes}
        made = Pens((out[0], err[0]), (out[1], err[1]), order)
        if self._send(made) or (self._replace() and self._send(made)):
            self._out.add(made)
            return made
        for descriptor in (*out, *err):
            os.close(descriptor)
        return None

    def take_back(self, pens: Pens) -> None:
        """The attempt is over; what is left in the pipes the scribe has."""
        self._out.discard(pens)
        for reader in pens.readers:
            os.close(reader)

    def ended(self, pid: int) -> None:
        """A process has ended; if it was the scribe, another one goes on."""
        if pid == self._pid:
            self._replace()

    def leave(self) -> None:
        """No attempt comes any more; the scribe ends when it has read what is left."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def close(self) -> None:
        """In an attempt's process: close what is the host's alone."""
        self.leave()
        for pens in self._out:
            for reader in pens.readers:
                os.close(reader)

    def _replace(self) -> bool:
        print("the scribe is gone; another one goes on")  # noqa: T201 - the host's own log
        self.leave()
        processes.signal_one(
            self._pid, signal.SIGKILL
        )  # a stuck one must not go on beside the new one
        self.open()
        return self._link is not None

    def _send(self, pens: Pens, *, resumed: bool = False) -> bool:
        if self._link is None:
            return False
        message = json.dumps({**pens.order, "resumed": resumed}).encode() + b"\n"
        try:
            sent = socket.send_fds(self._link, [message], pens.readers)
            self._link.sendall(message[sent:])
        except OSError:
            return False
        return True


def _be_scribe(link: socket.socket, token_mark: mark.TokenMark) -> None:
    code = 1
    try:
        process.live(link, token_mark)
        code = 0
    except BaseException:  # noqa: BLE001 - a process's edge: the traceback goes to the host's log
        traceback.print_exc()
    finally:
        os._exit(code)
