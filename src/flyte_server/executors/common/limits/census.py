"""What an attempt's processes use together, by a look at them and nothing else of the machine."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

_SESSION = 3
_TIMES = slice(11, 15)
"""User and system time, and those of children that were waited for."""
_RESIDENT = 21
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Census:
    """One look."""

    processes: frozenset[int] = frozenset()
    resident: int = 0
    """Bytes, what several of them share counted for each: never less than what they use."""
    cpu_ms: int = 0
    """Since the start of the attempt; of descendants that ended if they were waited for."""


def look(leader: int, most: int) -> Census:
    """The leader and everything below it; that is all of it as long as the leader lives, for it adopts orphans.

    Args:
        leader: leads the session of the attempt; a process that does not is somebody else's.
        most: after so many processes the look ends.
    """
    if sys.platform != "linux":
        return _asked(leader)
    found: set[int] = set()
    resident = cpu = 0
    waiting = [leader]
    while waiting and len(found) <= most:
        pid = waiting.pop()
        fields = _stat(pid)
        if not fields or pid in found:
            continue
        if pid == leader and int(fields[_SESSION]) != leader:
            return Census()  # not yet, or not any more
        found.add(pid)
        resident += int(fields[_RESIDENT])
        cpu += sum(int(each) for each in fields[_TIMES])
        waiting.extend(_children(pid))
    return Census(frozenset(found), resident * _PAGE, round(cpu * _TICK_MS))


def proportional_memory(pids: frozenset[int]) -> int:
    """Bytes, what processes share divided among them.  Costs a millisecond per process: for those that seem to use
    too much."""
    return sum(_proportional(pid) for pid in pids)


def _proportional(pid: int) -> int:
    for line in _lines(Path(f"/proc/{pid}/smaps_rollup")):
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    fields = _stat(pid)
    return int(fields[_RESIDENT]) * _PAGE if fields else 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _stat(pid: int) -> list[bytes]:
    """Fields of /proc/PID/stat after the command's name; empty when it is gone."""
    return _bytes(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def _children(pid: int) -> Iterator[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - one system call
    except OSError:
        return
    for thread in threads:
        for word in _bytes(f"/proc/{pid}/task/{thread}/children").split():
            yield int(word)


def _bytes(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        content = bytearray()
        while chunk := os.read(descriptor, 1 << 16):
            content += chunk
    except OSError:
        return b""
    finally:
        os.close(descriptor)
    return bytes(content)


def _asked(leader: int) -> Census:
    """`look` where there is no /proc."""
    try:
        process = psutil.Process(leader)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return Census()
    resident, seconds = 0, 0.0
    for each in family:
        try:
            resident += each.memory_info().rss
            times = each.cpu_times()
        except psutil.Error:
            continue
        seconds += times.user + times.system
    return Census(frozenset(each.pid for each in family), resident, round(seconds * 1000))
