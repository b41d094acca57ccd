"""The control plane's view of processes that it may not be the parent of."""

import os
import signal
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import psutil

_STATE, _START = 0, 19


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

    @property
    def ending(self) -> str:
        """How it ended, to be read after its number: `was killed by SIGKILL`."""
        return self._ending or "does not answer"

    def kill(self) -> None:
        """End it at once."""
        if self.running():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


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


def end_sessions(leaders: Collection[int]) -> bool:
    """Kill everything in these sessions; whether anything was there.

    A dead host's children die with it, what they had started does not.
    """
    found = False
    for pid in psutil.pids() if leaders else ():
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) in leaders and _is_there(pid, 0):
                os.kill(pid, signal.SIGKILL)
                found = True
    return found
