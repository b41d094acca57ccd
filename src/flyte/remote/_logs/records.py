"""Stored records of a log to lines.

    1764000000000000e  a line that was written to stderr

Microseconds since the epoch (16 digits), the stream (`o` stdout, `e` stderr, `s` the platform), the kind, a space, the
text.  Kinds: ` ` a line; `+` a piece of one, which the next record of the stream goes on with; `r` a state of a line
that was overwritten; `j` a JSON object; `!` a notice of what is missing; `$` the end of what was written.  A line that
does not begin so is text as it is.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

STREAMS = {"o": "out", "e": "err", "s": "system"}
_PREFIX = re.compile(r"\d{16}[oes][ +rj!$] ")
_PREFIX_CHARACTERS = 19
_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log."""

    text: str
    at: datetime | None = None
    """When it was written; None: not known."""
    stream: str = "out"
    """`out`, `err`, or `system`: what the platform said."""
    fields: dict[str, Any] | None = None
    """Of what `flyte.logger` said: `level`, `logger`, `message`, `fields`."""


class Assembler:
    """Makes lines of records: joins pieces, and keeps the last of the states of a progress bar that come together."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, LogLine]] = {}
        """By stream: the kind and what has come of a line that has not ended."""

    @property
    def waits(self) -> bool:
        """Whether `rest` has something to tell."""
        return bool(self._open)

    def lines(self, text: str) -> Iterator[LogLine]:
        """Lines that are complete with these records."""
        for raw in text.removesuffix("\n").split("\n") if text else ():
            if _PREFIX.match(raw) is None:
                yield LogLine(raw.removesuffix("\r"))
            else:
                yield from self._take(raw)

    def rest(self) -> Iterator[LogLine]:
        """What waits for a record that does not come (now)."""
        found, self._open = list(self._open.values()), {}
        for _, line in found:
            yield line

    def _take(self, raw: str) -> Iterator[LogLine]:
        stream, kind, text = raw[16], raw[17], raw[_PREFIX_CHARACTERS:]
        line = LogLine(text, _moment(raw[:16]), STREAMS[stream])
        before = self._open.pop(stream, None)
        if before is not None and before[0] == "+" and kind in " +":
            began = before[1]
            line = LogLine(began.text + text, began.at, began.stream)
        elif before is not None and before[0] == "+":
            yield before[1]
        if kind in "+r" and len(line.text) <= _LONGEST_LINE:
            self._open[stream] = (kind, line)
        elif kind == "$":
            yield from self.rest()
        elif kind == "j":
            yield structured(line)
        else:
            yield line


def structured(line: LogLine) -> LogLine:
    """A JSON record as a line that a person reads: `INFO trained loss=0.1`."""
    try:
        found = json.loads(line.text)
    except ValueError:
        return line
    if not isinstance(found, dict):
        return line
    given = found.get("fields")
    values = given.items() if isinstance(given, dict) else ()
    words = [str(found.get("level", "")), str(found.get("message", ""))]
    words += [f"{name}={_value(value)}" for name, value in values]
    return LogLine(" ".join(filter(None, words)), line.at, line.stream, found)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _moment(digits: str) -> datetime | None:
    micros = int(digits)
    return datetime.fromtimestamp(micros / 1_000_000, UTC) if micros else None
