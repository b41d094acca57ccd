"""Files below a directory, page by page, in an order that does not change between pages."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flyte_server.blobs import arriving


@dataclass(frozen=True, slots=True)
class Found:
    """A file below a directory."""

    name: str
    """Its path below the directory, with `/`; empty: the "directory" itself is this file."""
    size: int


def page(start: Path, *, after: str, limit: int) -> list[Found]:
    """Up to `limit` files below `start` whose names come after `after`, sorted; blocks shortly.

    Files that are still arriving are left out.  Links to files are followed, links to directories
    are not: they could make circles.

    Raises:
        FileNotFoundError: there is nothing at `start`.
    """
    if not start.is_dir():
        return [] if after else [Found("", start.stat().st_size)]
    found: list[Found] = []
    for each in _walk(start, "", after):
        found.append(each)
        if len(found) == limit:
            break
    return found


def _walk(folder: Path, prefix: str, after: str) -> Iterator[Found]:
    for name, entry in _sorted(folder):
        path = prefix + name
        if entry.is_dir(follow_symlinks=False):
            if path > after or after.startswith(path):  # else all that is in it came already
                yield from _walk(Path(entry.path), path, after)
        elif path > after and entry.is_file() and not arriving.is_partial(name):
            try:
                yield Found(path, entry.stat().st_size)
            except FileNotFoundError:  # deleted meanwhile
                continue


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
