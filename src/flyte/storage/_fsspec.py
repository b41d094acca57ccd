"""The same stores as file systems of fsspec, for libraries that want one; obstore does the work."""

from typing import TYPE_CHECKING, Any

from flyte import errors
from flyte._kit import optional
from flyte.storage import _addresses
from flyte.storage._config import kinds
from flyte.storage._config.kinds import Settings
from flyte.storage._objects import clients

if TYPE_CHECKING:
    import fsspec

_NEEDED_FOR = "a storage as file system"


def get_configured_fsspec_kwargs(
    protocol: str | None = None, anonymous: bool = False, *, settings: Settings = None
) -> dict[str, Any]:
    """Arguments of the file system for a protocol, as the environment says.

    Args:
        protocol: `"s3"`, `"gs"`, `"abfs"`, …; None or `"file"` is this machine's disk.
        anonymous: do not sign requests, for public buckets.
        settings: of the object store; without them the environment's apply.

    Example:
        >>> pandas.read_csv("s3://bucket/a.csv", storage_options=get_configured_fsspec_kwargs("s3"))
    """
    if protocol in {None, "file"}:
        return {"auto_mkdir": True}
    assert protocol is not None
    if protocol not in kinds.SCHEMES:
        raise errors.StorageError(
            f"there is no store for {protocol}://; use file or one of "
            + ", ".join(sorted(kinds.SCHEMES))
        )
    profile = kinds.profile(protocol, settings)
    if anonymous:
        profile = profile.with_words({"skip_signature": True})
    return profile.fsspec_kwargs()


def get_underlying_filesystem(
    protocol: str | None = None,
    anonymous: bool = False,
    path: str | None = None,
    *,
    settings: Settings = None,
    **kwargs: Any,
) -> "fsspec.AbstractFileSystem":
    """A file system of fsspec for a protocol.

    Args:
        protocol: `"s3"`, `"gs"`, `"abfs"`, `"memory"`, …; None is that of `path`, else `"file"`.
        anonymous: do not sign requests, for public buckets.
        path: an address, whose protocol is taken if none is given.
        settings: of the object store; without them the environment's apply.
        **kwargs: further arguments of the file system.

    Raises:
        ImportError: fsspec is not installed.

    Example:
        >>> get_underlying_filesystem(path="s3://bucket/table").ls("s3://bucket/table")
    """
    if protocol is None:
        local = path is None or _addresses.is_local(path)
        protocol = "file" if local else str(path).partition("://")[0]
    given = {**get_configured_fsspec_kwargs(protocol, anonymous, settings=settings), **kwargs}
    if protocol == "file":
        return optional.module("fsspec", _NEEDED_FOR).filesystem("file", **given)
    system = optional.module("obstore.fsspec", _NEEDED_FOR).FsspecStore
    if protocol == "memory":
        return _in_memory(system)(protocol, **kwargs)
    return system(protocol, **given)


def _in_memory(system: Any) -> Any:
    """The file system of the one memory that this process has."""

    class MemoryFileSystem(system):
        cachable = False

        def _construct_store(self, bucket: str) -> Any:
            return clients.memory()

    return MemoryFileSystem
