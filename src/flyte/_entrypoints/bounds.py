"""What a child does about its own bounds: it enters its control groups, and makes the rest by itself.

The control plane makes the groups and looks at what happens; nothing here can fail an attempt.  What could not be done
is said in the attempt's log, and the control plane's look each second bounds it all the same.
"""

import ctypes
import math
import os
import resource
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from flyte._entrypoints import processes

SHARED_MEMORY = Path("/dev/shm")
_CPU_FILES = ("cpu.max", "cpu.cfs_quota_us")
_CLONE_NEWNS, _CLONE_NEWUSER = 0x0002_0000, 0x1000_0000
_MS_NOSUID, _MS_NODEV, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x4000, 0x4_0000


def enter(cgroups: Sequence[str], bounds: Mapping[str, int]) -> str:
    """Enter the groups; without one that bounds CPU time, have only so many CPUs.

    Called first of all, so that everything that the attempt does is counted.

    Returns:
        What went wrong, as a sentence; empty if nothing did.
    """
    problem = ""
    try:
        for directory in cgroups:
            _write(f"{directory}/cgroup.procs", "0")  # 0: who writes
    except OSError as error:
        problem = f"this attempt could not enter its control group ({error}); it is bounded by looking at it"
    milli = bounds.get("cpu_milli", 0)
    if milli and (problem or not _bounds_cpu(cgroups)):
        _pin(math.ceil(milli / 1000))
    # A core would fill the disk, and go with the working directory before anybody sees it.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    return problem


def _bounds_cpu(cgroups: Sequence[str]) -> bool:
    return any(os.path.exists(f"{each}/{name}") for each in cgroups for name in _CPU_FILES)  # noqa: PTH110


def _pin(cpus: int) -> None:
    """Use only so many of the CPUs that are ours, others than siblings as far as their numbers tell."""
    if sys.platform != "linux":
        return
    ours = sorted(os.sched_getaffinity(0))
    first = os.getpid() * cpus % len(ours)
    chosen = {ours[(first + offset) % len(ours)] for offset in range(min(cpus, len(ours)))}
    with suppress(OSError):
        os.sched_setaffinity(0, chosen)


def private_shared_memory(size: int) -> str:
    """Have a /dev/shm of our own of that many bytes.

    Returns:
        What went wrong, as a sentence; empty if nothing did.
    """
    libc = processes.libc()
    if libc is None:
        return "shm is not bounded: this system has no mount namespaces"
    try:
        _leave_mounts(libc)
        _check(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
        options = f"size={size},mode=1777".encode()
        flags = _MS_NOSUID | _MS_NODEV
        _check(libc.mount(b"flyte-shm", os.fsencode(SHARED_MEMORY), b"tmpfs", flags, options))
    except OSError as error:
        return f"shm={size} is not enforced, /dev/shm is the machine's: {error.strerror}"
    return ""


def _leave_mounts(libc: ctypes.CDLL) -> None:
    """Get mounts of our own: as root, else as the root of a user namespace in which we are who we are."""
    if libc.unshare(_CLONE_NEWNS) == 0:
        return
    user, group = os.geteuid(), os.getegid()
    _check(libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS))
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def bound_temporary_files(directory: Path) -> None:
    """Have temporary files below the working directory, where the bound of the disk counts them."""
    temporary = directory / ".flyte-tmp"
    temporary.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = str(temporary)  # noqa: TID251 - a process's edge
    tempfile.tempdir = None  # it is remembered


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
