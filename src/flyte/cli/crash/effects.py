"""What a step does to the world outside of its run: files, programs, connections, as the interpreter audits them."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flyte._context import scope
from flyte.cli.crash.notes import Effect, Notebook
from flyte.config import _read

_CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_QUIET = ("/dev/", "/proc/")
_VERBS = {
    "os.mkdir": "makes the folder",
    "os.remove": "removes",
    "os.rename": "renames",
    "os.rmdir": "removes the folder",
    "shutil.rmtree": "removes the folder",
    "sqlite3.connect": "opens the database",
    "os.system": "runs",
}
"""Audit events whose first argument is what they change."""


def watch_effects(notes: Notebook, place: Callable[[], str]) -> None:
    """Note every effect of a step's own code from now on, until the process ends.

    Args:
        notes: where to.
        place: the line of the user's code that is being executed; empty: the effect is not the user's.
    """
    busy = threading.local()
    home = f"{_read.flyte_home()}{os.sep}"

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        here = scope()
        if here is None or getattr(busy, "noting", False):
            return
        busy.noting = True
        try:
            what = _effect(event, arguments, home)
            where = place() if what else ""
            if what and where:
                step = here.trace or here.task.task_name or here.task.action.name
                notes.add(Effect(here.task.action.name, step, what, where))
        finally:
            busy.noting = False

    sys.addaudithook(hear)


def _effect(event: str, arguments: tuple[Any, ...], home: str) -> str:
    """What an audited event does to the outside; empty for nothing."""
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & _CHANGING:
            return ""
        return _on_file("appends to" if flags & os.O_APPEND else "writes", path, home)
    if event in _VERBS:
        return _on_file(_VERBS[event], arguments[0], home)
    if event == "socket.connect":
        return f"connects to {_address(arguments[1])}"
    if event == "subprocess.Popen":
        command = arguments[1]
        words = [command] if isinstance(command, str | bytes) else list(command)
        return f"starts {' '.join(os.fsdecode(word) for word in words)[:80]}"
    return ""


def _on_file(verb: str, path: object, home: str) -> str:
    if not isinstance(path, str | bytes | os.PathLike):
        return ""  # a descriptor that is open already
    text = os.fsdecode(path)
    full = os.path.abspath(text)  # noqa: PTH100 - Path.absolute keeps `..`
    if full.startswith((home, *_QUIET)) or "__pycache__" in full:
        return ""
    folder = f"{Path.cwd()}{os.sep}"
    return f"{verb} {full.removeprefix(folder)}"


def _address(address: object) -> str:
    if isinstance(address, tuple) and len(address) >= 2:
        return f"{address[0]}:{address[1]}"
    return str(address)
