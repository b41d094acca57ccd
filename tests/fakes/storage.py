"""A control plane's home with runs that have ended, and ways to die in the middle of removing them."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flyteidl2.core import literals_pb2, types_pb2
from flyteidl2.task import common_pb2
from tests.fakes.clock import ManualClock
from tests.fakes.control_plane import new_action, new_run

from flyte_server.blobs.kept import KeptFiles
from flyte_server.domain.capacity import Capacity
from flyte_server.domain.events import Succeeded
from flyte_server.domain.records import AttemptKey
from flyte_server.engine.bus import Bus
from flyte_server.engine.engine import Engine
from flyte_server.engine.retention.limits import Limits
from flyte_server.engine.retention.loop import Retention
from flyte_server.services.caching.references import FileReferences
from flyte_server.store import runs
from flyte_server.store.database import Database
from flyte_server.store.retention import KeptRun

DAY = 24 * 3600.0
PROJECT, DOMAIN = "p", "development"


class Killed(BaseException):
    """The process is gone: nobody handles this."""


@dataclass
class Death:
    """Comes after a number of steps; 0: never."""

    after: int = 0
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.after:
            raise Killed


@dataclass(frozen=True, slots=True)
class MortalFiles(KeptFiles):
    """Files of a process that may die before and after each change."""

    death: Death

    def move(self, source: Path, target: Path) -> None:
        self.death.step()
        KeptFiles.move(self, source, target)
        self.death.step()

    def erase(self, name: str) -> None:
        self.death.step()
        KeptFiles.erase(self, name)
        self.death.step()


class MortalDatabase:
    """A database of a process that may die before and after each commit."""

    def __init__(self, database: Database, death: Death) -> None:
        self._database = database
        self._death = death
        self.path = database.path
        self.read = database.read

    async def write(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._death.step()
        result = await self._database.write(function, *args, **kwargs)
        self._death.step()
        return result


@dataclass
class Home:
    """A home, its rows and its files."""

    path: Path
    clock: ManualClock = field(default_factory=ManualClock)
    database: Database = field(default_factory=Database.in_memory)
    bus: Bus = field(default_factory=Bus)

    def __post_init__(self) -> None:
        self.engine = Engine(self.database, self.bus, self.clock)
        self.files = KeptFiles(self.path)
        self.files.data.mkdir(parents=True)
        self.gone: list[str] = []

    def retention(
        self,
        limits: Limits | None = None,
        *,
        death: Death | None = None,
        database: MortalDatabase | None = None,
    ) -> Retention:
        """A process that removes; one that was killed before has left nothing in memory."""
        dying = death or Death()
        store: Any = database or MortalDatabase(self.database, dying)
        return Retention(
            store,
            self.bus,
            self.clock,
            files=MortalFiles(self.path, dying),
            references=FileReferences(self.files.data),
            limits=limits or Limits(days=30.0, bytes=0),
            forget=self._forget,
        )

    def _forget(self, run: KeptRun) -> None:
        self.gone.append(run.name)

    def place(self, name: str) -> Path:
        return self.files.data / PROJECT / DOMAIN / name

    def log(self, name: str) -> Path:
        return self.files.logs / PROJECT / DOMAIN / name / "a0" / "1.log"

    def outputs(self, name: str) -> Path:
        return self.place(name) / "a0" / "1" / "outputs.pb"

    def inputs(self, *refers_to: Path) -> Path:
        """Inputs, as a client has sent them: each a file at that path."""
        inputs = common_pb2.Inputs()
        for number, path in enumerate(refers_to):
            blob = literals_pb2.Blob(
                uri=str(path),
                metadata=literals_pb2.BlobMetadata(type=types_pb2.BlobType(format="csv")),
            )
            literal = literals_pb2.Literal(scalar=literals_pb2.Scalar(blob=blob))
            inputs.literals.append(common_pb2.NamedLiteral(name=f"i{number}", value=literal))
        content = inputs.SerializeToString(deterministic=True)
        digest = f"{len(refers_to)}-{abs(hash(content)):x}"
        path = self.files.data / "uploads" / PROJECT / DOMAIN / "inputs" / digest / "inputs.pb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def upload(self, name: str = "data.csv", *, folder: str = "0a1b") -> Path:
        """A file that a client has sent."""
        path = self.files.data / "uploads" / PROJECT / DOMAIN / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 100)
        return path

    def age(self, path: Path, days: float) -> None:
        """Make a file and what was made for it look as if it had been written that long ago."""
        at = self.clock.now_us() / 1_000_000 - days * DAY
        while path != self.files.data:
            os.utime(path, (at, at))
            path = path.parent

    async def begin(self, name: str, *, inputs: Path | None = None, **root: Any) -> AttemptKey:
        """A run whose root is alive."""
        command = new_run(
            name,
            output_base=str(self.place(name)),
            input_uri=str(inputs or self.inputs()),
            **root,
        )
        await self.engine.create_run(command)
        return await self._claimed("a0")

    async def end(self, name: str, root: AttemptKey, *, kilobytes: int = 4) -> None:
        """Its end, with outputs and a log."""
        for path in (self.outputs(name), self.log(name)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(kilobytes * 1024))
        await self.engine.apply(Succeeded(root, self.clock.now_us()))

    async def run(self, name: str, *, kilobytes: int = 4, **given: Any) -> None:
        """A run that has ended just now."""
        await self.end(name, await self.begin(name, **given), kilobytes=kilobytes)

    async def tree(self, name: str, children: int) -> None:
        """An ended run with children and grandchildren, each with an attempt."""
        root = await self.begin(name)
        base = str(self.place(name))
        for number in range(children):
            parent = "a0" if number < children // 2 else f"{name}-0"
            child = new_action(f"{name}-{number}", parent, output_base=base)
            await self.engine.enqueue(root.run_id, child)
            key = await self._claimed(child.name)
            if number:
                await self.engine.apply(Succeeded(key, self.clock.now_us()))
            else:
                first = key
        if children:
            await self.engine.apply(Succeeded(first, self.clock.now_us()))
        await self.end(name, root)

    async def is_kept(self, name: str) -> bool:
        return await self.database.read(runs.load, PROJECT, DOMAIN, name) is not None

    async def execute(self, statement: str) -> None:
        """Change rows as no code does (yet)."""
        await self.database.write(lambda connection: connection.execute(statement))

    async def count(self, table: str) -> int:
        return await self.database.read(
            lambda connection: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        )

    async def _claimed(self, name: str) -> AttemptKey:
        claims = await self.engine.claim(Capacity(1000))
        return next(
            AttemptKey(a.run_id, a.name, a.attempt, a.token)
            for a in claims.actions
            if a.name == name
        )
