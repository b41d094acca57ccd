"""One seed: make its world, let it happen, heal it, wait for quiet, and judge."""

import asyncio
import contextlib
import gc
import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.sim.world import checker, faults, programs
from tests.sim.world.hosts import Host, Process, attempt_of
from tests.sim.world.journal import Journal, Told
from tests.sim.world.loop import Being, VirtualLoop, WallClock
from tests.sim.world.network import Network
from tests.sim.world.planes import Blobs, Plane
from tests.sim.world.platform import triggers
from tests.sim.world.platform.people import People
from tests.sim.world.platform.triggers import TickRuns, Triggers
from tests.sim.world.programs import Program
from tests.sim.world.sdk import Task
from tests.sim.world.store import Disk
from tests.sim.world.weather import Weather

from flyte_server.domain import errors

_LONGEST_SECONDS = 3600.0
_QUIET_SECONDS = 90.0
_POLL_SECONDS = 3.0
_AWAY_SECONDS = 4.0
_FAREWELL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Played:
    """What a seed gave."""

    seed: int
    digest: str
    faults: dict[str, int]
    deeds: dict[str, int]
    seconds: float
    """Virtual ones."""
    problems: list[str]
    lines: list[str]


class Address:
    """Where a control plane answers, one life after the other; implements `sdk.Endpoint`."""

    def __init__(self, world: "World", name: str) -> None:
        self.name = name
        self.wall = WallClock()
        self._world = world
        self._life = 0
        self._is_quick = False
        self.plane: Plane
        self.start()

    def now(self) -> tuple[Being, Plane]:
        return self.plane.being, self.plane

    def start(self) -> None:
        """Another life."""
        world = self._world
        self._life += 1
        being = Being(world.loop, f"{self.name}.{self._life}")
        world.journal.note("starts", being.name)
        self.plane = Plane(
            being.name, being, world, world.trouble,
            disk=world.disk, wall=self.wall, dice=world.dice, blobs=world.blobs, recovers=self._life > 1,
            ticks=TickRuns(world.trouble, world.network, world.journal),
        )  # fmt: skip
        being.bereaved.append(self._died)
        being.do(self._run(self.plane), "plane")

    def is_away(self) -> None:
        """From now on others may take its hosts for dead, until it is back."""
        self._world.loop.later(_AWAY_SECONDS, self._still_away)

    def _still_away(self) -> None:
        world = self._world
        is_back = self.plane.ready and not self.plane.being.stopped
        if world.trouble.planes == 1 or (is_back and self._is_quick):
            self._is_quick = False
            return
        self._is_quick = is_back
        for host in world.hosts:
            if host.home == self.name:
                world.hurt(host, f"{self.name} was away")
        for attempt in world.journal.launches:
            if attempt[3].startswith(f"{self.plane.name}-"):  # maybe still on its way to a host
                world.journal.hurt.setdefault(attempt, f"{self.name} was away")
        self.is_away()

    async def _run(self, plane: Plane) -> None:
        try:
            await plane.run()
        except Exception as error:  # noqa: BLE001 - a process that ends with a traceback
            self._world.journal.note("ended by", type(error).__name__, error)
            plane.being.kill()

    def _died(self) -> None:
        self._world.journal.note("died", self.plane.name)
        for host in self._world.hosts:
            if host.home == self.name:
                host.disconnect()
        self.is_away()
        self._world.loop.later(self._world.dice.choice([0.1, 1.0, 12.0]), self.start)


