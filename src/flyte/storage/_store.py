"""`read`, `write`, `exists` and `join`: one address, one object.

Plain paths and `file://` are served in place, without suspending, so a blocking caller may step
these coroutines with `_kit.aio.drive`; every other scheme goes to an object store.
"""

from collections.abc import Mapping

from flyte import errors
from flyte.storage import _backends

Options = Mapping[str, str]
"""Settings of an object store: `endpoint`, `access_key_id`, `secret_access_key`, `region`, …"""


async def read(uri: str, *, options: Options | None = None) -> bytes:
    """The whole content of an object.

    Args:
        uri: a path, `file://…`, or an address of an object store such as `s3://bucket/key`.
        options: settings of the object store; without them its own defaults apply.

    Raises:
        flyte.errors.StorageError: naming the address and the reason.

    Example:
        >>> await read("/data/r1/a0/inputs.pb")
    """
    path = _backends.local_path(uri)
    try:
        if path is not None:
            return path.read_bytes()
        return await _backends.remote_read(uri, options or {})
    except (OSError, _backends.BackendError) as error:
        raise _failed("read", uri, error) from error


async def write(uri: str, data: bytes, *, options: Options | None = None) -> None:
    """Replace an object by `data`, all or nothing; folders of a path are made on demand.

    Local files are not synced to disk one by one: what is written here can be made again by running
    the attempt again, and the control plane commits a success only after the process that wrote it
    has ended.

    Raises:
        flyte.errors.StorageError: naming the address and the reason.
    """
    path = _backends.local_path(uri)
    try:
        if path is not None:
            _backends.replace(path, data)
        else:
            await _backends.remote_write(uri, data, options or {})
    except (OSError, _backends.BackendError) as error:
        raise _failed("write", uri, error) from error


async def exists(uri: str, *, options: Options | None = None) -> bool:
    """Whether there is an object at the address (a folder is none).

    Raises:
        flyte.errors.StorageError: when the store cannot be asked.
    """
    path = _backends.local_path(uri)
    try:
        if path is not None:
            return path.is_file()
        return await _backends.remote_exists(uri, options or {})
    except (OSError, _backends.BackendError) as error:
        raise _failed("look for", uri, error) from error


def is_local(uri: str) -> bool:
    """Whether an address is a path, so that these functions never wait for it."""
    return _backends.local_path(uri) is not None


def join(base: str, *parts: str) -> str:
    """An address below another.

    >>> join("s3://bucket/run/", "a0", "inputs.pb")
    's3://bucket/run/a0/inputs.pb'
    """
    return "/".join((base.rstrip("/"), *(part.strip("/") for part in parts)))


def _failed(verb: str, uri: str, error: BaseException) -> errors.StorageError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return errors.StorageError(f"cannot {verb} {uri}: {reason}")
