"""Tracebacks of users' own code: their frames, and none of ours."""

import asyncio
import concurrent.futures
import contextlib
import traceback
from pathlib import Path

import flyte
from flyte import errors

_NOT_THEIRS = (
    *(str(Path(module.__file__ or "").parent) for module in (flyte, asyncio, concurrent.futures)),
    contextlib.__file__,
)


def traceback_of(error: BaseException) -> str:
    """The traceback as if the user's functions had called each other without us in between."""
    raised = [error]
    while (below := _cause(raised[-1])) is not None:
        raised.append(below)
    shown = traceback.TracebackException.from_exception(raised[-1])
    _without_us(shown)
    if isinstance(raised[-1], errors.BaseRuntimeError):
        shown.__cause__ = shown.__context__ = None
    callers = [frame for wrapper in raised[:-1] for frame in _theirs(wrapper)]
    shown.stack = traceback.StackSummary.from_list([*callers, *shown.stack])
    return "".join(shown.format())


def original(error: BaseException) -> BaseException:
    """What user code raised, under the `RuntimeUserError`s in which a caller gets it."""
    while (below := _cause(error)) is not None:
        error = below
    return error


def _cause(error: BaseException) -> BaseException | None:
    # A subclass is the SDK's own word about a value or a limit: what it stands on is our business.
    return error.__cause__ if type(error) is errors.RuntimeUserError else None


def _theirs(error: BaseException) -> list[traceback.FrameSummary]:
    return [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame)]


def _is_theirs(frame: traceback.FrameSummary) -> bool:
    return not frame.filename.startswith(_NOT_THEIRS)


def _without_us(shown: traceback.TracebackException) -> None:
    shown.stack = traceback.StackSummary.from_list(filter(_is_theirs, shown.stack))
    for earlier in (shown.__cause__, shown.__context__):
        if earlier is not None:
            _without_us(earlier)
