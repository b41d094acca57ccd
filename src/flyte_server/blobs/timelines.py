"""What an attempt used over time: a small text file beside its log, one line per sample.

It stays small however long the attempt runs: when it has `MOST` lines, every second one is dropped and from then on
only every second sample is kept.  Attempts that end before their first sample have no such file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

MOST = 600


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of an attempt."""

    at_ms: int
    """Milliseconds since the epoch."""
    memory: int
    """Bytes."""
    cpu_ms: int
    """Milliseconds of CPU time since its start."""
    gpu_memory: int = 0

    def line(self) -> str:
        return f"{self.at_ms} {self.memory} {self.cpu_ms} {self.gpu_memory}\n"


def path_beside(log_path: str | Path) -> Path:
    """Where the timeline of the attempt with that log lies."""
    return Path(log_path).with_suffix(".usage")


def read(path: Path) -> list[Sample]:
    """The samples, oldest first; none without a file.  A line that was cut off by a crash is left out."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [sample for line in lines if (sample := _parsed(line)) is not None]


def _parsed(line: str) -> Sample | None:
    words = line.split()
    if len(words) != 4 or not all(word.isdecimal() for word in words):
        return None
    return Sample(*map(int, words))


@dataclass(slots=True)
class Timeline:
    """Writes one file.

    Args:
        path: the file; an earlier control plane may have begun it.
    """

    path: Path
    _count: int = 0
    _stride: int = 1
    """Of so many samples one is kept."""
    _passed: int = field(default=0)

    @classmethod
    def resumed(cls, path: Path) -> tuple["Timeline", Sequence[Sample]]:
        """One that goes on with what an earlier control plane wrote; with that."""
        earlier = read(path)
        timeline = cls(path, len(earlier))
        if len(earlier) > 1:
            spacing = (earlier[-1].at_ms - earlier[0].at_ms) / (len(earlier) - 1) / 1000
            timeline._stride = max(1, round(spacing))
        return timeline, earlier

    def add(self, sample: Sample) -> None:
        """Keep a sample, if it is one of those that are kept.

        Raises:
            OSError: the file cannot be written.
        """
        self._passed += 1
        if self._count and self._passed % self._stride:
            return
        if self._count >= MOST:
            self._thin()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(sample.line())
        self._count += 1

    def _thin(self) -> None:
        kept = read(self.path)[::2]
        draft = self.path.with_suffix(".usage-draft")
        draft.write_text("".join(sample.line() for sample in kept))
        draft.replace(self.path)
        self._count, self._stride = len(kept), 2 * self._stride
