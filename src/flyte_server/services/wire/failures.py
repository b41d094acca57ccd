"""Failures, in the three forms in which the wire carries them."""

from flyteidl2.core import execution_pb2
from flyteidl2.workflow import run_definition_pb2

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


def from_error_document(document: bytes) -> Failure:
    """The failure in the content of an `error.pb`.

    Raises:
        google.protobuf.message.DecodeError: the content is no ErrorDocument.
    """
    error = execution_pb2.ErrorDocument.FromString(document).error
    return Failure(
        code=error.code,
        message=error.message,
        blame=_BLAMES.get(error.origin, Blame.UNKNOWN),
        recoverable=error.kind == _RECOVERABLE,
    )


def execution_error(failure: Failure) -> execution_pb2.ExecutionError:
    """What a parent gets to know."""
    return execution_pb2.ExecutionError(
        code=failure.code,
        message=failure.message,
        kind=_ORIGINS[failure.blame],
        recoverability=_RECOVERABLE if failure.recoverable else _NON_RECOVERABLE,
    )


def error_info(failure: Failure) -> run_definition_pb2.ErrorInfo:
    """What a person reads."""
    return run_definition_pb2.ErrorInfo(
        message=failure.message, kind=_KINDS[failure.blame], code=failure.code
    )
