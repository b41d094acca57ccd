"""Addresses of objects: plain paths, `file://…`, and those of object stores. Nothing is opened here."""

from pathlib import Path
from urllib.parse import quote, unquote

from flyte.config import _read

_OF_PLANES = "s3://flyte-objects-"
"""Begins the addresses that a control plane gives its own files, for runtimes that know object stores only."""
_MOUNTED = "_U_OBJECTS"
"""Variable of tasks: `bucket=directory`, the control plane's bucket and where its files are on this machine."""


def local_path(uri: str) -> Path | None:
    """The path that an address means, or None for the address of an object store."""
    if "://" not in uri:
        return Path(uri)
    if uri.startswith("file://"):
        return Path(unquote("/" + uri.removeprefix("file://").partition("/")[2]))
    return _mounted(uri) if uri.startswith(_OF_PLANES) else None


def is_of_plane(uri: str) -> bool:
    """Whether an address is one of a control plane's own bucket, which is read through its links where it is not a
    path of this machine."""
    return uri.startswith(_OF_PLANES) and _mounted(uri) is None


def _mounted(uri: str) -> Path | None:
    """The file of an object, in a task of the control plane whose object it is."""
    bucket, _, directory = _read.environment().get(_MOUNTED, "").partition("=")
    named, _, key = uri.removeprefix("s3://").partition("/")
    return Path(directory, key) if directory and named == bucket and ".." not in key else None


def like(uri: str, path: Path) -> str:
    """The address of a path, in the manner of another address."""
    return f"file://{quote(str(path))}" if uri.startswith("file://") else str(path)


def is_local(uri: str) -> bool:
    """Whether an address is a path of this machine, so that reading it never waits."""
    return "://" not in uri or uri.startswith("file://") or local_path(uri) is not None


def is_remote(path: str) -> bool:
    """Whether an address is one of an object store: `s3://…`, `gs://…`, `abfs://…`, `memory://…`."""
    return not is_local(path)


def name(uri: str) -> str:
    """The last part of an address."""
    path = local_path(uri)
    return path.name if path is not None else uri.rstrip("/").rpartition("/")[2]


def join(*paths: str) -> str:
    """An address below another.

    >>> join("s3://bucket/run/", "a0", "inputs.pb")
    's3://bucket/run/a0/inputs.pb'
    """
    if not paths:
        return ""
    base, *parts = paths
    if not parts:
        return base.rstrip("/") or base
    return "/".join((base.rstrip("/"), *(part.strip("/") for part in parts)))
