"""Addresses of objects: plain paths, `file://…`, and those of object stores. Nothing is opened here."""

from pathlib import Path
from urllib.parse import quote, unquote


def local_path(uri: str) -> Path | None:
    """The path that an address means, or None for the address of an object store."""
    if "://" not in uri:
        return Path(uri)
    if uri.startswith("file://"):
        return Path(unquote("/" + uri.removeprefix("file://").partition("/")[2]))
    return None


def like(uri: str, path: Path) -> str:
    """The address of a path, in the manner of another address."""
    return f"file://{quote(str(path))}" if uri.startswith("file://") else str(path)


def is_local(uri: str) -> bool:
    """Whether an address is a path of this machine, so that reading it never waits."""
    return "://" not in uri or uri.startswith("file://")


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
