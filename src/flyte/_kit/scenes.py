"""A file in memory in which a process writes down its last moment, for its parent to read when it is dead.

It costs a few microseconds and touches no disk.  Nothing is left of it when both have closed it.
"""

import os
import tempfile

VARIABLE = "_FLYTE_SCENE"
"""Variable of the child with the descriptor's number."""
_LONGEST = 65_536
_NAME = "flyte-scene"


def make() -> int:
    """A new scene's descriptor, before the fork; -1 when the process has no descriptor left."""
    try:
        if hasattr(os, "memfd_create"):
            return os.memfd_create(_NAME)
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
    except OSError:
        return -1


def announce(descriptor: int) -> None:
    """In the child: let whoever performs the work find it."""
    if descriptor >= 0:
        os.environ[VARIABLE] = str(descriptor)  # noqa: TID251 - a process's edge


def hand_on() -> dict[str, str]:
    """In the child, before it becomes another program: let that inherit it; the variables that say so."""
    number = os.environ.get(VARIABLE)  # noqa: TID251 - a process's edge
    if number is None:
        return {}
    os.set_inheritable(int(number), True)
    return {VARIABLE: number}


def take() -> int | None:
    """In the child: its own scene, which processes that it starts do not inherit; None without one."""
    number = os.environ.pop(VARIABLE, None)  # noqa: TID251 - a process's edge
    if number is None or not number.isdigit():
        return None
    try:
        os.set_inheritable(int(number), False)
    except OSError:  # closed meanwhile
        return None
    return int(number)


def read(descriptor: int) -> str:
    """In the parent: what was written, at most 64 KiB of it."""
    if descriptor < 0:
        return ""
    return os.pread(descriptor, _LONGEST, 0).decode(errors="replace")


def close(descriptor: int) -> None:
    """In the parent: let go of it."""
    if descriptor >= 0:
        os.close(descriptor)
