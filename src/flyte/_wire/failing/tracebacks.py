"""Tracebacks with the frames of user code alone."""

import asyncio
import concurrent.futures
import dis
import importlib
import os
import re
import sysconfig
import traceback
from collections.abc import Mapping
from pathlib import Path

from flyte import _ids

LOCALS = "FLYTE_TRACEBACK_LOCALS"
"""Set to 1, the local variables of the user's frames stand below them."""
_LONGEST_LOCAL = 200
OURS = (
    *(
        str(Path(module.__file__ or "").parent) + os.sep
        for module in (_ids, asyncio, concurrent.futures, importlib)
    ),
    "<frozen ",
)
"""Where the frames lie that say nothing about user code: the SDK, and what imports it, runs its coroutines and threads.
"""
LIBRARIES = tuple(
    path + os.sep
    for path in {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
)
"""Where code lies that is not the user's own, though it may well fail because of it."""
_SECRET = re.compile(r"secret|passw|token|api_?key|credential|private_?key|auth", re.IGNORECASE)


def report(exc: BaseException, *, with_locals: bool = False) -> traceback.TracebackException:
    """An exception with all that it is chained to, without the frames of the SDK and of asyncio."""
    made = traceback.TracebackException.from_exception(exc, capture_locals=with_locals)
    _cut(made)
    return made


def _cut(made: traceback.TracebackException) -> None:
    made.stack = traceback.StackSummary.from_list(
        [frame for frame in made.stack if not is_ours(frame.filename)]
    )
    for frame in made.stack:
        if frame.locals:
            frame.locals = _shown(frame.locals)
    for chained in (made.__cause__, made.__context__, *(made.exceptions or ())):
        if chained is not None:
            _cut(chained)


def text(exc: BaseException, *, with_locals: bool = False) -> str:
    """The traceback as text; empty for an exception that never was in user code, nor any of its members."""
    made = report(exc, with_locals=with_locals)
    return "".join(made.format()).rstrip() if _has_frames(made) else ""


def is_raised_by_user(exc: BaseException) -> bool:
    """Whether a statement of user code raised it, and not, say, the handler of a signal that came just then."""
    frames = exc.__traceback__
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    if frames is None or is_ours(frames.tb_frame.f_code.co_filename):
        return False
    return dis.opname[frames.tb_frame.f_code.co_code[frames.tb_lasti]] in (
        "RAISE_VARARGS",
        "RERAISE",
    )


def place(exc: BaseException) -> str:
    """The innermost line of the user's own code, like `train.py:12 in fit`.

    In a library's code if none is the user's own; empty if there is no such line at all.
    """
    frames = report(exc).stack
    own = [frame for frame in frames if not is_library(frame.filename)] or frames
    if own:
        return shown(own[-1].filename, own[-1].lineno, own[-1].name)
    inner = exc.exceptions[0] if isinstance(exc, BaseExceptionGroup) else exc.__cause__
    return place(inner) if inner is not None else ""


def shown(file: str, line: int | None, function: str) -> str:
    """A place as messages show it.

    >>> shown("/code/train.py", 12, "fit")
    'train.py:12 in fit'
    """
    return f"{Path(file).name}:{line or 0} in {function}"


def is_ours(file: str) -> bool:
    """Whether a frame is one of the SDK's, or of what runs its coroutines."""
    return file.startswith(OURS)


def is_library(file: str) -> bool:
    """Whether a frame is one of Python's own, or of an installed package."""
    return file.startswith(LIBRARIES) or file.endswith(".pyx")


def _has_frames(made: traceback.TracebackException) -> bool:
    """Whether it was in user code; of what it was raised from, only the user's own code counts."""
    if made.stack or any(map(_has_frames, made.exceptions or ())):
        return True
    cause = made.__cause__
    while cause is not None:
        if any(not is_library(frame.filename) for frame in cause.stack):
            return True
        cause = cause.__cause__
    return False


def _shown(variables: Mapping[str, str]) -> dict[str, str]:
    """Local variables for people: short, and without what by its name is a secret."""
    return {
        name: "(hidden)" if _SECRET.search(name) else _shortened(value)
        for name, value in variables.items()
    }


def _shortened(value: str) -> str:
    if len(value) <= _LONGEST_LOCAL:
        return value
    return f"{value[:_LONGEST_LOCAL]}… ({len(value)} characters)"
