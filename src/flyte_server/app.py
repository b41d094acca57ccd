"""Composition: the parts of the control plane, put together, started and stopped in order."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from flyte_server import blobs
from flyte_server.auth import files
from flyte_server.auth.claims import Claims
from flyte_server.auth.tokens import Tokens
from flyte_server.blobs import Bucket, LocalBlobs
from flyte_server.blobs.kept import KeptFiles
from flyte_server.clock import Clock, NeverBefore, RealClock
from flyte_server.domain.events import Event
from flyte_server.engine import leases
from flyte_server.engine.admission import sizes
from flyte_server.engine.bus import Bus
from flyte_server.engine.engine import Engine, Rules
from flyte_server.engine.leases import Leases
from flyte_server.engine.ports import Executor, Report, Verdicts, Workers
from flyte_server.engine.reconciler import Reconciler
from flyte_server.engine.retention.limits import Limits
from flyte_server.engine.retention.loop import Retention
from flyte_server.engine.scheduler import Scheduler
from flyte_server.engine.ticking.loop import Ticker
from flyte_server.environments.keeper import Environments
from flyte_server.executors.common.limits.watch import WatchOptions
from flyte_server.executors.process.executor import ProcessExecutor
from flyte_server.executors.process.options import Options
from flyte_server.executors.replicas.executor import ReplicaExecutor
from flyte_server.executors.replicas.options import Options as ReplicaOptions
from flyte_server.executors.replicas.options import unmasked
from flyte_server.executors.router import Router
from flyte_server.machine import accelerators
from flyte_server.machine.device_memory import DeviceMemory
from flyte_server.services import registry
from flyte_server.services.access import bounds
from flyte_server.services.access.composing import Access
from flyte_server.services.access.composing import access as compose_access
from flyte_server.services.caching.outputs import FileOutputs
from flyte_server.services.caching.references import FileReferences
from flyte_server.services.conditions.answering import Answering
from flyte_server.services.conditions.hooks import Hooks
from flyte_server.services.conditions.links import ConditionLinks
from flyte_server.services.conditions.pages import Conditions
from flyte_server.services.directory import Directory
from flyte_server.services.http.asgi import App, Receive, Scope, Send
from flyte_server.services.launch import variables
from flyte_server.services.launch.places import Places
from flyte_server.services.launch.secrets import TaskSecrets
from flyte_server.services.launch.specs import StoredLaunchSpecs
from flyte_server.services.launch.verdicts import FileVerdicts
from flyte_server.services.notices.loop import Notices
from flyte_server.services.registry import Parts
from flyte_server.services.watching import Watching
from flyte_server.services.wire import times
from flyte_server.services.wire.ids import RunName
from flyte_server.settings import Settings
from flyte_server.store import retention as kept
from flyte_server.store.database import Database
from flyte_server.store.retention import KeptRun
from flyte_server.vault import Vault

_log = logging.getLogger(__name__)
_PAUSE_SECONDS = 1.0
_NOTABLE_US = 60 * 1_000_000
"""Clocks differ by that much without anybody having to know."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What executes attempts."""

    executor: Executor
    workers: Workers | None = None
    """Who speaks with processes that lease attempts; None: there are no such processes."""


MakeExecution = Callable[[Settings, Report, Verdicts, Clock, Engine], Execution]


def on_this_machine(
    settings: Settings, report: Report, verdicts: Verdicts, clock: Clock, engine: Engine
) -> Execution:
    """Tasks as processes of this machine: of their own, or such that stay."""
    watch = WatchOptions(settings.cgroups, settings.most_processes, gpu_memory=DeviceMemory())
    replicas = ReplicaExecutor(
        settings.home,
        report,
        clock,
        base_env=settings.inherited,
        options=ReplicaOptions(
            settings.endpoint,
            prefix=settings.task_prefix,
            lease_seconds=settings.lease_seconds,
            watch=watch,
            accelerators=(variables.accelerators if _gives_devices(settings, engine) else unmasked),
            token=_worker_tokens(settings, clock),
        ),
        room=engine,
    )
    processes = ProcessExecutor(
        settings.home,
        report,
        verdicts,
        clock,
        base_env=settings.inherited,
        options=Options(
            prefix=settings.task_prefix,
            lease_seconds=settings.lease_seconds,
            watch=watch,
            log_bytes=settings.log_bytes,
        ),
    )
    return Execution(Router(processes, replicas), replicas.desk)


def _worker_tokens(settings: Settings, clock: Clock) -> Callable[[str], str]:
    """A process that leases attempts may do that, under its own name, and nothing else."""
    tokens = Tokens(files.signing_key(settings.auth_key), clock)

    def token(worker: str) -> str:
        return tokens.mint(
            Claims(subject=f"worker:{worker}", name=worker, kind="worker", worker=worker)
        )

    return token


