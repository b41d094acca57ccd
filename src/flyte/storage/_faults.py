"""What a failure of a disk or a store means: the error class, the reason in one line, the next step."""

import contextlib
import errno
import re
from collections.abc import Awaitable, Callable, Generator
from types import MappingProxyType
from typing import TypeVar

from flyte import errors
from flyte._kit import optional

T = TypeVar("T")

_NOT_FOUND = "check the address"
_REFUSED = (
    "check the credentials and what they are allowed to do "
    "(flyte.init(storage=...), or the environment's variables)"
)
_FULL = "make room, then try again"
_TIMEOUT = "try again, or allow more time with the setting 'timeout'"

_NEXT_STEPS: MappingProxyType[type[errors.StorageError], str] = MappingProxyType(
    {
        errors.StorageNotFoundError: _NOT_FOUND,
        errors.StorageAccessError: _REFUSED,
        errors.StorageFullError: _FULL,
        errors.StorageTimeoutError: _TIMEOUT,
    }
)

_BY_NUMBER = {
    errno.ENOENT: errors.StorageNotFoundError,
    errno.EACCES: errors.StorageAccessError,
    errno.EPERM: errors.StorageAccessError,
    errno.EROFS: errors.StorageAccessError,
    errno.ENOSPC: errors.StorageFullError,
    errno.EDQUOT: errors.StorageFullError,
    errno.EFBIG: errors.StorageFullError,
    errno.ETIMEDOUT: errors.StorageTimeoutError,
}

_BY_STATUS = {
    "401": errors.StorageAccessError,
    "403": errors.StorageAccessError,
    "404": errors.StorageNotFoundError,
    "408": errors.StorageTimeoutError,
    "504": errors.StorageTimeoutError,
    "507": errors.StorageFullError,
}

_BUSY = frozenset({"429", "500", "502", "503"})

# Codes of S3, of stores that speak its protocol, of Azure: they say more than the status they come with.
_BY_CODE = {
    "QuotaExceeded": errors.StorageFullError,
    "XMinioStorageFull": errors.StorageFullError,
    "InsufficientStorage": errors.StorageFullError,
    "InsufficientAccountPermissions": errors.StorageAccessError,
    "XAmzContentSHA256Mismatch": errors.DataCorruptionError,
    "BadDigest": errors.DataCorruptionError,
    "Md5Mismatch": errors.DataCorruptionError,
    "RequestTimeout": errors.StorageTimeoutError,
}

_STATUS = re.compile(r"status code: (\d{3})([^:\n]*)")
_CODE = re.compile(r"<Code>(.*?)</Code>.*?<Message>(.*?)</Message>", re.DOTALL)
_TRIES = re.compile(r"after (\d+) retries")
_SYSTEM = re.compile(r'(?:message|error): "([^"]+)"')


@contextlib.contextmanager
def explained(verb: str, uri: str) -> Generator[None]:
    """Failures inside the block leave it as errors of ours: "cannot <verb> <uri>: …".

    Example:
        >>> with explained("read", "/data/none"):
        ...     open("/data/none")
        StorageNotFoundError: cannot read /data/none: No such file or directory; check the address
    """
    try:
        yield
    except _failures() as error:
        # What obstore attaches is pages of its own structures; all of use in it is in our message.
        known = isinstance(error, OSError) and error.errno is not None
        raise explanation(verb, uri, error) from (error if known else None)


def explanation(verb: str, uri: str, error: BaseException) -> errors.StorageError:
    """The error of ours for a failure of a disk or a store."""
    if isinstance(error, OSError) and error.errno is not None:
        kind = _BY_NUMBER.get(error.errno, errors.StorageError)
        reason = error.strerror or str(error)
    else:
        kind, reason = _of_store(error)
    step = _NEXT_STEPS.get(kind)
    return kind(f"cannot {verb} {uri}: {reason}" + (f"; {step}" if step else ""))


def is_missing(error: BaseException) -> bool:
    """Whether a failure says that there is no such object."""
    return isinstance(error, FileNotFoundError | NotADirectoryError)


async def tried_twice(transfer: Callable[[], Awaitable[T]]) -> T:
    """Make a transfer again whose content was changed on the way; what is stored wrongly comes
    wrongly again."""
    try:
        return await transfer()
    except (errors.DataCorruptionError, *_failures()) as error:
        if not _is_corruption(error):
            raise
        return await transfer()


def _is_corruption(error: BaseException) -> bool:
    if isinstance(error, errors.DataCorruptionError):
        return True
    code = _CODE.search(str(error))
    return code is not None and _BY_CODE.get(code[1].strip()) is errors.DataCorruptionError


def _failures() -> tuple[type[Exception], ...]:
    """What to look out for; obstore's own errors only after somebody has used it."""
    if not optional.loaded("obstore"):
        return (OSError,)
    exceptions = optional.module("obstore.exceptions", "object stores")
    # obstore says by ValueError what an address must not have, and by RuntimeError that a process has
    # forked since its first use.
    return (OSError, exceptions.BaseError, ValueError, BufferError)


def _of_store(error: BaseException) -> tuple[type[errors.StorageError], str]:
    text, _, details = str(error).partition("\n\nDebug source")
    if code := _CODE.search(text):
        name, message = (part.strip().rstrip(".") for part in code.groups())
        status = _STATUS.search(text)
        kind = _BY_CODE.get(name) or _BY_STATUS.get(status[1] if status else "")
        return kind or _of_class(error), f"{name} ({message}){_tried(text)}"
    if status := _STATUS.search(text):
        kind = _BY_STATUS.get(status[1], _of_class(error))
        busy = "; the store is busy: try again later" if status[1] in _BUSY else ""
        return kind, f"{status[1]}{status[2]}".strip() + _tried(text) + busy
    if "kind: Timeout" in details or "TimedOut" in details:
        return errors.StorageTimeoutError, f"the store did not answer in time{_tried(text)}"
    if "kind: Interrupted" in details or "IncompleteMessage" in details:
        return errors.StorageError, f"the connection broke off{_tried(text)}; try again"
    if "kind: Connect" in details:
        found = _SYSTEM.findall(details)
        reason = found[-1] if found else "no connection"
        step = "check the endpoint and that the store runs"
        return errors.StorageError, f"{reason}{_tried(text)}; {step}"
    return _of_class(error), " ".join(text.split()) or type(error).__name__


def _of_class(error: BaseException) -> type[errors.StorageError]:
    if isinstance(error, FileNotFoundError):
        return errors.StorageNotFoundError
    if type(error).__name__ in {"PermissionDeniedError", "UnauthenticatedError"}:
        return errors.StorageAccessError
    return errors.StorageError


def _tried(text: str) -> str:
    tries = _TRIES.search(text)
    return f" after {tries[1]} retries" if tries and tries[1] != "0" else ""
