"""The attempt's token where a scan of all processes reads it, in processes that were only forked.

/proc/PID/environ shows the memory that held the variables when a program was *started*: a forked process shows those of
its host, whatever it has set since.  So hosts are started with a token of dashes, and a child writes its own over it.
All that it forks inherits the memory; all that it executes gets the variable in the ordinary way.
"""

import ctypes
import sys
from pathlib import Path

VARIABLE = "FLYTE_ATTEMPT_TOKEN"
_NAME = f"{VARIABLE}=".encode()
_ENV_START = 47
"""Of the fields of /proc/PID/stat after the command's name."""


class TokenMark:
    """Made when a host starts, written by its children.  Does nothing where there is no such memory."""

    def __init__(self) -> None:
        self._address, self._room = _find() if sys.platform == "linux" else (0, 0)

    def write(self, token: str) -> None:
        """In the child: show this token."""
        text = token.encode()
        if not self._address or len(text) > self._room:
            return
        if ctypes.string_at(self._address - len(_NAME), len(_NAME)) == _NAME:
            # Else somebody wrote something else there: programs that rename themselves do.
            ctypes.memmove(self._address, text.ljust(self._room, b"\0"), self._room)


def shown_by(pid: int) -> str:
    """The token that a process shows; empty if it shows none, or the system does not tell."""
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    found = [variable for variable in variables if variable.startswith(_NAME)]
    return found[0].removeprefix(_NAME).decode(errors="replace") if found else ""


def _find() -> tuple[int, int]:
    """Where the value stands in this process's memory, and how long it is; (0, 0) without one."""
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        start = int(fields[_ENV_START])
        variables = Path("/proc/self/environ").read_bytes().split(b"\0")
    except (OSError, IndexError):
        return 0, 0
    for variable in variables:
        if variable.startswith(_NAME):
            return start + len(_NAME), len(variable) - len(_NAME)
        start += len(variable) + 1
    return 0, 0
