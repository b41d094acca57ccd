"""Stored records to lines.  Standard library only: the search runs it in a process of its own.

    1764000000000000e  a line that was written to stderr

Microseconds since the epoch (16 digits), the stream (`o` stdout, `e` stderr, `s` the platform), the kind, a space, the
text.  Kinds: ` ` a line; `+` a piece of one, which the next record of the stream goes on with; `r` a state of a line
that was overwritten; `j` a JSON object; `!` a notice of what is missing; `$` the end of what was written.  A line that
does not begin so is text as it is.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

OUT, ERR, SYSTEM = "o", "e", "s"
LINE, PIECE, PROGRESS, STRUCTURED, GAP, END = " ", "+", "r", "j", "!", "$"
PREFIX_BYTES = 19
LONGEST_LINE = 64 * 1024
"""Bytes; a longer line is told in pieces."""
_PREFIX = re.compile(rb"\d{16}[oes][ +rj!$] ")


@dataclass(frozen=True, slots=True)
class Line:
    """What is told of a log as one line."""

    text: str
    at_us: int | None = None
    """When it was written; None: not known."""
    stream: str = OUT
    fields: dict[str, Any] | None = None
    """Of a structured record: `level`, `logger`, `message`, `fields`."""


def is_record(raw: bytes) -> bool:
    """Whether a line of a file is a record, and not text as it is."""
    return _PREFIX.match(raw) is not None


def record(at_us: int, text: str, *, stream: str = SYSTEM, kind: str = LINE) -> str:
    """A record as it stands in a file, with its end."""
    return f"{at_us:016d}{stream}{kind} {text}\n"


@dataclass(slots=True)
class _Open:
    """What of a stream waits for the record that ends it."""

    pieces: list[bytes] = field(default_factory=list[bytes])
    at_us: int | None = None
    progress: Line | None = None


class Assembler:
    """Makes lines of records: joins pieces, and of the states of a progress bar that come together keeps the last."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def lines(self, raw: Iterable[bytes]) -> Iterator[Line]:
        """Lines that are complete with these.

        Args:
            raw: records without their ends.
        """
        for each in raw:
            if not is_record(each):
                yield from (Line(text) for text in _shown(each))
            else:
                yield from self._take(each)

    def rest(self) -> Iterator[Line]:
        """What waits for a record that does not come (now)."""
        for stream in tuple(self._open):
            yield from self._close(stream)

    def _take(self, raw: bytes) -> Iterator[Line]:
        at_us, stream, kind = int(raw[:16]), chr(raw[16]), chr(raw[17])
        text = raw[PREFIX_BYTES:]
        if kind == PIECE:
            yield from self._piece(stream, at_us, text)
        elif kind == PROGRESS:
            self._progress(stream, Line(text.decode(errors="replace"), at_us, stream))
        elif kind == END:
            yield from self.rest()
        elif kind == STRUCTURED:
            yield from self._close(stream)
            yield structured(at_us, stream, text)
        else:
            yield from self._whole(stream, at_us, text)

    def _piece(self, stream: str, at_us: int, text: bytes) -> Iterator[Line]:
        opened = self._open.setdefault(stream, _Open())
        opened.progress = None
        if sum(map(len, opened.pieces)) + len(text) > LONGEST_LINE:
            yield from self._close(stream)
            opened = self._open.setdefault(stream, _Open())
        if not opened.pieces:
            opened.at_us = at_us
        opened.pieces.append(text)

    def _progress(self, stream: str, line: Line) -> None:
        self._open[stream] = _Open(progress=line)

    def _whole(self, stream: str, at_us: int, text: bytes) -> Iterator[Line]:
        opened = self._open.pop(stream, None)
        if opened is not None and opened.pieces:
            text = b"".join((*opened.pieces, text))
            at_us = opened.at_us or at_us
        yield from (Line(piece, at_us, stream) for piece in _shown(text))

    def _close(self, stream: str) -> Iterator[Line]:
        opened = self._open.pop(stream, None)
        if opened is None:
            return
        if opened.progress is not None:
            yield opened.progress
        elif opened.pieces:
            text = b"".join(opened.pieces)
            yield from (Line(piece, opened.at_us, stream) for piece in _shown(text))


def structured(at_us: int, stream: str, document: bytes) -> Line:
    """A JSON record as a line that a person reads: `INFO trained loss=0.1`."""
    try:
        found = json.loads(document)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return Line(document.decode(errors="replace"), at_us, stream)
    given = found.get("fields")
    values = given.items() if isinstance(given, dict) else ()
    words = [str(found.get("level", "")), str(found.get("message", ""))]
    words += [f"{name}={_value(value)}" for name, value in values]
    return Line(" ".join(filter(None, words)), at_us, stream, found)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown(text: bytes) -> Iterator[str]:
    """Bytes as text, in pieces if they are very many; what is no UTF-8 is shown as U+FFFD."""
    text = text.removesuffix(b"\r")
    while len(text) > LONGEST_LINE:
        end = character_end(text, LONGEST_LINE)
        yield text[:end].decode("utf-8", errors="replace")
        text = text[end:]
    yield text.decode("utf-8", errors="replace")


def character_end(text: bytes, limit: int) -> int:
    """Where to cut at most `limit` bytes so that no UTF-8 character is cut in two."""
    for end in range(limit, limit - 4, -1):
        if text[end] & 0b1100_0000 != 0b1000_0000:
            return end
    return limit
