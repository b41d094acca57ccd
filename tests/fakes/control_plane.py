"""A whole control plane without processes and files: real engine and store, fake executor and
clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.fakes.executor import FakeExecutor, FakeLaunchSpecs

from flyte_server.clock import Clock
from flyte_server.domain.capacity import Capacity
from flyte_server.domain.commands import NewAction, NewRun
from flyte_server.domain.ids import random_token
from flyte_server.domain.records import Action
from flyte_server.engine.bus import Bus
from flyte_server.engine.engine import Engine, Rules
from flyte_server.engine.reconciler import Reconciler
from flyte_server.engine.scheduler import Scheduler
from flyte_server.store import actions
from flyte_server.store.database import Database


def new_action(name: str, parent: str | None = "a0", **fields: Any) -> NewAction:
    """A command with sensible values."""
    return NewAction(
        **{
            "name": name,
            "parent": parent,
            "task_name": "env.task",
            "spec": b"task spec",
            "input_uri": f"/data/r/{name}/inputs.pb",
            "output_base": "/data/r",
            **fields,
        }
    )


def new_run(name: str | None = "r", *, project: str = "p", **root_fields: Any) -> NewRun:
    """A command for a run; the keywords go to its root action."""
    root = new_action("a0", None, **root_fields)
    return NewRun(project, "development", spec=b"run spec", root=root, name=name)


@dataclass
class ControlPlane:
    """The parts, for tests to pull at."""

    clock: Clock
    database: Database = field(default_factory=Database.in_memory)
    bus: Bus = field(default_factory=Bus)
    slots: int = 8

    def __post_init__(self) -> None:
        tokens = (f"token-{number}" for number in count(1))
        names = (f"run-{number}" for number in count(1))
        self.engine = Engine(
            self.database,
            self.bus,
            self.clock,
            new_token=lambda: next(tokens),
            new_run_name=lambda: next(names),
            rules=Rules(Capacity(self.slots)),
        )
        self.executor = FakeExecutor(self.clock)
        self.executor.report = self.engine.apply
        self.scheduler = Scheduler(
            self.database,
            self.engine,
            self.bus,
            clock=self.clock,
            executor=self.executor,
            launch_specs=FakeLaunchSpecs(),
        )
        self.reconciler = Reconciler(
            self.database,
            self.engine,
            self.bus,
            clock=self.clock,
            executor=self.executor,
            launching=lambda: self.scheduler.launching,
        )

    def adopt(self, executor: FakeExecutor, *, restarted: bool) -> None:
        """Work with an executor that outlived an earlier control plane."""
        executor.report = self.engine.apply
        self.executor = self.scheduler._executor = self.reconciler._executor = executor
        if restarted:
            self.engine._new_token = random_token

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ControlPlane"]:
        """Scheduler and reconciler at work; the database is closed at the end."""
        try:
            async with self.working():
                yield self
        finally:
            await self.engine.close()
            self.database.close()

    @asynccontextmanager
    async def working(self) -> AsyncIterator["ControlPlane"]:
        """Scheduler and reconciler at work; then they are killed where they are."""
        tasks = [
            asyncio.create_task(self.scheduler.run()),
            asyncio.create_task(self.reconciler.run()),
        ]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def action(self, name: str, run_id: int = 1) -> Action:
        """The row of an action."""
        found = await self.database.read(actions.load, run_id, name)
        assert found is not None, f"no action {name}"
        return found

    async def start_root(self, **fields: Any) -> int:
        """A run whose root is running; gives the run's id."""
        run, _ = await self.engine.create_run(new_run(**fields))
        await self.settle()
        return run.id

    async def settle(self) -> None:
        """Let everything happen that is due within a moment."""
        await self.clock.sleep(0.2)
