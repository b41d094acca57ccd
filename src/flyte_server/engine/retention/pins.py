"""What the inputs of kept runs and of triggers refer to: files of other runs, and uploads.

Results that were taken over (cache, recovery) stand in rows; a file of one run that a user hands to another stands in
that one's inputs only.  They never change, so each is read once.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from flyte_server.store import retention
from flyte_server.store.catalogue import triggers
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection

_RUN_PARTS, _UPLOAD_PARTS, _INPUT_PARTS = 3, 4, 5


class References(Protocol):
    """Reads what stored messages refer to; implemented by `services.caching.references`."""

    def of_inputs(self, uri: str) -> frozenset[str]:
        """Paths below the data directory to which the inputs at an address refer, and their own."""
        ...

    def of_spec(self, body: bytes) -> frozenset[str]:
        """Paths below the data directory to which a task's specification refers: its code, its defaults."""
        ...


@dataclass(frozen=True, slots=True)
class Pinned:
    """What kept runs need at one moment."""

    newest: int
    """The largest number of the runs that were looked at."""
    units: frozenset[str]
    """Directories of runs (`project/domain/run`) and units of uploads."""


class Pins:
    """Remembers what inputs refer to."""

    def __init__(self, database: Database, references: References) -> None:
        self._database = database
        self._references = references
        self._of_inputs: dict[str, frozenset[str]] = {}
        self._of_specs: dict[str, frozenset[str]] = {}

    async def by_inputs(self) -> Pinned:
        """What the inputs of all kept runs refer to now."""
        newest, kept = await self._database.read(_inputs)
        known = await asyncio.to_thread(self._read, {uri for _, uri in kept})
        self._of_inputs = known
        return Pinned(newest, frozenset().union(*known.values()))

    async def by_specs(self) -> frozenset[str]:
        """What the specifications of all kept actions and deployed tasks refer to now."""
        found: dict[str, frozenset[str]] = {}
        above = ""
        while page := await self._database.read(retention.specs, above):
            fresh = [(digest, body) for digest, body in page if digest not in self._of_specs]
            found |= {each: self._of_specs[each] for each, _ in page if each in self._of_specs}
            found |= await asyncio.to_thread(self._read_specs, fresh)
            above = page[-1][0]
        self._of_specs = found
        return frozenset().union(*found.values())

    def _read(self, uris: set[str]) -> dict[str, frozenset[str]]:
        known = self._of_inputs
        return {
            uri: known[uri] if uri in known else _units(self._references.of_inputs(uri))
            for uri in uris
        }

    def _read_specs(self, specs: list[tuple[str, bytes]]) -> dict[str, frozenset[str]]:
        return {digest: _units(self._references.of_spec(body)) for digest, body in specs}


def _inputs(connection: Connection) -> tuple[int, list[tuple[int, str]]]:
    of_triggers = [(0, uri) for uri in triggers.input_uris(connection)]
    return retention.newest_run(connection), [*retention.inputs(connection), *of_triggers]


def _units(paths: frozenset[str]) -> frozenset[str]:
    return frozenset(unit(path) for path in paths)


def unit(path: str) -> str:
    """What goes or stays together with a file.

    Example:
        >>> unit("uploads/p/d/inputs/12ab/inputs.pb"), unit("p/d/r1/a0/raw/x.csv")
        ('uploads/p/d/inputs/12ab', 'p/d/r1')
    """
    parts = path.split("/")
    if parts[0] != "uploads":
        return "/".join(parts[:_RUN_PARTS])
    is_inputs = len(parts) > _UPLOAD_PARTS and parts[_RUN_PARTS] == "inputs"
    return "/".join(parts[: _INPUT_PARTS if is_inputs else _UPLOAD_PARTS])