def _gives_devices(settings: Settings, engine: Engine) -> bool:
    """Whether we decide which accelerators a process sees."""
    return bool(engine.capacity.devices) or settings.accelerators is not None


@dataclass(frozen=True, slots=True)
class Outside:
    """What a test swaps."""

    clock: Clock
    make_execution: MakeExecution = on_this_machine
    find_accelerators: sizes.Find = accelerators.find


def create_app(settings: Settings, outside: Outside | None = None) -> "ControlPlane":
    """The control plane as an ASGI application, not started yet: `running` does that."""
    return ControlPlane(settings, outside or Outside(RealClock()))


class ControlPlane:
    """The control plane as one ASGI application.

    Example:
        plane = create_app(Settings(home=Path("~/.flyte").expanduser()))
        async with plane.running():
            ...  # serve `plane` with any ASGI server
    """

    def __init__(self, settings: Settings, outside: Outside) -> None:
        self._settings = settings
        self._outside = outside
        self._clock = outside.clock
        self._app: App | None = None
        self._parts: Parts | None = None

    @property
    def parts(self) -> Parts:
        """What runs; only within `running`."""
        if self._parts is None:
            raise RuntimeError("the control plane does not run; enter running() first")
        return self._parts

    def end_streams(self) -> None:
        """Tell all watching clients to connect again: before the server waits for them to go."""
        self.parts.watching.stop()
        if self.parts.workers is not None:
            self.parts.workers.rest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._app is None:
            raise RuntimeError(f"{scope['type']} is not served here; enter running() first")
        await self._app(scope, receive, send)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Everything that runs, while the block does."""
        async with contextlib.AsyncExitStack() as stack:
            database = await asyncio.to_thread(Database.open, self._settings.database)
            stack.callback(database.close)
            self._clock = await _steady(self._outside.clock, database)
            bus = Bus()
            bucket = Bucket.at(self._settings.signing_key, self._settings.data)
            outputs = FileOutputs(self._settings.data.resolve(), bucket)
            engine = Engine(
                database,
                bus,
                self._clock,
                outputs=outputs,
                rules=Rules(
                    sizes.capacity(self._settings, find=self._outside.find_accelerators),
                    self._settings.system_retries,
                ),
            )
            stack.push_async_callback(leases.leave, database, engine.plane)
            stack.push_async_callback(engine.close)
            await self._compose(database, bus, engine, stack)
            yield

    async def _compose(
        self, database: Database, bus: Bus, engine: Engine, stack: contextlib.AsyncExitStack
    ) -> None:
        settings, clock = self._settings, self._clock
        signing_key = blobs.load_key(settings.signing_key)
        store = LocalBlobs(settings.data, signing_key, clock)
        stack.callback(store.close)
        directory = Directory(database)

        async def report(event: Event) -> None:
            await engine.apply(event)

        access = await _access(settings, database, clock)
        execution = self._outside.make_execution(settings, report, FileVerdicts(), clock, engine)
        executor = execution.executor
        vault = Vault(settings.secrets_key)
        environments = await _environments(settings, database, clock)
        stack.push_async_callback(environments.close)
        specs = StoredLaunchSpecs(
            settings,
            database,
            directory,
            store,
            TaskSecrets(database, vault, settings.inherited),
            Places(environments),
            gives_devices=_gives_devices(settings, engine),
            tokens=access.tokens,
        )
        await executor.start()
        stack.push_async_callback(executor.close)
        await stack.enter_async_context(
            _moving(
                settings, database, engine, bus=bus, executor=executor, specs=specs, clock=clock
            )
        )
        retention = _retention(settings, database, bus, clock=clock, directory=directory)
        await stack.enter_async_context(_running("retention", retention.run, clock))
        conditions = Conditions(
            Answering(engine, database, directory, clock),
            ConditionLinks(signing_key, clock, settings.endpoint),
        )
        self._parts = Parts(
            settings=settings,
            database=database,
            engine=engine,
            clock=clock,
            blobs=store,
            directory=directory,
            watching=Watching(bus),
            retention=retention,
            vault=vault,
            environments=environments,
            workers=execution.workers,
            conditions=conditions,
            access=access,
            bus=bus,
        )
        for beside in (_calling_back, _ticking, _notifying):
            await stack.enter_async_context(beside(self._parts))
        self._app = registry.application(self._parts)


async def _access(settings: Settings, database: Database, clock: Clock) -> Access:
    """Who may come in; refused if that could be anybody."""
    access = compose_access(settings, database, clock)
    has_issuer = settings.issuer is not None
    await bounds.refuse_open_doors(settings, access.keys, has_issuer=has_issuer)
    return access


def _calling_back(parts: Parts) -> contextlib.AbstractAsyncContextManager[None]:
    """Webhooks of conditions are called while the block runs."""
    hooks = Hooks(
        parts.database,
        parts.engine,
        parts.bus,
        clock=parts.clock,
        directory=parts.directory,
        links=parts.conditions.links,
    )
    return _running("webhooks", hooks.run, parts.clock)


def _ticking(parts: Parts) -> contextlib.AbstractAsyncContextManager[None]:
    """Triggers start their runs while the block runs."""
    ticker = Ticker(
        parts.database, parts.engine, parts.bus, clock=parts.clock, commands=registry.ticks(parts)
    )
    return _running("ticks", ticker.run, parts.clock)


def _notifying(parts: Parts) -> contextlib.AbstractAsyncContextManager[None]:
    """What runs ask to be told at their end is told while the block runs."""
    settings = parts.settings
    notices = Notices(
        parts.database,
        parts.bus,
        parts.clock,
        smtp=settings.smtp,
        near=settings.notifies_near,
    )
    return _running("notifications", notices.run, parts.clock)


async def _steady(clock: Clock, database: Database) -> Clock:
    """The machine's clock; if it was set back behind what the rows say, one that goes on from there."""
    latest = await database.read(kept.latest_moment)
    ahead = latest - clock.now_us()
    if ahead <= 0:
        return clock
    if ahead > _NOTABLE_US:
        _log.warning(
            "the clock of this machine says %s, but the database has rows of %s: time goes on from there, so that"
            " nothing waits; correct the clock, or delete the runs with times in the future ('flyte delete run') and"
            " start again",
            times.rfc3339(clock.now_us()),
            times.rfc3339(latest),
        )
    return NeverBefore(clock, latest)


