"""Local folders on their way into the store: every file that is in them, several at a time."""

import asyncio
import logging
import os
import stat
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from flyte import storage
from flyte._ids import random_run_name
from flyte.io import _place

A = TypeVar("A")
B = TypeVar("B")

_log = logging.getLogger("flyte.io")

_SHOWN = 3
_AT_A_TIME = 16


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a folder."""

    relative: str
    """Its path below the folder, with `/` between the parts."""
    path: Path


def files(root: Path) -> list[Found]:
    """Every file below a folder, sorted; links to files and folders are followed.

    Empty folders are named in a warning, because stores keep files only.

    Raises:
        FileNotFoundError: a link leads nowhere.
        OSError: there is something that is neither a file nor a folder, or a link to a folder that contains it.
    """
    found: list[Found] = []
    empty: list[str] = []
    for entry in _walk(root, "", ()):
        if isinstance(entry, Found):
            found.append(entry)
        else:
            empty.append(entry)
    if empty and found:
        more = f" and {len(empty) - _SHOWN} more" if len(empty) > _SHOWN else ""
        named = ", ".join(empty[:_SHOWN])
        _log.warning(
            "stores keep files only, so empty folders of %s are left out: %s%s", root, named, more
        )
    return found


def _walk(folder: Path, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[Found | str]:
    """The files below a folder; the name of a folder that has nothing in it."""
    about = folder.stat()
    identity = about.st_dev, about.st_ino
    if identity in above:
        raise OSError(f"{folder} is a link to a folder that contains it; remove the link")
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    if not names:
        yield prefix
    for name in names:
        path = folder / name
        mode = _followed(path)
        if stat.S_ISDIR(mode):
            yield from _walk(path, f"{prefix}{name}/", (*above, identity))
        elif stat.S_ISREG(mode):
            yield Found(f"{prefix}{name}", path)
        else:
            raise OSError(f"{path} is neither a file nor a folder and cannot be stored; remove it")


def _followed(path: Path) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path} is a link that leads nowhere; correct or remove it"
        ) from error


class Target:
    """Where the files of a directory go: below one address, which a control plane chooses with the first file."""

    def __init__(self, name: str, destination: str | None) -> None:
        self._name = name
        self._folder = random_run_name()
        self._is_new = destination is None
        if destination is None and not _place.sends():
            destination = _place.new_address(name)
        self._address = _place.absolute(destination.rstrip("/")) if destination else None
        self._sent: str | None = None

    async def put(self, file: Found, limits: Mapping[str, Any]) -> _place.Stored:
        """Copy one file."""
        if self._address is not None:
            uri = storage.join(self._address, file.relative)
            return await _place.store(file.path, destination=uri, **limits)
        name = f"{self._name}/{file.relative}"
        stored = await _place.store(file.path, name=name, folder=self._folder, **limits)
        self._sent = stored.uri.removesuffix(f"/{file.relative}")
        return stored

    async def discard(self) -> None:
        """Remove what was copied to an address of our own; a user's destination may hold more than that."""
        if self._address is not None and self._is_new:
            await storage.delete(self._address, recursive=True, settings=_place.settings())

    @property
    def address(self) -> str:
        """The directory's own address, once there is a file in it."""
        return self._address or self._sent or ""


async def together(
    work: Callable[[A], Awaitable[B]], items: Iterable[A], at_a_time: int | None = None
) -> list[B]:
    """Do something with every item, several at a time; the first failure stops the others."""
    rest = iter(items)
    done: list[B] = []

    async def worker() -> None:
        for item in rest:
            done.append(await work(item))
            await asyncio.sleep(0)  # small local files never wait, and others want to run, too

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_a_time or _AT_A_TIME):
                group.create_task(worker())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return done
