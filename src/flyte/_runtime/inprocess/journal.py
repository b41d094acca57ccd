"""The journal of a local run: what was called and how it ended, so that another process can go on from there.

One file per run, `$FLYTE_HOME/local/<run>/journal`, to which records are only appended.  Every record has its length
and a checksum before it and goes into the file with one `write`: it survives the death of the process at any moment.
It is not synced to the disk, so a power cut may take the last seconds with it (what they held is executed again); a
record that was torn ends the journal for its readers.
"""

import logging
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from flyte import errors
from flyte._ids import ROOT_ACTION
from flyte._kit import optional
from flyte.config import _read

logger = logging.getLogger("flyte.journal")

MAGIC = b"flyte journal 1\n"
LARGEST_OUTPUTS = 64 * 1024 * 1024
"""Bytes of outputs that a record keeps; an action with more is executed again when its run is recovered."""
_FRAME = struct.Struct("<II")
"""Length and checksum of what follows."""
_KEPT_RUNS, _KEPT_BYTES = 200, 1_000_000_000
"""How many journals stay, and how much they may occupy together; the oldest go first."""
_FOLDER, _FILE = "local", "journal"


class Begun(NamedTuple):
    """The first record: what it takes to start the run again."""

    run: str
    task: str
    """Full name of the root's task."""
    loader: list[str]
    """`mod MODULE instance NAME`; empty for a task that no module has."""
    file: str
    """The module's file; empty if there is none."""
    root: str
    """The directory that module names start from."""
    inputs: bytes
    """The root's inputs, a serialized `Inputs`."""
    recovers: str = ""
    """The earlier run whose results are taken over."""
    repeats: str = ""
    """The earlier run of which this is a rerun."""


class Called(NamedTuple):
    """A task was called."""

    name: str
    parent: str
    """Empty for the root."""
    task: str
    group: str


class Ended(NamedTuple):
    """A task or a traced function has ended."""

    name: str
    parent: str
    task: str
    group: str
    kind: str
    """`task` or `trace`."""
    phase: str
    """`succeeded`, `failed`, `timed_out`, `aborted`, or `recovered`: taken over from an earlier run."""
    outputs: bytes | None
    """A serialized `Outputs`; None unless it succeeded, and for outputs that are too large to be kept."""
    error: str
    """Code and message; empty unless it failed."""
    started_us: int
    ended_us: int
    """Microseconds since the epoch, UTC."""
    recovered_from: str = ""
    """`run/action` whose outputs a recovered one has."""


Record = Begun | Called | Ended
_KINDS: tuple[type[Any], ...] = (Begun, Called, Ended)
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}


class Journal:
    """Writes the journal of one run; every record goes through `write`, in any thread.

    A run whose journal cannot be written (a full disk) goes on without: its result is right, but what comes later is
    executed again when the run is recovered.

    Args:
        path: the file; an earlier one of that name is replaced.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        self._file = os.open(path, flags, 0o600)
        self._is_broken = False
        os.write(self._file, MAGIC)

    def write(self, record: Record) -> None:
        """Append a record; it survives this process when the call returns."""
        if self._is_broken:
            return
        data = framed(record)
        try:
            written = os.write(self._file, data)
        except OSError as error:
            self._give_up(error.strerror or str(error))
        else:
            if written < len(data):
                self._give_up("the disk is full")

    def close(self) -> None:
        """No record follows."""
        os.close(self._file)

    def _give_up(self, reason: str) -> None:
        # What follows a torn record could not be read anyway.
        self._is_broken = True
        logger.warning(
            "%s cannot be written (%s): the run goes on, but it can be recovered only up to here",
            self.path,
            reason,
        )


def framed(record: Record) -> bytes:
    """A record as it stands in the file."""
    body: bytes = _msgpack().packb((_NUMBERS[type(record)], record), unicode_errors="surrogatepass")
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def records(data: bytes) -> Iterator[Record]:
    """The records of a journal up to the first that is torn or damaged."""
    if not data.startswith(MAGIC):
        return
    at = len(MAGIC)
    while at + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, at)
        at += _FRAME.size
        body = data[at : at + length]
        if len(body) < length or zlib.crc32(body) != checksum:
            return
        at += length
        number, fields = _msgpack().unpackb(body, unicode_errors="surrogatepass")
        yield _KINDS[number](*fields)


@dataclass(frozen=True, slots=True)
class Told:
    """A run as its journal tells it."""

    begun: Begun
    called: dict[str, Called]
    """Tasks by name, in the order of the calls."""
    ended: dict[str, Ended]
    """Tasks and traces by name."""

    @property
    def result(self) -> Ended | None:
        """How the run ended; None if its process died."""
        return self.ended.get(ROOT_ACTION)


def path_of(run: str) -> Path:
    """The journal of a local run."""
    return _home() / run / _FILE


def load(run: str) -> Told:
    """What an earlier run in local mode has left.

    Raises:
        ActionNotFoundError: there is no such run, or its journal says nothing.
    """
    path = path_of(run)
    try:
        found = list(records(path.read_bytes()))
    except OSError as error:
        raise errors.ActionNotFoundError(
            f"there is no local run {run!r} ({path}: {error.strerror}); {_latest()}"
        ) from error
    if not found or not isinstance(found[0], Begun):
        raise errors.ActionNotFoundError(
            f"the journal {path} is damaged at its beginning, so run {run!r} cannot be read; start it again"
        )
    called = {record.name: record for record in found if isinstance(record, Called)}
    ended = {record.name: record for record in found if isinstance(record, Ended)}
    return Told(found[0], called, ended)


def prune(home: Path, *, kept_runs: int = _KEPT_RUNS, kept_bytes: int = _KEPT_BYTES) -> None:
    """Remove the oldest journals, so that local runs do not fill the disk; other files of the runs stay.

    Args:
        home: `$FLYTE_HOME`.
        kept_runs, kept_bytes: how many journals stay, and how much they may occupy together.
    """
    try:
        folders = list(os.scandir(home / _FOLDER))
    except FileNotFoundError:
        return
    found = [(status.st_mtime, status.st_size, path) for path, status in _journals(folders)]
    occupied = 0
    for number, (_, size, path) in enumerate(sorted(found, reverse=True)):
        occupied += size
        if number >= kept_runs or occupied > kept_bytes:
            path.unlink(missing_ok=True)
            _remove_if_empty(path.parent)


def _journals(folders: "list[os.DirEntry[str]]") -> Iterator[tuple[Path, os.stat_result]]:
    for folder in folders:
        path = Path(folder.path, _FILE)
        try:
            yield path, path.stat()
        except OSError:  # a run without a journal
            continue


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:  # the run has left files
        return


def _latest() -> str:
    """The newest local runs, for somebody who has mistyped a name."""
    home = _home()
    folders = list(os.scandir(home)) if home.is_dir() else []
    newest = sorted(_journals(folders), key=lambda found: found[1].st_mtime, reverse=True)[:3]
    names = ", ".join(path.parent.name for path, _ in newest)
    return (
        f"the latest are {names}"
        if names
        else "there are none; start one with: flyte run --local FILE TASK"
    )


@cache
def _msgpack() -> ModuleType:
    return optional.module("msgpack", needed_for="the journal of a local run")


def _home() -> Path:
    return _read.flyte_home() / _FOLDER