async def _environments(settings: Settings, database: Database, clock: Clock) -> Environments:
    async def unended() -> list[int]:
        return [run.id for run in await database.read(kept.unended)]

    environments = Environments(
        settings.environments,
        clock,
        base_env=settings.inherited,
        most_bytes=settings.environments_bytes,
        unended=unended,
    )
    await environments.start()
    return environments


def _retention(
    settings: Settings, database: Database, bus: Bus, *, clock: Clock, directory: Directory
) -> Retention:
    def forget(run: KeptRun) -> None:
        directory.forget(RunName(run.project, run.domain, run.name), run.id)

    return Retention(
        database,
        bus,
        clock,
        files=KeptFiles(settings.home),
        references=FileReferences(settings.data, Bucket.at(settings.signing_key, settings.data)),
        limits=Limits(settings.keep_days, settings.keep_bytes),
        forget=forget,
    )


@contextlib.asynccontextmanager
async def _running(
    name: str, run: Callable[[], Awaitable[None]], clock: Clock
) -> AsyncGenerator[None]:
    """One loop beside the engine's own, while the block runs."""
    loop = asyncio.create_task(_forever(name, run, clock), name=name)
    try:
        yield
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


@contextlib.asynccontextmanager
async def _moving(
    settings: Settings,
    database: Database,
    engine: Engine,
    *,
    bus: Bus,
    executor: Executor,
    specs: StoredLaunchSpecs,
    clock: Clock,
    alone: bool = True,  # SQLite, in a directory whose lock we hold
) -> AsyncGenerator[None]:
    """Leases, scheduler and reconciler, while the block runs."""
    held = Leases(
        database,
        engine.plane,
        executor=executor,
        clock=clock,
        seconds=settings.lease_seconds,
        alone=alone,
    )
    scheduler = Scheduler(
        database,
        engine,
        bus,
        clock=clock,
        executor=executor,
        launch_specs=specs,
        alone=alone,
        may_claim=lambda: held.hold,
    )
    reconciler = Reconciler(
        database,
        engine,
        bus,
        clock=clock,
        executor=executor,
        launching=lambda: scheduler.launching,
        grace_seconds=settings.grace_seconds,
        others=held,
    )
    await held.renew()
    loops = [
        asyncio.create_task(_forever("leases", held.run, clock), name="leases"),
        asyncio.create_task(_forever("scheduler", scheduler.run, clock), name="scheduler"),
        asyncio.create_task(_forever("reconciler", reconciler.run, clock), name="reconciler"),
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def _forever(name: str, run: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Run a loop of the engine; begin it anew if it breaks: it works from rows and has nothing to
    lose."""
    while True:
        try:
            await run()
        except Exception:  # noqa: BLE001 - the edge of a loop that must not end
            _log.exception("the %s broke; it begins again", name)
        await clock.sleep(_PAUSE_SECONDS)
