"""The control groups of one attempt, of whichever version: made, read, emptied, removed.

A group is known by its directories alone, so that the next control plane can take it over from a message of the host.
"""

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROCESSES = "cgroup.procs"
_PERIOD_US = 100_000
_LEAST_QUOTA_US = 1_000
"""The kernel takes no smaller one."""
_KILL_ROUNDS = 20
"""Each finds fewer: the group cannot grow while it is emptied."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the kernel has counted for a group; 0: it does not count that."""

    memory: int = 0
    """Bytes now, without what it could drop at once."""
    peak_memory: int = 0
    """The most it was charged, caches of files included."""
    oom_kills: int = 0
    """Processes that were killed because the group had no memory left."""
    refused_forks: int = 0
    throttled: int = 0
    """Periods in which it was held back because it had used its CPU time."""


class Group:
    """Control groups that bound one attempt: one directory (version 2), or one per controller (version 1)."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self.directories = tuple(directories)

    def bound(self, *, memory: int, cpu_milli: int, processes: int) -> None:
        """Write what may be used at most; 0: no bound.

        Raises:
            OSError: a bound cannot be written.
        """
        quota = max(cpu_milli * _PERIOD_US // 1000, _LEAST_QUOTA_US)
        for directory in self.directories:
            if memory:
                self._bound_memory(directory, memory)
            if cpu_milli:
                _write(directory / "cpu.max", f"{quota} {_PERIOD_US}")
                _write(directory / "cpu.cfs_quota_us", str(quota))
            if processes:
                _write(directory / "pids.max", str(processes))

    def _bound_memory(self, directory: Path, memory: int) -> None:
        _write(directory / "memory.max", str(memory))
        _write(directory / "memory.swap.max", "0")
        _write(directory / "memory.oom.group", "1")  # a half-killed attempt helps nobody
        _write(directory / "memory.limit_in_bytes", str(memory))
        _write(directory / "memory.memsw.limit_in_bytes", str(memory))  # swap is no way out

    def figures(self) -> Figures:
        """What has been counted so far; zeros when the group is gone."""
        memory = self._number("memory.current") or self._number("memory.usage_in_bytes")
        kept = self._table("memory.stat") if memory else {}
        caches = kept.get("total_inactive_file", kept.get("inactive_file", 0))
        return Figures(
            memory=max(0, memory - caches),
            peak_memory=self._number("memory.peak") or self._number("memory.max_usage_in_bytes"),
            oom_kills=self._counted("memory.events", "memory.oom_control", "oom_kill"),
            refused_forks=self._table("pids.events").get("max", 0),
            throttled=self._table("cpu.stat").get("nr_throttled", 0),
        )

    def memory_limit(self) -> int:
        """The bound of its memory in bytes, as the kernel rounded it; 0 without one."""
        return self._number("memory.max") or self._number("memory.limit_in_bytes")

    def _counted(self, unified: str, classic: str, name: str) -> int:
        return self._table(unified).get(name, 0) or self._table(classic).get(name, 0)

    def processes(self) -> set[int]:
        """Who is in it."""
        return {int(word) for each in self.directories for word in _read(each / _PROCESSES).split()}

    def kill(self) -> None:
        """SIGKILL to all that is in it, also to what is being forked at this moment."""
        for directory in self.directories:
            if (directory / "cgroup.kill").exists():
                _try_write(directory / "cgroup.kill", "1")
                return
            _try_write(directory / "pids.max", "0")
        for _ in range(_KILL_ROUNDS):
            left = self.processes() - {os.getpid()}
            if not left:
                return
            for pid in left:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)

    def remove(self) -> bool:
        """Remove the directories; False while something is alive in one of them."""
        for directory in self.directories:
            try:
                directory.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                return False
        return True

    def _number(self, name: str) -> int:
        for directory in self.directories:
            text = _read(directory / name).strip()
            if text.isdecimal():
                return int(text)
        return 0

    def _table(self, name: str) -> Mapping[str, int]:
        """A file of lines `name number`."""
        for directory in self.directories:
            lines = [line.split() for line in _read(directory / name).splitlines()]
            if lines:
                return {each[0]: int(each[1]) for each in lines if each[-1].isdecimal()}
        return {}


def _read(path: Path) -> str:
    """A file of the kernel; empty where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 1 << 16).decode()
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    """Write to a file of the kernel where there is one; never makes it."""
    try:
        descriptor = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def _try_write(path: Path, text: str) -> None:
    with suppress(OSError):
        _write(path, text)
