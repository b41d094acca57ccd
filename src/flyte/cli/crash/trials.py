"""The processes of `flyte test crash`: undisturbed runs, and a killed and a resumed one for each crash."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from flyte.cli.crash import notes, verdicts
from flyte.cli.crash.notes import Moment, Told, Written
from flyte.cli.crash.trial import Orders
from flyte.cli.crash.verdicts import Verdict
from flyte.config import _read

_MOST_AT_ONCE = 4
_LOG_BYTES = 2000
_LARGEST_COPY = 1_000_000
_PROGRAM = "from flyte.cli.main import main; main()"
_LEAST_SECONDS = 30.0
_PATIENCE = 10
"""How much longer than an undisturbed run a disturbed one may take."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is tried: a task with its inputs, as they stand on the command line."""

    file: Path
    root: Path
    task: str
    words: tuple[str, ...]
    """The inputs."""


@dataclass(frozen=True, slots=True)
class Crash:
    """Where a process is killed."""

    record: Written
    """As in the undisturbed run."""
    moment: Moment

    @property
    def title(self) -> str:
        return f"{self.record.number} {self.moment}"


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """Two runs without a crash."""

    told: Told
    stable: bool
    """Whether both had the same result."""
    other: Told


class Trials:
    """Starts the processes, each pair in folders of its own.

    A trial has its own `FLYTE_HOME`, temporary folder and working directory (with copies of the caller's small files,
    and links to the rest), so that one does not see what another has done, as far as a task keeps to these.

    Args:
        subject: what is tried.
        folder: where the folders are made.
        seconds: time limit of one process; None: ten times that of an undisturbed run, at least 30.
    """

    def __init__(self, subject: Subject, folder: Path, seconds: float | None = None) -> None:
        self._subject = subject
        self._folder = folder
        self._seconds = seconds

    def undisturbed(self) -> Undisturbed:
        """Run twice without a crash."""
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(self._whole, ("undisturbed", "again"))
        same = _result(first) == _result(second)
        return Undisturbed(first, same, second)

    def patience(self, took: float) -> None:
        """Set the time limit from what an undisturbed run took, unless it was chosen."""
        if self._seconds is None:
            self._seconds = max(_LEAST_SECONDS, _PATIENCE * took)

    def crashed(
        self, crashes: Sequence[Crash], undisturbed: Undisturbed
    ) -> Generator[tuple[Crash, Verdict]]:
        """Try the crashes, a few at a time; gives each as it is done."""
        with ThreadPoolExecutor(at_once()) as pool:
            pending = {pool.submit(self._crash, crash, undisturbed): crash for crash in crashes}
            try:
                for done in as_completed(pending):
                    yield pending[done], done.result()
            finally:
                for future in pending:
                    future.cancel()

    def _whole(self, name: str) -> Told:
        return self._process(_Room.made(self._folder / name), "r1")

    def _crash(self, crash: Crash, undisturbed: Undisturbed) -> Verdict:
        room = _Room.made(self._folder / f"{crash.record.number}-{crash.moment}")
        try:
            return self._judged(room, crash, undisturbed)
        finally:
            room.remove()

    def _judged(self, room: "_Room", crash: Crash, undisturbed: Undisturbed) -> Verdict:
        killed = self._process(room, "killed", crash=crash)
        resumed = Told()
        if killed.killed is not None:
            resumed = self._process(room, "resumed", recovers="killed")
        return verdicts.compare(undisturbed.told, killed, resumed, stable=undisturbed.stable)

    def _process(
        self,
        room: "_Room",
        run: str,
        *,
        crash: Crash | None = None,
        recovers: str | None = None,
    ) -> Told:
        path, log = room.folder / f"{run}.json", room.folder / f"{run}.log"
        told_at = room.folder / f"{run}.notes"
        Orders(
            run=run,
            notes=str(told_at),
            root=str(self._subject.root),
            recovers=recovers,
            at=crash.record.number if crash else None,
            moment=crash.moment if crash else "before",
        ).write(path)
        is_in_time = self._run(room, path, log)
        told = notes.read(told_at)
        told.hangs = not is_in_time
        told.log = _tail(log)
        return told

    def _run(self, room: "_Room", orders: Path, log: Path) -> bool:
        """Whether the process ended within its time."""
        subject = self._subject
        options = ["--trial", str(orders), "--root-dir", str(subject.root)]
        words = ["test", "crash", *options, str(subject.file), subject.task, *subject.words]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, *words],
                cwd=room.work,
                env=room.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                process.wait(self._seconds)
            except subprocess.TimeoutExpired:
                return False
            finally:
                _end(process)
        return True


@dataclass(frozen=True, slots=True)
class _Room:
    """The folders of one trial."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "_Room":
        room = cls(folder)
        for each in (room.work, room.home, room.temporary):
            each.mkdir(parents=True)
        for entry in Path.cwd().iterdir():
            if entry.is_file() and entry.stat().st_size <= _LARGEST_COPY:
                shutil.copy2(entry, room.work / entry.name)
            else:
                (room.work / entry.name).symlink_to(entry)
        return room

    def remove(self) -> None:
        """Remove all of it; what cannot be removed goes with the folder of all trials."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    def environment(self) -> Mapping[str, str]:
        own = {"FLYTE_HOME": str(self.home), "TMPDIR": str(self.temporary)}
        return {**_read.environment(), **own}


def crashes(records: Iterable[Written]) -> list[Crash]:
    """Both crashes of every record."""
    moments: tuple[Moment, ...] = ("before", "after")
    return [Crash(record, moment) for record in records for moment in moments]


def chosen(records: Sequence[Written], most: int, at: Sequence[int]) -> list[Written]:
    """The records that are tried: those that were named, else as many as allowed, evenly spread."""
    if at:
        return [record for record in records if record.number in at]
    if len(records) <= most:
        return list(records)
    return [records[number * len(records) // most] for number in range(most)]


def at_once() -> int:
    """How many trials go on at the same time."""
    return min(_MOST_AT_ONCE, os.cpu_count() or 1)


def run_all(
    trials: Trials,
    tried: Sequence[Crash],
    undisturbed: Undisturbed,
    tell: Callable[[int], object],
) -> dict[Crash, Verdict]:
    """All verdicts, in the order of the crashes; `tell` hears how many are done."""
    found: dict[Crash, Verdict] = {}
    for crash, verdict in trials.crashed(tried, undisturbed):
        found[crash] = verdict
        tell(len(found))
    return {crash: found[crash] for crash in tried}


def _result(told: Told) -> str | None:
    return told.finished.identity if told.finished else None


def _tail(log: Path) -> str:
    return log.read_bytes()[-_LOG_BYTES:].decode(errors="replace").strip()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
