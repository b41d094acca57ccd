"""Triggers of the world: deployed before it begins, paused and resumed by users, at rest before its end."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tests.fakes.clock import START_US
from tests.sim.world.faults import Trouble
from tests.sim.world.journal import Journal
from tests.sim.world.loop import Being, running
from tests.sim.world.network import Network
from tests.sim.world.planes import DOMAIN, PROJECT, Plane, tick_command
from tests.sim.world.store import Disk

from flyte_server.domain import errors
from flyte_server.domain.commands import NewRun
from flyte_server.domain.schedules.records import CatchUp, Cron, FixedRate, Trigger, TriggerName
from flyte_server.store.catalogue import triggers

_SECOND = 1_000_000
_DEPLOYED = 1
_OVERDUE_SECONDS = 15.0
_PAUSE_SECONDS = 3.0
_LONGEST_SECONDS = 3000.0
_TASK = "env.tick"


@dataclass(frozen=True, slots=True)
class Plan:
    """One trigger of a seed."""

    name: str
    interval: int
    """Seconds between two ticks."""
    anchor_us: int
    """A moment at which it ticks."""
    catch_up: CatchUp
    is_cron: bool
    changes: tuple[tuple[float, bool], ...] = ()
    """When a user makes it inactive or active."""

    @property
    def key(self) -> TriggerName:
        """Its full name."""
        return TriggerName(PROJECT, DOMAIN, _TASK, self.name)


def make(seed: int, until: float) -> tuple[Plan, ...]:
    """The triggers of a seed: none in most."""
    dice = random.Random(f"triggers {seed}")
    if dice.random() < 0.6:
        return ()
    return tuple(_plan(dice, f"every{number}", until) for number in range(dice.choice([1, 2, 3])))


def _plan(dice: random.Random, name: str, until: float) -> Plan:
    is_cron = dice.random() < 0.3
    interval = 60 if is_cron else dice.choice([7, 20, 60])
    first = START_US + dice.randrange(1, 15) * _SECOND
    changes: list[tuple[float, bool]] = []
    if dice.random() < 0.3:
        off, on = sorted(round(dice.uniform(1, until), 3) for _ in range(2))
        changes = [(off, False), (on, True)]
    anchor = 60 * _SECOND * (START_US // (60 * _SECOND)) if is_cron else first
    return Plan(name, interval, anchor, dice.choice(list(CatchUp)), is_cron, tuple(changes))


def _row(plan: Plan) -> Trigger:
    interval = plan.interval * _SECOND
    schedule = Cron("* * * * *", "UTC") if plan.is_cron else FixedRate(interval, plan.anchor_us)
    first = plan.anchor_us + interval if plan.is_cron else plan.anchor_us
    return Trigger(
        PROJECT, DOMAIN, _TASK, plan.name,
        revision=1, task_version="v1", active=True, automation=b"", spec=b"", input_uri="",
        schedule=schedule, catch_up=plan.catch_up, deployed_by="u", updated_by="u",
        deployed_at=START_US, updated_at=START_US, next_tick=first, due_at=first,
    )  # fmt: skip


class TickRuns:
    """Makes the runs of ticks; implements `engine.ticking.loop.Commands`."""

    def __init__(self, trouble: Trouble, network: Network, journal: Journal) -> None:
        self._trouble = trouble
        self._network = network
        self._journal = journal

    async def run_of(self, trigger: Trigger, moment: int, name: str) -> NewRun:
        """The run of a tick, after a while; now and then something that it needs is gone."""
        await asyncio.sleep(self._network.latency())
        if self._network.happens(self._trouble.refused_tick):
            self._journal.fault("tick refused", trigger.name)
            raise errors.NotFound(f"task {trigger.task_name} has no version v1")
        return tick_command(trigger, moment, name)


class World(Protocol):
    """What triggers need of the world."""

    journal: Journal
    users: Being
    disk: Disk

    async def ask(self, work: Callable[[Plane], Awaitable[Any]]) -> Any: ...
    def latest_us(self) -> int: ...


class Triggers:
    """All triggers of a world."""

    def __init__(self, world: World, plans: tuple[Plan, ...]) -> None:
        self._world = world
        self.plans = plans
        self._answered: dict[str, bool] = {plan.name: True for plan in plans}
        """Whether each is active, as users were told."""
        self._unanswered: set[str] = set()
        """A request of theirs was never answered: a control plane that was stopped may heed it at any later moment."""
        for plan in plans:
            assert world.disk.database._transaction(
                "BEGIN IMMEDIATE", triggers.save, _row(plan), _DEPLOYED, expected=None
            )
        world.disk.sync()

    def begin(self) -> None:
        """Let users change them at their moments."""
        for plan in self.plans:
            if plan.changes:
                self._world.users.do(self._change(plan))

    async def _change(self, plan: Plan) -> None:
        for at, active in plan.changes:
            await asyncio.sleep(max(0.0, at - running().time()))
            await self._set_active(plan, active=active)

    async def rest(self) -> None:
        """Wait until no tick is late any more, pause them all, and wait for the ends of their runs."""
        if not self.plans:
            return
        await self._until(self._is_up_to_date, "ticks are late")
        self._compare()
        for plan in self.plans:
            await self._set_active(plan, active=False)
        await self._until(self._is_at_rest, "runs of ticks have no end")

    def _compare(self) -> None:
        """What users were told of triggers with the rows."""
        rows = self._world.disk.connection.execute("SELECT name, active FROM triggers")
        found = {name: bool(active) for name, active in rows if name not in self._unanswered}
        told = {name: self._answered[name] for name in found}
        if found != told:
            said = f"users were told which triggers are active: {told}, the rows say {found}"
            self._world.journal.breaches.append(said)

    async def _set_active(self, plan: Plan, *, active: bool) -> None:
        while True:
            try:
                await self._world.ask(lambda plane: plane.set_active(plan.key, active=active))
            except Exception as error:  # noqa: BLE001 - a user asks again, whatever it was
                self._world.journal.note("not changed", plan.name, type(error).__name__)
                self._unanswered.add(plan.name)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                self._answered[plan.name] = active
                self._world.journal.deed("resume" if active else "pause", plan.name)
                return

    async def _until(self, is_so: Callable[[], bool], otherwise: str) -> None:
        began = running().time()
        while not is_so():
            if running().time() - began > _LONGEST_SECONDS:
                self._world.journal.breaches.append(f"for {_LONGEST_SECONDS:.0f} s: {otherwise}")
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    def _is_up_to_date(self) -> bool:
        late = self._world.latest_us() - round(_OVERDUE_SECONDS * _SECOND)
        statement = "SELECT count(*) FROM triggers WHERE active AND next_tick < ?"
        return self._world.disk.connection.execute(statement, (late,)).fetchone() == (0,)

    def _is_at_rest(self) -> bool:
        statement = "SELECT count(*) FROM actions WHERE ended_at IS NULL"
        return self._world.disk.connection.execute(statement).fetchone() == (0,)
