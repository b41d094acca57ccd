"""One attempt that is watched: what it uses, what it has used most, and whether it went beyond a bound."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flyte_server.blobs import timelines
from flyte_server.blobs.timelines import Sample, Timeline
from flyte_server.domain.needs import Bounds, Usage
from flyte_server.engine.ports import DISK_FULL, OUT_OF_MEMORY, TOO_MANY_PROCESSES, Overrun
from flyte_server.executors.common.limits import census
from flyte_server.executors.common.limits.census import Census
from flyte_server.executors.common.limits.groups import Figures, Group
from flyte_server.executors.common.limits.scratch import Scratch

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom to watch."""

    token: str
    """A name that nothing else has: of an attempt its fencing token."""
    leader: int
    """The process that leads its session."""
    bounds: Bounds = field(default_factory=Bounds)
    cgroups: tuple[str, ...] = ()
    """Directories of its groups; empty: its bounds are enforced by looking."""
    directory: str = ""
    """Where it works; empty: not known, its disk is not bounded."""
    log_path: str = ""
    """Beside it the timeline is kept; empty: none is."""
    devices: bool = False
    """Whether it has accelerators."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of an attempt at its end."""

    usage: Usage
    overrun: Overrun | None = None


class Watched:
    """One subject and what was seen of it.  `look` may be called on any thread, one call at a time.

    Args:
        subject: whom to watch.
        born: when that began, on the monotonic clock.
        most_processes: more than so many are taken for a mistake.
    """

    def __init__(self, subject: Subject, *, born: float, most_processes: int) -> None:
        self.subject = subject
        self.born = born
        self.overrun: Overrun | None = None
        self._most_processes = most_processes
        self._group = Group([Path(each) for each in subject.cgroups]) if subject.cgroups else None
        self._scratch = Scratch(subject.directory)
        self._timeline: Timeline | None = None
        self._peak = 0
        self._peak_gpu = 0
        self._cpu_ms = 0
        self._begun = False

    def look(self, now: float, at_ms: int, gpu_memory: Mapping[int, int]) -> Overrun | None:
        """Take a sample; gives an overrun when it is new.

        Args:
            now: on the monotonic clock.
            at_ms: milliseconds since the epoch.
            gpu_memory: bytes that each process of the machine occupies on accelerators.
        """
        if not self._begun:
            self._begin()
        seen = census.look(self.subject.leader, self._most_processes)
        if not seen.processes:
            return None
        figures = self._group.figures() if self._group else Figures()
        memory = figures.memory or seen.resident
        gpu = sum(gpu_memory.get(pid, 0) for pid in seen.processes)
        self._peak, self._peak_gpu = max(self._peak, memory), max(self._peak_gpu, gpu)
        self._cpu_ms = max(self._cpu_ms, seen.cpu_ms)
        self._note(Sample(at_ms, memory, self._cpu_ms, gpu))
        known, self.overrun = self.overrun, self.overrun or self._judge(seen, figures, now)
        return self.overrun if self.overrun is not known else None

    def at_the_end(self, *, peak_memory: int, cpu_seconds: float, killed: bool) -> Measured:
        """Everything, after the leader has ended and before its group is removed.

        Args:
            peak_memory: the most that one of its processes had resident, by the kernel's count.
            cpu_seconds: of the leader and the children that it has waited for.
            killed: whether SIGKILL ended it.
        """
        figures = self._group.figures() if self._group else Figures()
        peak = max(self._peak, peak_memory)
        if (
            figures.peak_memory
        ):  # what it was charged: without what it shares with its host, but with caches
            peak = min(peak, figures.peak_memory)
        usage = Usage(peak, max(cpu_seconds, self._cpu_ms / 1000), self._peak_gpu)
        overrun = self.overrun
        if figures.oom_kills and (overrun is None or (killed and not overrun.ended)):
            overrun = self._out_of_memory(figures, ended=killed)
        return Measured(usage, overrun)

    def _begin(self) -> None:
        self._begun = True
        if self._group and self.subject.leader not in self._group.processes():
            self._group = None  # it could not enter, as its log says
        if self.subject.log_path:
            path = timelines.path_beside(self.subject.log_path)
            self._timeline, earlier = Timeline.resumed(path)
            self._peak = max((sample.memory for sample in earlier), default=0)
            self._peak_gpu = max((sample.gpu_memory for sample in earlier), default=0)

    def _note(self, sample: Sample) -> None:
        if self._timeline is None:
            return
        try:
            self._timeline.add(sample)
        except OSError as error:  # a full disk: its samples are the least that is lost
            _log.warning("no timeline of attempt %s: %s", self.subject.token, error)
            self._timeline = None

    def _judge(self, seen: Census, figures: Figures, now: float) -> Overrun | None:
        bounds = self.subject.bounds
        if figures.oom_kills:
            return self._out_of_memory(figures, ended=False)
        if bounds.memory and self._group is None and seen.resident > bounds.memory:
            memory = census.proportional_memory(seen.processes)
            if memory > bounds.memory:
                return Overrun(OUT_OF_MEMORY, memory, bounds.memory)
        if figures.refused_forks or len(seen.processes) > self._most_processes:
            return Overrun(TOO_MANY_PROCESSES, self._most_processes, self._most_processes)
        if bounds.disk and self.subject.directory:
            occupied = self._scratch.occupied(now) or 0
            if occupied > bounds.disk:
                return Overrun(DISK_FULL, occupied, bounds.disk)
        return None

    def _out_of_memory(self, figures: Figures, *, ended: bool) -> Overrun:
        limit = self.subject.bounds.memory or (self._group.memory_limit() if self._group else 0)
        return Overrun(OUT_OF_MEMORY, max(figures.peak_memory, self._peak), limit, ended=ended)
