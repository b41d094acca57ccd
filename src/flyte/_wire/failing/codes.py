"""The one word by which the wire knows an error, and the class that it stands for."""

import errno
from typing import NamedTuple

from flyte import errors


class ErrorCode(NamedTuple):
    """An error as the wire carries it."""

    code: str
    message: str
    kind: errors.ErrorKind
    recoverable: bool
    """Whether another attempt may be made."""


_BY_CODE: dict[str, type[errors.TaskTimeoutError | errors.ActionAbortedError]] = {
    "MaxQueuedTimeExceeded": errors.MaxQueuedTimeExceededError,
    "MaxRuntimeExceeded": errors.MaxRuntimeExceededError,
    "DeadlineExceeded": errors.DeadlineExceededError,
    "Aborted": errors.ActionAbortedError,
    "ActionAbortedError": errors.ActionAbortedError,
}
"""Codes that mean one thing, whoever is to blame."""

DISK_FULL = "DiskFull"
"""Code of a full disk."""
_CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS")

_USERS_BY_CODE: dict[str, type[errors.RuntimeUserError]] = {
    **dict.fromkeys(_CRASHES, errors.CrashedError),
    DISK_FULL: errors.DiskFullError,
    "MemoryError": errors.OOMError,
    "ModuleLoadError": errors.ModuleLoadError,
    "DataValidationError": errors.RuntimeDataValidationError,
    "Unserializable": errors.UnserializableError,
    "ExitCode": errors.ProcessExitError,
    "NoOutputs": errors.NoOutputsError,
    "CannotSchedule": errors.CannotScheduleError,
    **{
        named.__name__: named
        for named in (
            errors.ConditionTimedoutError,
            errors.ConditionFailedError,
            errors.ConditionAlreadyExistsError,
            errors.ConditionNotFoundError,
        )
    },
    **dict.fromkeys(errors.GPU_FAULT_CODES, errors.GPUFaultUserError),
    **errors.APPLE_SILICON_ERRORS_BY_CODE,
}
"""Codes of kind user."""

_SYSTEMS_BY_CODE: dict[str, type[errors.RuntimeSystemError]] = {
    "WorkerLost": errors.WorkerLostError,
    "Killed": errors.KilledError,
    "Interrupted": errors.KilledError,
    "unavailable": errors.ControlPlaneUnreachableError,
    **dict.fromkeys(errors.GPU_FAULT_CODES, errors.GPUFaultSystemError),
    **{
        named.__name__: named
        for named in (
            errors.StorageError,
            errors.StorageNotFoundError,
            errors.StorageAccessError,
            errors.StorageFullError,
            errors.StorageTimeoutError,
            errors.DataCorruptionError,
        )
    },
}
"""Codes of kind system; a user's exception of such a name stays a user's exception."""

_BY_PART_OF_CODE: tuple[
    tuple[str, type[errors.RuntimeUserError | errors.RuntimeUnknownError]], ...
] = (
    ("OOM", errors.OOMError),
    ("Interrupted", errors.TaskInterruptedError),
    ("PrimaryContainerNotFound", errors.PrimaryContainerNotFoundError),
    ("RetriesExhausted", errors.RetriesExhaustedError),
    ("Unknown", errors.RuntimeUnknownError),
    ("InvalidImageName", errors.InvalidImageNameError),
    ("ImagePullBackOff", errors.ImagePullBackOffError),
)
"""Parts of a code of kind user; there are codes like `ContainersNotReady|ImagePullBackOff`."""


def from_code(
    code: str, message: str, kind: str = "user", worker: str | None = None
) -> errors.BaseRuntimeError:
    """The error that a code on the wire stands for; `code` is kept as the backend wrote it.

    Example:
        >>> from_code("OOMKilled", "the task used more than 2Gi")
        OOMError('the task used more than 2Gi')
    """
    kind = kind.lower()
    if code in _BY_CODE:
        found: type[errors.BaseRuntimeError] = _BY_CODE[code]
        return _made(found, code, "user", message, worker)
    if kind == "system":
        found = _SYSTEMS_BY_CODE.get(code, errors.RuntimeSystemError)
        return _made(found, code, "system", message, worker)
    if kind == "user":
        parts = (named for part, named in _BY_PART_OF_CODE if part in code)
        found = _USERS_BY_CODE.get(code) or next(parts, errors.RuntimeUserError)
        own: errors.ErrorKind = "unknown" if found is errors.RuntimeUnknownError else "user"
        return _made(found, code, own, message, worker)
    return errors.RuntimeUnknownError(code, message, worker)


def _made(
    named: type[errors.BaseRuntimeError],
    code: str,
    kind: errors.ErrorKind,
    message: str,
    worker: str | None,
) -> errors.BaseRuntimeError:
    """An error of a class whose own constructor would choose code or message itself."""
    error = named.__new__(named, message)
    if isinstance(error, errors.GPUFaultError):
        errors.GPUFaultError.__init__(error, code, kind, message, worker)
        return error
    errors.BaseRuntimeError.__init__(error, code, kind, message, worker)
    return error


_NEVER_TRIED_AGAIN = (
    errors.NonRecoverableError,
    errors.InlineIOMaxBytesBreached,
    errors.StorageNotFoundError,
    errors.StorageAccessError,
    errors.DataCorruptionError,
)
"""What another attempt would only meet again."""


def to_code(exc: BaseException) -> ErrorCode:
    """What to write on the wire for an exception; the inverse of `from_code`.

    Example:
        >>> to_code(ValueError("no rows"))
        ErrorCode(code='ValueError', message='no rows', kind='user', recoverable=True)
    """
    hopeless = isinstance(exc, errors.AppleSiliconError) and not exc.recoverable
    recoverable = not hopeless and not isinstance(exc, _NEVER_TRIED_AGAIN)
    if isinstance(exc, errors.BaseRuntimeError):
        return ErrorCode(exc.code, exc.root_cause, exc.kind, recoverable)
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return ErrorCode(DISK_FULL, f"there is no room left: {_said(exc)}", "user", recoverable)
    said = (
        f"the task ended itself with sys.exit({exc.code!r})"
        if isinstance(exc, SystemExit)
        else _said(exc)
    )
    return ErrorCode(type(exc).__name__, said, "user", recoverable)


def _said(exc: BaseException) -> str:
    """The text of an exception, also of one whose own methods fail."""
    try:
        return str(exc) or repr(exc)
    except Exception as error:  # noqa: BLE001 - a user's method; that it fails must not hide what happened
        return f"(its text cannot be shown: __str__ raised {type(error).__name__})"
