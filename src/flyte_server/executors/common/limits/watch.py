"""The bounds and the figures of all attempts of one executor."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from flyte_server.clock import Clock
from flyte_server.domain.needs import Bounds, Usage
from flyte_server.engine.ports import Overrun
from flyte_server.executors.common.limits import finding
from flyte_server.executors.common.limits.finding import AUTO, OFF, Place, Unusable
from flyte_server.executors.common.limits.groups import Group
from flyte_server.executors.common.limits.watched import Measured, Subject, Watched

_log = logging.getLogger(__name__)


def _no_devices() -> Mapping[int, int]:
    return {}


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What can be chosen."""

    cgroups: str = AUTO
    """`auto`; `off`: bounds are enforced by looking; or the path of a group of version 2 that is ours to divide."""
    most_processes: int = 4096
    """Processes and threads of one attempt: one that has more forks without end."""
    sample_seconds: float = 1.0
    gpu_memory: Callable[[], Mapping[int, int]] = _no_devices
    """Bytes that each process occupies on accelerators, by its number."""


class Watch:
    """Bounds attempts before they start, looks at them while they run, measures them at the end.

    An attempt that ends before the first look costs an entry in a table; one with bounds a control group too.  While
    nothing runs, nothing is looked at.

    Args:
        home: of the control plane.
        kind: whose attempts: two executors of one home do not meet.
        clock: the time.
        options: what was chosen.
        overrun: told of each attempt that went beyond a bound, and is not ended by that alone.
    """

    def __init__(
        self,
        home: Path,
        kind: str,
        clock: Clock,
        *,
        options: WatchOptions,
        overrun: Callable[[str, Overrun], None],
    ) -> None:
        self._clock = clock
        self._options = options
        self._overrun = overrun
        self._home = home
        self._kind = kind
        self._place: Place | None = None
        self._groups: dict[str, Group] = {}
        self._watched: dict[str, Watched] = {}
        self._leftovers: list[Group] = []
        self._something = asyncio.Event()

    def start(self) -> None:
        """Find out how bounds can be enforced here; before anything else."""
        self._place = _place(self._home, self._kind, self._options.cgroups)

    def admit(self, token: str, bounds: Bounds) -> tuple[str, ...]:
        """Make the groups that bound an attempt, if it has bounds and groups can be made.

        Returns:
            Their directories: its process enters them before anything else.
        """
        if self._place is None or not (bounds.memory or bounds.cpu_milli):
            return ()
        try:
            group = self._place.make(token)
            self._groups[token] = group
            group.bound(
                memory=bounds.memory,
                cpu_milli=bounds.cpu_milli,
                processes=self._options.most_processes,
            )
        except OSError as error:
            _log.warning(
                "attempt %s gets no control group and is looked at instead: %s", token, error
            )
            self.leave(token)
            return ()
        return tuple(str(directory) for directory in group.directories)

    def begin(self, subject: Subject) -> None:
        """Its process is there; once more for one that is watched changes nothing."""
        if subject.token in self._watched:
            return
        if (
            subject.cgroups and subject.token not in self._groups
        ):  # made by an earlier control plane
            self._groups[subject.token] = Group([Path(each) for each in subject.cgroups])
        self._watched[subject.token] = Watched(
            subject, born=self._clock.monotonic(), most_processes=self._options.most_processes
        )
        self._something.set()

    def measured(
        self, token: str, *, peak_memory: int = 0, cpu_seconds: float = 0.0, killed: bool = False
    ) -> Measured:
        """What is known of an attempt whose leader has ended; see `Watched.at_the_end`."""
        watched = self._watched.get(token)
        if watched is None:
            return Measured(Usage(peak_memory, cpu_seconds))
        return watched.at_the_end(peak_memory=peak_memory, cpu_seconds=cpu_seconds, killed=killed)

    def kill(self, token: str) -> None:
        """SIGKILL to all that is in the attempt's groups; others are not known here."""
        group = self._groups.get(token)
        if group is not None:
            group.kill()

    def leave(self, token: str) -> None:
        """It is over: forget it, and remove its groups as soon as they are empty."""
        self._watched.pop(token, None)
        group = self._groups.pop(token, None)
        if group is not None:
            self._end(group)

    def sweep(self, kept: Collection[str]) -> None:
        """End and remove what earlier control planes left; call it when all that lives has been heard of.

        Args:
            kept: tokens of the attempts that are alive.
        """
        if self._place is None:
            return
        for name in self._place.names() - set(kept) - self._groups.keys():
            self._end(self._place.group(name))

    def _end(self, group: Group) -> None:
        """Remove a group; what is alive in it belongs to an attempt that is over."""
        if not group.remove():
            group.kill()
            self._leftovers.append(group)
            self._something.set()

    async def run(self) -> None:
        """Look at everything once per interval, for ever."""
        while True:
            await self._something.wait()
            await self._clock.sleep(self._options.sample_seconds)
            await self._look()
            self._leftovers = [group for group in self._leftovers if not group.remove()]
            if not self._watched and not self._leftovers:
                self._something.clear()
                self.close()

    def close(self) -> None:
        """Leave nothing behind, if no attempt is left."""
        if self._place is not None:
            self._place.remove()

    async def _look(self) -> None:
        before = self._clock.monotonic() - self._options.sample_seconds
        settled = [each for each in self._watched.values() if each.born <= before]
        if not settled:
            return
        try:
            found = await asyncio.to_thread(self._look_at, settled)
        except Exception:  # noqa: BLE001 - the edge of a loop that must not end
            _log.exception("the attempts could not be looked at; trying again")
            return
        for watched, overrun in found:
            if self._watched.get(watched.subject.token) is watched:
                self._overrun(watched.subject.token, overrun)

    def _look_at(self, settled: Collection[Watched]) -> list[tuple[Watched, Overrun]]:
        now, at_ms = self._clock.monotonic(), self._clock.now_us() // 1000
        devices = any(each.subject.devices for each in settled)
        gpu_memory = self._options.gpu_memory() if devices else {}
        found = ((each, each.look(now, at_ms, gpu_memory)) for each in settled)
        return [(watched, overrun) for watched, overrun in found if overrun is not None]


def _place(home: Path, kind: str, choice: str) -> Place | None:
    if choice == OFF:
        return None
    try:
        place = finding.find(home, choice, kind=kind)
    except Unusable as reason:
        _log.info(
            "memory and CPUs of attempts are bounded by looking at them each second: %s", reason
        )
        return None
    _log.info("attempts are bounded by control groups below %s", place.roots[0])
    return place
