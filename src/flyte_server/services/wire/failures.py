"""Failures, in the three forms in which the wire carries them."""

from flyteidl2.core import execution_pb2
from flyteidl2.workflow import run_definition_pb2
from google.protobuf.message import DecodeError

from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Failure

_ORIGINS = {
    Blame.USER: execution_pb2.ExecutionError.USER,
    Blame.SYSTEM: execution_pb2.ExecutionError.SYSTEM,
    Blame.UNKNOWN: execution_pb2.ExecutionError.UNKNOWN,
}
_BLAMES = {origin: blame for blame, origin in _ORIGINS.items()}
_KINDS = {
    Blame.USER: run_definition_pb2.ErrorInfo.KIND_USER,
    Blame.SYSTEM: run_definition_pb2.ErrorInfo.KIND_SYSTEM,
    Blame.UNKNOWN: run_definition_pb2.ErrorInfo.KIND_UNSPECIFIED,
}
_RECOVERABLE = execution_pb2.ContainerError.RECOVERABLE
_NON_RECOVERABLE = execution_pb2.ContainerError.NON_RECOVERABLE


LONGEST_MESSAGE = 2 * 1024 * 1024
"""Bytes of a message that are kept with the action and told to people; `error.pb` has all of it."""
LONGEST_UPDATE = 64 * 1024
"""Bytes that a parent is told: a thousand failed children must not be a gigabyte.  It reads `error.pb` for the rest."""


def from_error_document(document: bytes) -> Failure:
    """The failure in the content of an `error.pb`, its message bounded.

    Raises:
        google.protobuf.message.DecodeError: the content is no ErrorDocument, or one that tells nothing.
    """
    read = execution_pb2.ErrorDocument.FromString(document)
    if not read.HasField("error"):
        raise DecodeError("there is no error in it")
    error = read.error
    return Failure(
        code=error.code,
        message=_shortened(error.message, LONGEST_MESSAGE),
        blame=_BLAMES.get(error.origin, Blame.UNKNOWN),
        recoverable=error.kind == _RECOVERABLE,
    )


def execution_error(failure: Failure) -> execution_pb2.ExecutionError:
    """What a parent gets to know."""
    return execution_pb2.ExecutionError(
        code=failure.code,
        message=_shortened(failure.message, LONGEST_UPDATE),
        kind=_ORIGINS[failure.blame],
        recoverability=_RECOVERABLE if failure.recoverable else _NON_RECOVERABLE,
    )


def error_info(failure: Failure) -> run_definition_pb2.ErrorInfo:
    """What a person reads."""
    return run_definition_pb2.ErrorInfo(
        message=failure.message, kind=_KINDS[failure.blame], code=failure.code
    )


def _shortened(message: str, limit: int) -> str:
    """The message with its middle cut out where it is longer; the mark is part of the protocol (see `flyte._wire`)."""
    if len(message) <= limit // 4:  # no character has more than four bytes
        return message
    data = message.encode()
    if len(data) <= limit:
        return message
    half = limit // 2 - 100
    mark = f"\n… {len(data) - 2 * half} bytes of this message were cut …\n"
    return data[:half].decode(errors="ignore") + mark + data[-half:].decode(errors="ignore")
