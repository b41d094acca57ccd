"""What an attempt that failed tells: its log, and whoever waits for it."""

import os
import sys
import traceback
from collections.abc import Collection

from flyteidl2.core.execution_pb2 import ErrorDocument

from flyte import errors
from flyte._kit import masking
from flyte._wire import failures
from flyte._wire.failing import tracebacks


def failed(error: BaseException, hidden: Collection[str] = ()) -> ErrorDocument:
    """What `error.pb` says of an exception, after the attempt's log was told of it.

    Args:
        error: the exception.
        hidden: values that neither may have.
    """
    with_locals = os.environ.get(tracebacks.LOCALS) == "1"  # noqa: TID251 - a process's edge
    _print(error, hidden, with_locals=with_locals)
    return failures.error_document(error, with_locals=with_locals, hidden=hidden)


def serialized(document: ErrorDocument) -> bytes:
    """The content of `error.pb`."""
    return document.SerializeToString(deterministic=True)


def _print(error: BaseException, hidden: Collection[str], *, with_locals: bool) -> None:
    """Tell the log what happened, with the user's frames only.

    An error that the SDK raised about a value or a declaration has no such frame, and says everything in its message;
    one that nobody meant to raise is shown as a whole.
    """
    text = tracebacks.text(error, with_locals=with_locals)
    if not text and isinstance(error, errors.BaseRuntimeError):
        text = "".join(traceback.format_exception_only(error)).rstrip()
    text = text or "".join(traceback.format_exception(error)).rstrip()
    print(masking.masked(text, hidden), file=sys.stderr)  # noqa: T201 - the attempt's log
