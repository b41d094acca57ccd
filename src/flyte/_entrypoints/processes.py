"""What the operating system knows about processes, as far as a host needs it.

Everything here works on Linux; where a system lacks a facility the function says so by its result
(`False`, an empty set), and the host falls back to process groups alone.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_FORK_SAFE = "jemalloc_bg"
"""The allocator of pyarrow: it stops its thread before a fork and starts it again."""
_STAT_GROUP, _STAT_SESSION, _STAT_START = 2, 3, 19


@cache
def libc() -> ctypes.CDLL | None:
    """The system's own functions; None where they are others than those of Linux."""
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with(parent: int) -> None:
    """Have the calling process killed when its parent dies; ends it at once if the parent is
    dead already."""
    system = libc()
    if system is not None:
        system.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> bool:
    """Become the parent of every descendant whose own parent ends, so that none can slip away.

    Returns:
        False where the system has no such thing.
    """
    system = libc()
    return system is not None and system.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def children() -> set[int]:
    """Direct children of this process (which has one thread); empty where the system does not
    tell."""
    return _children(os.getpid(), os.getpid())


def descendants(pid: int) -> set[int]:
    """All processes below another one, which may have threads; empty where the system does not
    tell."""
    found: set[int] = set()
    parents = [pid]
    while parents:
        parent = parents.pop()
        new = {child for thread in _threads(parent) for child in _children(parent, thread)} - found
        found |= new
        parents.extend(new)
    return found


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208 - one system call
    except OSError:
        return []


def _children(pid: int, thread: int) -> set[int]:
    try:
        descriptor = os.open(f"/proc/{pid}/task/{thread}/children", os.O_RDONLY)
    except OSError:
        return set()
    try:
        listing = bytearray()
        while chunk := os.read(descriptor, 65_536):
            listing += chunk
    except ProcessLookupError:  # it ended between the two
        return set()
    finally:
        os.close(descriptor)
    return {int(word) for word in listing.split()}


def group_and_session(pid: int) -> tuple[int, int]:
    """Process group and session of a process; (0, 0) when it is gone."""
    fields = _stat(pid)
    return (int(fields[_STAT_GROUP]), int(fields[_STAT_SESSION])) if fields else (0, 0)


def start_ticks(pid: int) -> int:
    """When a process started, in ticks since the machine did: tells a process from a later one with
    its number.

    0 when it is gone, or where the system does not tell.
    """
    fields = _stat(pid)
    return int(fields[_STAT_START]) if fields else 0


def _stat(pid: int) -> list[bytes]:
    """Fields of /proc/PID/stat after the command's name, which may contain anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def foreign_threads() -> list[str]:
    """Names of this process's threads that do not carry the process's own name."""
    try:
        names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
        own = Path("/proc/self/comm").read_text().strip()
    except OSError:
        return []
    return sorted(name for name in names if name != own and not name.startswith(_FORK_SAFE))


def signal_group(leader: int, number: int) -> bool:
    """Signal every process of a group; whether there was one.  Number 0 only asks."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says this of a group of zombies
        return sys.platform != "darwin"
    return True


def signal_one(pid: int, number: int) -> None:
    """Signal one process, which may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def describe(pid: int) -> str:
    """A process's command line for a log, shortened; its number when that cannot be read."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return str(pid)
    command = b" ".join(words).decode(errors="replace").strip()
    return f"{pid} ({command[:80]})" if command else str(pid)
