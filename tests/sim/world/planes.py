"""A control plane of the world: the real engine, scheduler, reconciler and watching, put together as `app.py` does."""

import contextlib
import functools
import random
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.fakes.executor import FakeLaunchSpecs
from tests.sim.world import programs
from tests.sim.world.executor import Machine, SimulatedExecutor
from tests.sim.world.faults import Trouble
from tests.sim.world.loop import Being, SteadyClock, WallClock, never
from tests.sim.world.programs import Node, Program, Question
from tests.sim.world.store import Disk, FaultyStore

from flyte_server import app
from flyte_server.domain import errors
from flyte_server.domain.commands import NewAction, NewCondition, NewRun, NewTrace
from flyte_server.domain.events import Event
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action, ActionKey, Answer, AttemptKey, Run, StartedBy
from flyte_server.domain.schedules.records import Trigger, TriggerName
from flyte_server.engine.bus import Bus
from flyte_server.engine.engine import Engine, Rules
from flyte_server.engine.ports import LaunchSpec
from flyte_server.engine.ticking.loop import Commands, Ticker
from flyte_server.services.access.callers import Caller
from flyte_server.services.actions import ChildUpdates
from flyte_server.services.catalogue.triggers import TriggerBook
from flyte_server.services.watching import Watching
from flyte_server.services.wire import actions as wire
from flyte_server.settings import Settings
from flyte_server.store import actions, runs

PROJECT, DOMAIN = "p", "development"
_START_PAUSE_SECONDS = 1.0


