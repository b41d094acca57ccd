"""Lines of a log that grows, batch by batch."""

from collections import deque
from pathlib import Path

from flyte_server.services.logs.files import Cursor, LogFiles
from flyte_server.services.logs.records import SYSTEM, Assembler, Line

LINES_IN_A_BATCH = 500
READ_BYTES = 256 * 1024
_TOO_FAR_BEHIND = 16 * 1024**2
_NEAR = 1024**2


class LogReader:
    """Tells each line once.

    Memory stays flat: of the file as much is held as is read at once.  Who follows a log that grows faster than he
    reads is brought near its end again, with a line that says how much he has missed.
    """

    def __init__(self, path: Path) -> None:
        self._files = LogFiles(path)
        self._cursor = Cursor()
        self._assembler = Assembler()
        self._lines: deque[Line] = deque()
        self._caught_up = False
        self._was_quiet = False

    def read(self, *, to_the_end: bool) -> list[Line]:
        """Up to `LINES_IN_A_BATCH` further lines; none if there is nothing new.

        Args:
            to_the_end: nothing more will be written, so a last line without its end is a line too.
        """
        while len(self._lines) < LINES_IN_A_BATCH and self._more(to_the_end=to_the_end):
            pass
        return [self._lines.popleft() for _ in range(min(LINES_IN_A_BATCH, len(self._lines)))]

    def _more(self, *, to_the_end: bool) -> bool:
        """Read a piece; whether there was one."""
        if self._caught_up and not to_the_end and not self._lines:
            self._hurry()
        content, self._cursor = self._files.read(
            self._cursor, to_the_end=to_the_end, most=READ_BYTES
        )
        if content:
            raw = content.removesuffix(b"\n").split(b"\n")
            self._lines.extend(self._assembler.lines(raw))
        else:
            self._caught_up = True
            if self._was_quiet or to_the_end:
                self._lines.extend(self._assembler.rest())
        self._was_quiet = not content
        return bool(content)

    def _hurry(self) -> None:
        missed, self._cursor = hurried(self._files, self._cursor)
        if missed:
            self._lines.append(Line(missed, stream=SYSTEM))


def hurried(files: LogFiles, cursor: Cursor) -> tuple[str, Cursor]:
    """A place near the end and what to say about it, if a follower at `cursor` is too far behind; else nothing."""
    left = files.left(cursor)
    if left <= _TOO_FAR_BEHIND:
        return "", cursor
    nearer = files.near_the_end(_NEAR)
    missed = left - files.left(nearer)
    return f"{missed} bytes are not shown here: the log grows faster than it is followed", nearer
