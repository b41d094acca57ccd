"""How results reach the reader: tables and JSON on stdout, progress on stderr.

Two screens: `PlainScreen` for pipes, files and continuous integration; `terminal.TerminalScreen`
with colours and a live table.
"""

import json
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import click

from flyte._kit import clock
from flyte._phases import ActionPhase

if TYPE_CHECKING:  # the wire is not loaded for `flyte --help`
    from flyte.remote._progress import FailedAction, Snapshot

_SECONDS_BETWEEN_LINES = 2.0
_LONGEST_VALUE = 64 * 1024
_BAD = (ActionPhase.FAILED, ActionPhase.TIMED_OUT, ActionPhase.ABORTED)


@dataclass(frozen=True, slots=True)
class Table:
    """A listing for people."""

    columns: tuple[str, ...]
    """Headings; none is shown when all are empty."""
    rows: Sequence[Sequence[str]]
    when_empty: str = "nothing found"
    """What to say in place of a table without rows; it names the next step."""
    name_at: int = 0
    """The column with the name that other commands take: what `--quiet` prints."""


def as_text(value: object) -> str:
    """A value for people: its beginning, where it is longer than anybody reads."""
    text = repr(value)
    if len(text) <= _LONGEST_VALUE:
        return text
    shown = text[:_LONGEST_VALUE]
    return f"{shown}… ({len(text):,} characters in all; flyte -of json prints them)"


class Progress(Protocol):
    """Where a run that goes on is shown."""

    def show(self, snapshot: "Snapshot") -> None:
        """Something has changed."""
        ...

    def say(self, line: str) -> None:
        """Something that must not be overlooked, and stays on the screen."""
        ...


class Screen(Protocol):
    """A place for tables and for progress."""

    def table(self, table: Table) -> None: ...

    def progress(self) -> AbstractContextManager[Progress]: ...

    def lines(self, texts: Iterable[str], *, title: str, most: int) -> None:
        """The last lines of something that may go on: `most` of them are seen at a time."""
        ...


class PlainScreen:
    """Aligned columns and sparse lines: for pipes and logs."""

    def table(self, table: Table) -> None:
        lines = [table.columns, *table.rows] if any(table.columns) else table.rows
        widths = [max(len(line[i]) for line in lines) for i in range(len(table.columns))]
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            click.echo("  ".join(cells).rstrip())

    @contextmanager
    def progress(self) -> Generator[Progress, None, None]:
        yield SparseLines()

    def lines(self, texts: Iterable[str], *, title: str, most: int) -> None:
        click.echo(f"--- {title}")
        for text in deque(texts, maxlen=most):
            click.echo(text)


class SparseLines:
    """Progress as a line every few seconds, and only if something has changed."""

    def __init__(self) -> None:
        self._said = ""
        self._next_at = clock.monotonic() + _SECONDS_BETWEEN_LINES

    def show(self, snapshot: "Snapshot") -> None:
        line = f"{snapshot.run_name}: {summary(snapshot)}"
        if clock.monotonic() >= self._next_at and line != self._said:
            self._next_at = clock.monotonic() + _SECONDS_BETWEEN_LINES
            self._said = line
            self.say(line)

    def say(self, line: str) -> None:
        click.echo(line, err=True)


class Silence:
    """No progress at all: for `--no-progress` and for programs that read JSON."""

    def show(self, snapshot: "Snapshot") -> None:
        pass

    def say(self, line: str) -> None:
        pass


def complaint(failed: "FailedAction") -> str:
    """The line for an action that ended badly."""
    cause = f": {failed.cause}" if failed.cause else ""
    attempt = f" (attempt {failed.attempts})" if failed.attempts > 1 else ""
    return f"{failed.task_name} {failed.name} {failed.phase}{attempt}{cause}"


def summary(snapshot: "Snapshot") -> str:
    """A run in one line: `12 of 25 actions done, 1 failed, 3 aborting`."""
    phases = ((phase, n) for row in snapshot.counts.values() for phase, n in row.items())
    failed = sum(number for phase, number in phases if phase in _BAD)
    done = f"{snapshot.ended} of {snapshot.total} actions done"
    ending = [f"{number} {kind}" for kind, number in snapshot.endings.items()]
    return ", ".join([done, *([f"{failed} failed"] if failed else []), *ending])


def as_json(document: Any, *, compact: bool = False) -> str:
    """A document as JSON text: records as objects, enums as their values, the rest as its `str`."""
    indent = None if compact else 2
    return json.dumps(document, indent=indent, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if dump := getattr(value, "model_dump", None):
        return dump(mode="json")
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def moment(value: datetime | None) -> str:
    """A point in time in the reader's own time zone, to the second; empty for None."""
    return value.astimezone().strftime("%Y-%m-%d %H:%M:%S") if value else ""


def duration(value: timedelta | None) -> str:
    """A length of time with three digits at most: `84 ms`, `1.42 s`, `3 m 20 s`; empty for None."""
    if value is None:
        return ""
    seconds = value.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} m" if hours else f"{minutes} m {rest} s"


def size(number: int) -> str:
    """A number of bytes with three digits at most: `512 B`, `1.5 kB`, `20 MB`."""
    amount, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.3g} {unit}"


def first_line(text: str) -> str:
    """The first line of a message: tables and progress have room for one."""
    return text.strip().partition("\n")[0]
