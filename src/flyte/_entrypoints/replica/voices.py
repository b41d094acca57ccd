"""Whose output it is, in a process where several attempts print.

`sys.stdout` and `sys.stderr` ask a context variable.  Code that has none (threads that an attempt has started by
itself, other than with `asyncio.to_thread`) is taken to speak for the only attempt that runs; if several run, what it
says goes to the replica's own log, and so does what C code and subprocesses write to the descriptors 1 and 2.
"""

import io
import os
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flyte import _context
from flyte._entrypoints.scribe import records
from flyte._entrypoints.scribe.attempt_log import AttemptLog
from flyte._kit import clock

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Voice:
    """The output of one attempt; its log is made when it says something."""

    def __init__(self, path: str, hidden: Iterable[str] = ()) -> None:
        self._path = path
        self._hidden = hidden
        self._guard = threading.Lock()
        self._log: AttemptLog | None = None
        self._over = False

    def say(self, stream: bytes, chunk: bytes) -> bool:
        """Write a chunk to the log; False after the attempt's end."""
        with self._guard:
            if self._over:
                return False
            if self._log is None:
                self._log = AttemptLog(self._path, self._hidden)
            self._log.write(stream, chunk, clock.now_us())
            return True

    def tick(self) -> None:
        """Show what has waited for the end of its line."""
        with self._guard:
            if self._log is not None and not self._over:
                self._log.tick(clock.now_us())

    def close(self) -> None:
        """The attempt is over."""
        with self._guard:
            self._over = True
            if self._log is not None:
                self._log.close(clock.now_us())


class Voices:
    """Those of the attempts that run now."""

    def __init__(self) -> None:
        self._present: dict[object, Voice] = {}

    def enter(self, owner: object, path: str, hidden: Iterable[str] = ()) -> None:
        """Let what is said in the contexts of an owner go to a log."""
        self._present[owner] = Voice(path, hidden)

    def leave(self, owner: object) -> None:
        """An attempt is over."""
        self._present.pop(owner).close()

    def speaking(self) -> Voice | None:
        """Who is speaking, as far as that can be known."""
        owner = _context.owner()
        if owner is None and len(self._present) == 1:
            return next(iter(self._present.values()), None)  # it may end at this moment
        return self._present.get(owner)

    def tick(self) -> None:
        """To be called a few times a second."""
        for voice in list(self._present.values()):
            voice.tick()

    def listen(self) -> None:
        """Take over `sys.stdout` and `sys.stderr`."""
        sys.stdout = _text(_Mouth(self, records.OUT, 1))
        sys.stderr = _text(_Mouth(self, records.ERR, 2))


class _Mouth(io.RawIOBase):
    """One of the two streams."""

    def __init__(self, voices: Voices, stream: bytes, descriptor: int) -> None:
        self._voices = voices
        self._stream = stream
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, chunk: "Buffer", /) -> int:
        data = bytes(chunk)
        voice = self._voices.speaking()
        if voice is None or not voice.say(self._stream, data):
            _write_all(self._descriptor, data)
        return len(data)


def _text(mouth: _Mouth) -> io.TextIOWrapper:
    """Text that leaves at once: what is buffered would be given to whoever writes next."""
    return io.TextIOWrapper(
        mouth,  # pyright: ignore[reportArgumentType] - it takes all it is given, as buffers do
        encoding="utf-8",
        errors="backslashreplace",
        write_through=True,
    )


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
