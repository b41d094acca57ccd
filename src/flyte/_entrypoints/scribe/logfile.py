"""The files of one log: appended to, bounded, and honest about what they do not have."""

import os
from contextlib import suppress
from pathlib import Path

from flyte._entrypoints.scribe import records

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_SEGMENTS = 4
"""The head may have half of the bound, and each of the two segments that are kept behind it a quarter."""


class LogFile:
    """Appends records.  The file is made with the first of them, so that who says nothing costs nothing.

    Above the bound the beginning and the end are kept: `1.log` stays as it is, `1.log.1`, `1.log.2`, … follow it, and
    all but the last two of these are removed.  Each but the first begins with a notice of how much was written between
    `1.log` and itself: it is true, and shown, when the segment before it is gone.

    What cannot be written (a full disk) is left out and counted, and the notice of it is written when there is room.
    """

    def __init__(self, path: str, limit_bytes: int) -> None:
        self._path = path
        self._quarter = limit_bytes // _SEGMENTS
        self._descriptor = -1
        self._segment = 0
        self._size = 0
        self._between = _Amount()
        """What the segments before this one had."""
        self._unwritten = _Amount()
        self._error = ""

    @property
    def exists(self) -> bool:
        """Whether anything was written."""
        return self._descriptor >= 0

    def append(self, made: bytes, now_us: int) -> None:
        """Write records."""
        try:
            self._make_room(now_us)
            notice = self._unwritten.notice(now_us, f"could not be written: {self._error}")
            self._write(notice + made)
        except OSError as error:
            self._unwritten.add(made)
            self._error = error.strerror or str(error)
        else:
            self._unwritten = _Amount()

    def close(self) -> None:
        """No more comes."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _make_room(self, now_us: int) -> None:
        if self._descriptor < 0:
            self._descriptor = _opened(self._path)
            self._size = os.fstat(self._descriptor).st_size
        bound = self._quarter if self._segment else 2 * self._quarter
        if self._size >= bound:
            self._begin_segment(now_us)

    def _begin_segment(self, now_us: int) -> None:
        following = _opened(f"{self._path}.{self._segment + 1}")
        os.close(self._descriptor)
        self._descriptor = following
        self._segment += 1
        self._size = 0
        with suppress(FileNotFoundError):
            if self._segment > 2:
                os.unlink(f"{self._path}.{self._segment - 2}")  # noqa: PTH108 - a path is text here
        notice = self._between.notice(now_us, "left out: the log is larger than its bound")
        self._size = os.write(self._descriptor, notice)

    def _write(self, made: bytes) -> None:
        """All of it or nothing."""
        view = memoryview(made)
        written = 0
        try:
            while written < len(made):
                written += os.write(self._descriptor, view[written:])
        except OSError:
            if written:
                os.ftruncate(self._descriptor, self._size)
            raise
        self._size += written
        if self._segment:
            self._between.add(made)


class _Amount:
    """So much."""

    def __init__(self) -> None:
        self._lines = self._bytes = 0

    def add(self, made: bytes) -> None:
        lines = made.count(b"\n")
        self._lines += lines
        self._bytes += len(made) - lines * len(records.prefix(0, records.OUT, records.LINE))

    def notice(self, now_us: int, what: str) -> bytes:
        """A record that tells it; nothing if there is nothing to tell."""
        if not self._lines:
            return b""
        text = f"{self._lines} lines ({self._bytes} bytes) {what}"
        return records.record(now_us, records.SYSTEM, records.GAP, text.encode())


def newest_segment(path: str) -> str:
    """The file to which something is appended that comes after all of a log."""
    log = Path(path)
    numbers = [name.suffix[1:] for name in log.parent.glob(f"{log.name}.*")]
    latest = max((int(number) for number in numbers if number.isdecimal()), default=0)
    return f"{path}.{latest}" if latest else path


def append_note(path: str, text: str, now_us: int) -> None:
    """Add a sentence of the platform's own to a log that another process may be writing.

    Raises:
        OSError: it cannot be written.
    """
    descriptor = _opened(newest_segment(path))
    try:
        os.write(descriptor, records.record(now_us, records.SYSTEM, records.LINE, text.encode()))
    finally:
        os.close(descriptor)


def _opened(path: str) -> int:
    try:
        return os.open(path, _FLAGS, 0o644)
    except FileNotFoundError:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, _FLAGS, 0o644)
