"""Exceptions as messages, and back as the classes of `flyte.errors`."""

import re
from collections.abc import Collection

from flyteidl2.core import execution_pb2
from flyteidl2.workflow import run_definition_pb2

from flyte import errors
from flyte._kit import masking
from flyte._wire.failing import codes, messages, tracebacks

LONGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes of an error's message in `error.pb`; what is longer loses its middle."""

_CUT = re.compile(r"\n… \d+ bytes of this message were cut …\n")
_ORIGINS = {
    "user": execution_pb2.ExecutionError.USER,
    "system": execution_pb2.ExecutionError.SYSTEM,
    "unknown": execution_pb2.ExecutionError.UNKNOWN,
}
_KINDS = {number: kind for kind, number in _ORIGINS.items()}
_CALLED_FROM = "called from:\n"


def error_document(
    exc: BaseException, *, with_locals: bool = False, hidden: Collection[str] = ()
) -> execution_pb2.ErrorDocument:
    """What a task writes when it failed: code, message, whether another attempt may help, and whose failure it is.

    The message has the shape that `flyte._wire.failing.messages` describes.

    Args:
        exc: what was raised.
        with_locals: whether the local variables of the user's frames stand in the traceback.
        hidden: values that it must not have.
    """
    code, message, kind, recoverable = codes.to_code(exc)
    outcome = execution_pb2.ContainerError
    return execution_pb2.ErrorDocument(
        error=execution_pb2.ContainerError(
            code=code,
            message=_shortened(masking.masked(str(_told(exc, message, with_locals)), hidden)),
            kind=outcome.RECOVERABLE if recoverable else outcome.NON_RECOVERABLE,
            origin=_ORIGINS[kind],
        )
    )


def _told(exc: BaseException, summary: str, with_locals: bool) -> messages.Told:
    trail = _trail(exc)
    if isinstance(exc, errors.BaseRuntimeError) and exc.trail is not None:
        # A child's failure that nobody caught: its own evidence counts, not each step of its way up.
        return messages.Told(summary, _with_calls(exc), exc.next_step, trail)
    evidence = tracebacks.text(exc, with_locals=with_locals)
    return messages.Told(summary, evidence, _next(exc) if evidence else "", trail)


def _trail(exc: BaseException) -> errors.Trail | None:
    """Where the failure began of whatever an exception is, is made of, or was raised from."""
    if isinstance(exc, errors.BaseRuntimeError) and exc.trail is not None:
        return exc.trail
    inner: list[BaseException | None] = [exc.__cause__]
    if isinstance(exc, BaseExceptionGroup):
        inner.extend(exc.exceptions)
    if not exc.__suppress_context__:
        inner.append(exc.__context__)
    return next((trail for each in inner if each is not None and (trail := _trail(each))), None)


def _with_calls(exc: errors.BaseRuntimeError) -> str:
    """The child's evidence, and below it the user's lines that called the child, innermost first."""
    calls = "".join(tracebacks.report(exc).stack.format()).rstrip()
    if not calls:
        return exc.evidence
    if _CALLED_FROM in exc.evidence:
        return f"{exc.evidence}\n{calls}"
    return f"{exc.evidence}\n\n{_CALLED_FROM}{calls}" if exc.evidence else ""


def _next(exc: BaseException) -> str:
    look = messages.look_at(tracebacks.place(exc))
    if isinstance(exc, MemoryError):
        return f"{look}, or give it more: resources=flyte.Resources(memory=…)"
    return look


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
    """What happened, and what stands below it: the evidence and the next step (empty if there is neither).

    Example:
        >>> split("no rows")
        ('no rows', '')
    """
    told = messages.read(message)
    return told.summary, told.appendix


def _error(code: str, message: str, kind: str, worker: str = "") -> errors.BaseRuntimeError:
    """The same class and text as in local mode; what the other process wrote down is a note below it."""
    told = messages.read(message)
    error = codes.from_code(code or "Unknown", told.summary, kind, worker or None)
    error.trail, error.evidence, error.next_step = told.trail, told.evidence, told.next_step
    if told.appendix:
        error.add_note(told.appendix)
    return error


def _shortened(message: str) -> str:
    data = message.encode("utf-8", "replace")
    if len(data) <= LONGEST_MESSAGE:
        return data.decode()
    half = LONGEST_MESSAGE // 2 - 100
    note = f"\n… {len(data) - 2 * half} bytes of this message were cut …\n"
    return data[:half].decode("utf-8", "ignore") + note + data[-half:].decode("utf-8", "ignore")
