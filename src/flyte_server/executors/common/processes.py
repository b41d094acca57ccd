"""The control plane's view of processes that it may not be the parent of."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_STATE, _PARENT, _SESSION, _TERMINAL, _START, _MEMORY = 0, 1, 3, 4, 19, 20
_ENDED = (b"Z", b"X")


class HostProcess:
    """A process known by its number and the moment it started, so that a later one with its
    number is not meant."""

    def __init__(self, pid: int, start_ticks: int) -> None:
        self.pid = pid
        self._start_ticks = start_ticks
        self._ending = ""

    def running(self) -> bool:
        """Whether it is still there; collects the exit status of a child of ours."""
        if self._ending:
            return False
        try:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            if not _is_there(self.pid, self._start_ticks):
                self._ending = "is gone"
        else:
            if ended:
                self._ending = _sentence(os.waitstatus_to_exitcode(status))
        return not self._ending

    def stopped(self) -> bool:
        """Whether somebody has stopped it (SIGSTOP) and nobody let it go on yet."""
        try:
            return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        except psutil.Error:
            return False

    @property
    def ending(self) -> str:
        """How it ended, to be read after its number: `was killed by SIGKILL`."""
        return self._ending or "does not answer"

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self.running():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def start_ticks(pid: int) -> int:
    """When a process started, in ticks since the machine did; 0 when it is gone or the system
    does not tell."""
    fields = _stat(pid)
    return int(fields[_START]) if fields else 0


def _is_there(pid: int, ticks: int) -> bool:
    if not psutil.pid_exists(pid):
        return False
    fields = _stat(pid)
    return not fields or (fields[_STATE] != b"Z" and (not ticks or int(fields[_START]) == ticks))


def _stat(pid: int) -> list[bytes]:
    """Fields of /proc/PID/stat after the command's name; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def _sentence(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


@dataclass(frozen=True, slots=True)
class Seen:
    """One process at one moment."""

    pid: int
    parent: int
    session: int
    started: int
    """Ticks since the machine started; 0 where the system does not tell."""
    has_terminal: bool = False
    hangs: bool = False
    """It sleeps in the kernel and hears no signal, SIGKILL neither, until it wakes."""

    def kill(self) -> None:
        """End it at once, unless its number belongs to somebody else by now."""
        if not self.started or start_ticks(self.pid) == self.started:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGKILL)

    def describe(self) -> str:
        """Number, command and state for a log."""
        with suppress(psutil.Error):
            command = " ".join(psutil.Process(self.pid).cmdline())
            state = ", in uninterruptible sleep" if self.hangs else ""
            return f"{self.pid} ({command[:80]}{state})"
        return str(self.pid)


def all_alive() -> dict[int, Seen]:
    """Every process of this machine that can still do something."""
    if sys.platform == "linux":
        entries = (name for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208 - twice as fast
        found = (_seen(int(name)) for name in entries)
    else:
        found = (_asked(process) for process in psutil.process_iter())
    return {seen.pid: seen for seen in found if seen is not None}


def _seen(pid: int) -> Seen | None:
    fields = _stat(pid)
    if not fields or fields[_STATE] in _ENDED or fields[_MEMORY] == b"0":
        return None  # gone, a zombie, or a thread of the kernel
    return Seen(
        pid=pid,
        parent=int(fields[_PARENT]),
        session=int(fields[_SESSION]),
        started=int(fields[_START]),
        has_terminal=fields[_TERMINAL] != b"0",
        hangs=fields[_STATE] == b"D",
    )


def _asked(process: psutil.Process) -> Seen | None:
    """`_seen` where there is no /proc."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        parent, session = process.ppid(), os.getsid(process.pid)
    except (psutil.Error, OSError):
        return None
    return Seen(process.pid, parent, session, started=0)


def environment(pid: int) -> bytes:
    """The variables with which a process's program was started, NUL between them; empty if they are
    not ours to read."""
    try:
        if sys.platform == "linux":
            return Path(f"/proc/{pid}/environ").read_bytes()
        variables = psutil.Process(pid).environ()
    except (OSError, psutil.Error):
        return b""
    return b"\0".join(f"{name}={value}".encode() for name, value in variables.items())


def directory(pid: int) -> str:
    """The directory in which a process works; empty if it is not ours to know."""
    try:
        return os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115 - one system call
    except OSError:
        return ""


def written_files(pid: int) -> Iterator[str]:
    """Paths of the files that a process has open for writing; none where there is no /proc."""
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")  # noqa: PTH208 - twice as fast
    except OSError:
        return
    for name in descriptors:
        with suppress(OSError):
            path = os.readlink(f"/proc/{pid}/fd/{name}")  # noqa: PTH115 - one system call
            if path.startswith("/") and _is_written(pid, name):
                yield path


def _is_written(pid: int, descriptor: str) -> bool:
    """Whether a descriptor is open for writing: its flags stand in octal."""
    for line in Path(f"/proc/{pid}/fdinfo/{descriptor}").read_bytes().splitlines():
        if line.startswith(b"flags:"):
            return bool(int(line.split()[1], 8) & os.O_ACCMODE)
    return False
