"""Files below a directory, page by page, in an order that does not change between pages."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from flyte_server.blobs import arriving
from flyte_server.blobs.reading import etag


@dataclass(frozen=True, slots=True)
class Found:
    """A file below a directory."""

    name: str
    """Its path below the directory, with `/`; empty: the "directory" itself is this file."""
    size: int
    etag: str = ""
    """Changes with the content."""
    changed_at: float = 0.0
    """Seconds since the epoch."""
    is_folder: bool = False
    """Whether it stands for all files below it; its name ends with `/`."""

    @classmethod
    def of(cls, name: str, status: os.stat_result) -> "Found":
        """A file with what its status says."""
        return cls(name, status.st_size, etag(status), status.st_mtime)


def page(start: Path, *, after: str, limit: int) -> list[Found]:
    """Up to `limit` files below `start` whose names come after `after`, sorted; blocks shortly.

    Files that are still arriving are left out.  Links to files are followed, links to directories
    are not: they could make circles.

    Raises:
        FileNotFoundError: there is nothing at `start`.
    """
    if not start.is_dir():
        return [] if after else [Found.of("", start.stat())]
    found: list[Found] = []
    for each in _walk(start, "", after):
        found.append(each)
        if len(found) == limit:
            break
    return found


def keys(root: Path, prefix: str, *, after: str, limit: int, shallow: bool) -> list[Found]:
    """Up to `limit` files below `root` whose whole paths begin with `prefix`, as an object store lists them.

    Args:
        prefix: any beginning of a path, e.g. `p/d/r1/a`.
        after: only what comes after this path.
        shallow: a folder behind the prefix is one entry, if there are files in it that come after `after`.
    """
    folder, slash, rest = prefix.rpartition("/")
    base = folder + slash
    if after > base and not after.startswith(base):
        return []
    behind = after.removeprefix(base) if after.startswith(base) else ""
    found: list[Found] = []
    for each in _level(root / folder, rest, behind, shallow=shallow):
        if len(found) == limit:
            break
        found.append(replace(each, name=base + each.name))
    return found


def _level(folder: Path, rest: str, after: str, *, shallow: bool) -> Iterator[Found]:
    """What begins with `rest` in a folder."""
    for name, entry in _sorted(folder):
        if not name.startswith(rest):
            continue
        if not name.endswith("/"):
            yield from _file(entry, name, after)
        elif name > after or after.startswith(name):
            below = _walk(Path(entry.path), name, after)
            if not shallow:
                yield from below
            elif next(below, None) is not None:
                yield Found(name, 0, is_folder=True)


def _file(entry: os.DirEntry[str], path: str, after: str) -> Iterator[Found]:
    """The file, unless it is still arriving or was deleted meanwhile."""
    if path > after and entry.is_file() and not arriving.is_partial(entry.name):
        with suppress(FileNotFoundError):
            yield Found.of(path, entry.stat())


def _walk(folder: Path, prefix: str, after: str) -> Iterator[Found]:
    for name, entry in _sorted(folder):
        path = prefix + name
        if entry.is_dir(follow_symlinks=False):
            if path > after or after.startswith(path):  # else all that is in it came already
                yield from _walk(Path(entry.path), path, after)
        else:
            yield from _file(entry, path, after)


def _sorted(folder: Path) -> list[tuple[str, os.DirEntry[str]]]:
    """A directory's name ends with `/`, so that paths come in the order of their text."""
    try:
        with os.scandir(folder) as entries:
            named = [
                (entry.name + "/" * entry.is_dir(follow_symlinks=False), entry) for entry in entries
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(named, key=lambda pair: pair[0])