class World:
    """Everything around the control planes."""

    def __init__(self, seed: int, loop: VirtualLoop, *, verbose: bool) -> None:
        self.loop = loop
        self.journal = Journal(verbose=verbose)
        self.dice = random.Random(f"world {seed}")
        self.trouble = faults.make(seed)
        self.programs: dict[str, Program] = {
            program.run: program for program in programs.make(seed)
        }
        self.disk = Disk()
        self.blobs = Blobs()
        self.network = Network(self.trouble, self.dice, self.journal)
        self.hosts: list[Host] = []
        self.triggers = Triggers(self, triggers.make(seed, self.trouble.until))
        self.addresses = [Address(self, f"cp{number}") for number in range(self.trouble.planes)]
        self.users = Being(loop, "users")
        self.people = People(self)

    def program(self, run: str) -> Program:
        """What a run executes."""
        return self.programs.get(run) or programs.of_tick(run)

    def latest_us(self) -> int:
        """The latest time of all control planes."""
        return max(address.plane.now_us() for address in self.addresses)

    # -- what executors need: `executor.Machine`

    def start_host(self, plane: Being) -> Host:
        """Start a host on the control plane's machine."""
        address = self._address_of(plane)
        being = Being(self.loop, f"host{len(self.hosts)}")
        host = Host(
            being, address.name, address.wall.now_us, self.journal, self._execute, self._is_deaf
        )
        self.hosts.append(host)
        return host

    def hosts_of(self, plane: Being) -> list[Host]:
        """Living hosts of the control plane's machine."""
        home = self._address_of(plane).name
        return [host for host in self.hosts if host.being.alive and host.home == home]

    def _address_of(self, plane: Being) -> Address:
        return next(address for address in self.addresses if address.plane.being is plane)

    def refuses_launch(self) -> bool:
        return self.network.happens(self.trouble.refused_launch)

    def report_fate(self) -> str:
        if self.network.happens(self.trouble.lost_report):
            self.journal.fault("acknowledgement lost")
            return "lost"
        if self.network.happens(self.trouble.doubled_report):
            self.journal.fault("report doubled")
            return "doubled"
        return ""

    def kill_host(self, host: Host) -> None:
        """It is gone, with all its processes."""
        self.journal.note("host killed", host.name)
        host.being.kill()

    def _is_deaf(self) -> bool:
        return self.network.happens(self.trouble.deaf)

    # -- what programs need: `sdk.World`

    def endpoint(self, host: Host) -> Address:
        """Where a process of this host finds its control plane."""
        return next(address for address in self.addresses if address.name == host.home)

    def _execute(self, host: Host, process: Process) -> None:
        process.being.do(Task(self, host, process).run(), "task")

    # -- users

    async def happen(self) -> None:
        """Everything that users and the weather do, and the wait for the end."""
        loop = self.loop
        weather = Weather(self)
        for at, event in self.trouble.events:
            loop.later(at, weather.happen, event)
        loop.later(self.trouble.until, weather.heal)
        for program in self.programs.values():
            self.users.do(self._start(program))
            for at, action in program.aborts:
                self.users.do(self.abort(program.run, at, action))
        self.triggers.begin()
        self.users.do(self._look())
        await self._until_quiet()

    async def _start(self, program: Program) -> None:
        await asyncio.sleep(program.starts_at)
        while True:
            try:
                await self.ask(lambda plane: plane.create_run(program))
            except errors.AlreadyExists:
                break
            except Exception as error:  # noqa: BLE001 - a user asks again, whatever it was
                self.journal.note("create failed", program.run, type(error).__name__)
                await asyncio.sleep(0.5 + self.dice.random())
            else:
                break
        self.journal.created[program.run] = self.loop.time()
        self.journal.deed("create", program.run)

    async def abort(self, run: str, at: float, action: str) -> None:
        """Somebody aborts an action after so many seconds."""
        await asyncio.sleep(at)
        for _ in range(30):
            self.journal.asked_abort.setdefault((run, action), self.loop.time())
            try:
                await self.ask(lambda plane: plane.abort(run, action))
            except Exception as error:  # noqa: BLE001 - a user asks again, whatever it was
                self.journal.note("abort failed", run, action, type(error).__name__)
                await asyncio.sleep(1.0)
            else:
                self.journal.answered_abort[run, action] = self.loop.time()
                self.journal.deed("abort", f"{run}/{action}")
                return

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            for run in self.programs:
                if self._is_told_all(run):
                    continue
                with contextlib.suppress(Exception):
                    for action in await self.ask(lambda plane, run=run: plane.look(run)):
                        self.people.see(run, action)
                        self._told(run, action)

    def _is_told_all(self, run: str) -> bool:
        return any(told.run == run and told.action == "a0" for told in self.journal.told)

    def _told(self, run: str, action: Any) -> None:
        if not action.phase.terminal:
            return
        is_news = action.name == "a0" and not self._is_told_all(run)
        told = Told(run, action.name, action.phase.value, action.output_uri, self.loop.time())
        self.journal.told.append(told)
        if is_news:
            self.journal.deed("result", f"{run} {told.phase}")
            if told.phase == "succeeded":
                self.journal.deed("success", run)

    async def ask(self, work: Callable[[Plane], Any]) -> Any:
        """Ask one of the control planes."""
        being, plane = self.dice.choice(self.addresses).now()
        return await self.network.ask(being, lambda: work(plane))

    async def _until_quiet(self) -> None:
        while self.loop.time() < self.trouble.until or not self._all_told():
            await asyncio.sleep(_POLL_SECONDS)
            if self.loop.time() > _LONGEST_SECONDS:
                self.journal.note("no end")
                return
        await self.triggers.rest()
        await asyncio.sleep(_QUIET_SECONDS)

    def _all_told(self) -> bool:
        return all(run in self.journal.created and self._is_told_all(run) for run in self.programs)

    def hurt(self, host: Host, why: str) -> None:
        """Note for every attempt of a host that its loss is deserved."""
        for process in host.processes.values():
            self.journal.hurt[attempt_of(process.spec)] = why
        for ended in host.ended.values():
            self.journal.hurt[attempt_of(ended.spec)] = why


def play(seed: int, *, verbose: bool = False) -> Played:
    """Play one seed and judge it; `problems` is empty when all is well."""
    with _quietly():
        return _play(seed, verbose=verbose)


def _play(seed: int, *, verbose: bool) -> Played:
    random.seed(seed)
    trouble = faults.make(seed)
    loop = VirtualLoop(random.Random(seed) if trouble.shuffled else None)
    worlds: list[World] = []
    problems: list[str] = []

    async def main() -> None:
        world = World(seed, loop, verbose=verbose)
        worlds.append(world)
        await world.happen()
        problems.extend(checker.check(world))

    try:
        loop.run_until_complete(main())
    except AssertionError as error:
        problems.append(f"the world broke: {error}")
        problems.extend(checker.check(worlds[0]))
    world = worlds[0]
    journal = world.journal
    played = Played(
        seed,
        journal.digest,
        dict(journal.faults),
        dict(journal.deeds),
        loop.time(),
        problems,
        journal.lines,
    )
    world.disk.state = "the world has ended"
    loop.run_until_complete(_end(loop))
    loop.close()
    world.disk.close()
    return played


async def _end(loop: VirtualLoop) -> None:
    """End every task in good order, those of the dead too: nothing is left that could be collected half-way."""
    me = asyncio.current_task()
    loop.raise_the_dead()
    loop.steps = 0
    while tasks := [task for task in loop.unfinished() if task is not me]:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_FAREWELL_SECONDS)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """No log lines, no garbage collection at moments that the seed does not determine."""
    before, state = logging.root.manager.disable, random.getstate()
    logging.disable(logging.CRITICAL)
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        random.setstate(state)
        logging.disable(before)
        if collects:
            gc.enable()
