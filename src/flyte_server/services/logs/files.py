"""The files of one log, read piece by piece while they grow.  Standard library only, as `records`.

A log that is larger than its bound has its beginning in `1.log` and its end in the last two of `1.log.1`, `1.log.2`, …
Each of these but the first begins with a notice of what was written between `1.log` and itself: it is told if the one
before it is gone.
"""

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from flyte_server.services.logs import records

READ_BYTES = 1024 * 1024
_ENDING_BYTES = 64 * 1024


class Ending(Enum):
    """Whether a log has its end."""

    WHOLE = auto()
    OPEN = auto()
    PLAIN = auto()
    """It has no records, so nobody can tell."""
    MISSING = auto()
    """There is no log (yet): it begins with the first output."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a log."""

    segment: int = 0
    offset: int = 0

    def __str__(self) -> str:
        return f"{self.segment}:{self.offset}"

    @classmethod
    def of(cls, text: str) -> "Cursor":
        """The place that a client sends back; the beginning if it sends none.

        Raises:
            ValueError: it is none of ours.
        """
        segment, _, offset = (text or "0:0").partition(":")
        if not (segment.isdecimal() and offset.isdecimal()):
            raise ValueError(text)
        return cls(int(segment), int(offset))


class LogFiles:
    """Reads one log."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(
        self, cursor: Cursor, *, to_the_end: bool = False, most: int = READ_BYTES
    ) -> tuple[bytes, Cursor]:
        """Whole lines from a place on, about `most` bytes; nothing if there are none (yet).

        Args:
            cursor: where to begin.
            to_the_end: nothing more is written, so that a last line without an end is one too.
            most: a line that is longer is given in pieces.

        Returns:
            The lines with their ends, and the place behind them.
        """
        while True:
            following = self._following(cursor.segment)
            content = self._content(cursor, most)
            whole = content[: content.rfind(b"\n") + 1]
            if not whole and (len(content) >= most or to_the_end or following is not None):
                whole = content
            if whole:
                return whole, Cursor(cursor.segment, cursor.offset + len(whole))
            if following is None:
                return b"", cursor
            cursor = self._beginning(following, after=cursor.segment)

    def left(self, cursor: Cursor) -> int:
        """Bytes behind a place."""
        sizes = {number: self._file(number).stat().st_size for number in self._segments()}
        return sum(
            max(0, size - cursor.offset) if number == cursor.segment else size
            for number, size in sizes.items()
            if number >= cursor.segment
        )

    def ending(self) -> Ending:
        """Whether it has its end: after that only notes of the platform follow."""
        last = max(self._segments(), default=None)
        if last is None:
            return Ending.MISSING
        size = self._file(last).stat().st_size
        content = self._content(Cursor(last, max(0, size - _ENDING_BYTES)), _ENDING_BYTES)
        for raw in reversed(content.removesuffix(b"\n").split(b"\n")):
            if not records.is_record(raw):
                return Ending.PLAIN
            if raw[17:18] == records.END.encode():
                return Ending.WHOLE
            if raw[16:17] != records.SYSTEM.encode():
                break
        return Ending.OPEN

    def near_the_end(self, distance: int) -> Cursor:
        """The beginning of a line not far from the end."""
        last = max(self._segments(), default=0)
        try:
            with self._file(last).open("rb") as file:
                file.seek(max(0, self._file(last).stat().st_size - distance))
                if file.tell():
                    file.readline()
                return Cursor(last, file.tell())
        except FileNotFoundError:
            return Cursor()

    def _content(self, cursor: Cursor, most: int) -> bytes:
        try:
            with self._file(cursor.segment).open("rb") as file:
                file.seek(cursor.offset)
                return file.read(most)
        except FileNotFoundError:
            return b""

    def _beginning(self, segment: int, *, after: int) -> Cursor:
        notice = segment > 1 and segment == after + 1
        if not notice:
            return Cursor(segment, 0)
        try:
            with self._file(segment).open("rb") as file:
                return Cursor(segment, len(file.readline()))
        except FileNotFoundError:
            return Cursor(segment, 0)

    def _following(self, segment: int) -> int | None:
        return min((each for each in self._segments() if each > segment), default=None)

    def _segments(self) -> list[int]:
        """Numbers of the files that are there."""
        name = self._path.name
        try:
            found = [each.name for each in self._path.parent.iterdir()]
        except FileNotFoundError:
            return []
        numbers = [each[len(name) + 1 :] for each in found if each.startswith(f"{name}.")]
        first = [0] if name in found else []
        return first + [int(number) for number in numbers if number.isdecimal()]

    def _file(self, segment: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{segment}") if segment else self._path