class Blobs:
    """Files of the world; implements `engine.ports.Outputs`."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        """What attempts returned, by their directory."""

    def problem(self, output_uri: str, count: int | None) -> str | None:
        """Why outputs cannot be used."""
        return None if output_uri in self.values else f"there is nothing in {output_uri}"


class LaunchSpecs(FakeLaunchSpecs):
    """Knows the names of runs."""

    def __init__(self, store: FaultyStore) -> None:
        self._store = store

    async def of(self, action: Action) -> LaunchSpec:
        run = await self._store.read(runs.by_id, action.run_id)
        return LaunchSpec(
            AttemptKey(action.run_id, action.name, action.attempt, action.token),
            action.task_name, action.environment, run.name, ("a0",), (), {},
            output_prefix=action.output_uri, log_path="", host_key="h",
        )  # fmt: skip


class Plane:
    """One life of a control plane, from its start to its end."""

    def __init__(
        self,
        name: str,
        being: Being,
        machine: Machine,
        trouble: Trouble,
        *,
        disk: Disk,
        wall: WallClock,
        dice: random.Random,
        blobs: Blobs,
        recovers: bool,
        ticks: Commands,
    ) -> None:
        self._ticks = ticks
        self.name = name
        self.being = being
        self.journal = machine.journal
        self.ready = False
        self._trouble = trouble
        self._machine = machine
        self._blobs = blobs
        self._settings = Settings(home=Path("/nowhere"))
        self._wall = SteadyClock(wall)
        self.store = FaultyStore(
            disk, being, trouble, dice, journal=machine.journal, recovers=recovers
        )
        self.bus = Bus()
        self._stack = contextlib.AsyncExitStack()

    async def run(self) -> None:
        """Start, and work until killed or closed."""
        self.clock = await app._steady(self._wall, self.store)
        tokens = (f"{self.name}-{number}" for number in count(1))
        self.engine = Engine(
            self.store, self.bus, self.clock,
            outputs=self._blobs, plane=self.name, rules=Rules(self._trouble.capacity),
            new_token=functools.partial(next, tokens),
        )  # fmt: skip
        self.executor = SimulatedExecutor(self._machine, self.being, self._report, self.clock)
        async with self._stack:
            self._stack.push_async_callback(self.engine.close)
            await self.executor.start()
            self._stack.push_async_callback(self.executor.close)
            await self._stack.enter_async_context(self._moving())
            await self._stack.enter_async_context(self._ticking())
            self.watching = Watching(self.bus)
            self.ready = True
            self.journal.note("ready", self.name)
            await never()

    async def close(self) -> None:
        """End in good order, as after SIGTERM."""
        self.ready = False
        await self._stack.aclose()
        self.being.kill()

    def _moving(self) -> Any:
        return app._moving(
            self._settings, self.store, self.engine,
            bus=self.bus, executor=self.executor, specs=LaunchSpecs(self.store), clock=self.clock,
            alone=self._trouble.planes == 1,
        )  # fmt: skip

    def _ticking(self) -> Any:
        ticker = Ticker(
            self.store, self.engine, self.bus, clock=self.clock, commands=self._ticks
        )  # fmt: skip
        return app._running("ticks", ticker.run, self.clock)

    async def _report(self, event: Event) -> None:
        await self.engine.apply(event)

    # -- what it serves

    async def create_run(self, program: Program) -> int:
        """A run of that name; gives its id."""
        self._check()
        root = _command(program.run, program.root, None)
        command = NewRun(
            PROJECT, DOMAIN, b"run spec", root, program.run, max_concurrency=program.most
        )
        run, _ = await self.engine.create_run(command)
        return run.id

    async def enqueue(self, run: str, parent: str, node: Node, caller: AttemptKey) -> None:
        """A child, as `services.intake` takes it."""
        self._check()
        command = _command(run, node, parent)
        if not await self.engine.enqueue(caller.run_id, command, caller=caller):
            raise errors.AlreadyExists(f"{node.name} is known; watch it instead")

    async def record(self, parent: str, name: str, value: int, caller: AttemptKey) -> None:
        """A trace, as `services.intake` takes it."""
        self._check()
        now = self.clock.now_us()
        command = NewTrace(
            name, parent, "traced", b"trace spec", Phase.SUCCEEDED, now, now, output_uri=str(value)
        )
        if not await self.engine.record_trace(caller.run_id, command, caller=caller):
            raise errors.AlreadyExists(f"{name} is known")

    async def question(self, run: str, parent: str, asked: Question, caller: AttemptKey) -> None:
        """A condition, as `services.intake` takes it."""
        self._check()
        command = NewCondition(
            asked.name, parent, asked.name, b"condition", "int", timeout_seconds=asked.timeout
        )
        if not await self.engine.ask(caller.run_id, command, caller=caller):
            raise errors.AlreadyExists(f"{asked.name} is known; watch it instead")

    async def answer(self, run: str, name: str, value: int | str) -> None:
        """Somebody answers a condition."""
        self._check()
        found = await self.store.read(runs.load, PROJECT, DOMAIN, run)
        if found is None:
            raise errors.NotFound(f"there is no run {run}")
        answer = Answer(value, "user:p", "p", "api", self.clock.now_us())
        await self.engine.answer(ActionKey(found.id, name), answer)

    async def set_active(self, name: TriggerName, *, active: bool) -> None:
        """Somebody lets a trigger tick, or not."""
        self._check()
        store: Any = self.store
        nothing: Any = None
        book = TriggerBook(store, nothing, bus=self.bus, clock=self.clock, save_inputs=nothing)
        await book.set_active([name], active=active, by=Caller("user:p", "p"))

    async def abort(self, run: str, action: str) -> None:
        """Somebody does not want it any more."""
        self._check()
        found = await self.store.read(runs.load, PROJECT, DOMAIN, run)
        if found is None:
            raise errors.NotFound(f"there is no run {run}")
        await self.engine.abort_action(ActionKey(found.id, action), "enough")

    async def look(self, run: str) -> list[Action]:
        """All actions of a run."""
        self._check()
        found = await self.store.read(runs.load, PROJECT, DOMAIN, run)
        if found is None:
            raise errors.NotFound(f"there is no run {run}")
        return await self.store.read(actions.run_since, found.id, 0)

    def watch(self, run: str, parent: str, caller: AttemptKey) -> AsyncIterator[Any]:
        """A parent's children, as `services.actions` tells of them."""
        self._check()

        async def opened() -> ChildUpdates[Any]:
            found = await self.store.read(runs.load, PROJECT, DOMAIN, run)
            return ChildUpdates(
                self.store, SimpleNamespace(run=found), parent,
                update=functools.partial(_update, found), sentinel=wire.sentinel, caller=caller,
            )  # fmt: skip

        return self.watching.follow(opened)

    def now_us(self) -> int:
        """Its time; not known while it starts."""
        return self.clock.now_us() if self.ready else 0

    def _check(self) -> None:
        if not self.ready:
            raise errors.Unavailable("it is starting")


def _update(run: Run, action: Action) -> Any:
    return wire.child_update(run, action)


def tick_command(trigger: Trigger, moment: int, name: str) -> NewRun:
    """The run of a tick, as `services.runs.ticks` makes it."""
    by = StartedBy(trigger.task_name, trigger.name, trigger.revision, tick=moment)
    root = _command(name, programs.of_tick(name).root, None)
    return NewRun(PROJECT, DOMAIN, b"run spec", root, name, trigger=by)


def _command(run: str, node: Node, parent: str | None) -> NewAction:
    return NewAction(
        node.name, parent, "env.task", b"task spec",
        input_uri=f"/{run}/{node.name}/inputs.pb", output_base=f"/{run}",
        cache_key=node.cache_key, policy=node.policy,
    )  # fmt: skip
