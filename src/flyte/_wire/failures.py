"""Exceptions as messages, and back as the classes of `flyte.errors`."""

import asyncio
import re
import traceback
from pathlib import Path

from flyteidl2.core import execution_pb2
from flyteidl2.workflow import run_definition_pb2

from flyte import errors

LONGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes of an error's message in `error.pb`; what is longer loses its middle."""

_NOT_THE_USERS = (str(Path(errors.__file__).parent / "_")[:-1], str(Path(asyncio.__file__).parent))
"""Where the frames lie that say nothing about user code: the SDK, and what runs its coroutines."""
_TRACEBACK = re.compile(
    r"\n\n(?=Traceback \(most recent call last\):\n|  \+ Exception Group Traceback )"
)
_CUT = re.compile(r"\n… \d+ bytes of this message were cut …\n")
_ORIGINS = {
    "user": execution_pb2.ExecutionError.USER,
    "system": execution_pb2.ExecutionError.SYSTEM,
    "unknown": execution_pb2.ExecutionError.UNKNOWN,
}
_KINDS = {number: kind for kind, number in _ORIGINS.items()}


def error_document(exc: BaseException) -> execution_pb2.ErrorDocument:
    """What a task writes when it failed: code, message, whether another attempt may help, and whose failure it is.

    The message is the exception's own, a blank line, and the traceback without the SDK's frames.
    """
    code, message, kind, recoverable = errors.to_code(exc)
    outcome = execution_pb2.ContainerError
    return execution_pb2.ErrorDocument(
        error=execution_pb2.ContainerError(
            code=code,
            message=_shortened(message + _traceback(exc)),
            kind=outcome.RECOVERABLE if recoverable else outcome.NON_RECOVERABLE,
            origin=_ORIGINS[kind],
        )
    )


def from_error_document(document: execution_pb2.ErrorDocument) -> errors.BaseRuntimeError:
    """The error that a task wrote."""
    error = document.error
    return _error(error.code, error.message, _KINDS.get(error.origin, "unknown"))


def from_execution_error(error: execution_pb2.ExecutionError) -> errors.BaseRuntimeError:
    """The error that a parent is told of its child."""
    return _error(error.code, error.message, _KINDS.get(error.kind, "unknown"), error.worker)


def from_error_info(info: run_definition_pb2.ErrorInfo) -> errors.BaseRuntimeError:
    """The error that a client is told of an action."""
    kinds = {
        run_definition_pb2.ErrorInfo.KIND_USER: "user",
        run_definition_pb2.ErrorInfo.KIND_SYSTEM: "system",
    }
    return _error(info.code, info.message, kinds.get(info.kind, "unknown"))


def is_cut(message: str) -> bool:
    """Whether a message lost its middle on the way, so that `error.pb` says more.

    Control planes tell parents of their children's failures in a bounded form.
    """
    return _CUT.search(message) is not None


def split(message: str) -> tuple[str, str]:
    """The two parts of an error's message: what happened, and the traceback (empty if there is none).

    Example:
        >>> split("no rows")
        ('no rows', '')
    """
    summary, *frames = _TRACEBACK.split(message, maxsplit=1)
    return summary, "".join(frames)


def _error(code: str, message: str, kind: str, worker: str = "") -> errors.BaseRuntimeError:
    """The same class and text as in local mode; the traceback of the other process is a note below it."""
    summary, frames = split(message)
    error = errors.from_code(code or "Unknown", summary, kind, worker or None)
    if frames:
        error.add_note(frames)
    return error


def _traceback(exc: BaseException) -> str:
    report = traceback.TracebackException.from_exception(exc)
    frames = _without_our_frames(report)
    return "\n\n" + "".join(report.format()).rstrip() if frames else ""


def _without_our_frames(report: traceback.TracebackException) -> int:
    """Cut the SDK's frames out of a traceback and of those it is chained to; how many frames are left of its own."""
    report.stack[:] = [frame for frame in report.stack if not _is_ours(frame)]
    for chained in (report.__cause__, report.__context__, *(report.exceptions or ())):
        if chained is not None:
            _without_our_frames(chained)
    return len(report.stack)


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_NOT_THE_USERS)


def _shortened(message: str) -> str:
    data = message.encode("utf-8", "replace")
    if len(data) <= LONGEST_MESSAGE:
        return data.decode()
    half = LONGEST_MESSAGE // 2 - 100
    note = f"\n… {len(data) - 2 * half} bytes of this message were cut …\n"
    return data[:half].decode("utf-8", "ignore") + note + data[-half:].decode("utf-8", "ignore")
