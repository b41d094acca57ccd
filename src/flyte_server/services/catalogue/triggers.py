"""Triggers as somebody deploys, changes and deletes them; each change is a revision."""

import posixpath
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from flyteidl2.common import run_pb2 as common_run_pb2
from flyteidl2.task import common_pb2, task_definition_pb2
from flyteidl2.trigger import trigger_definition_pb2

from flyte_server.blobs import LocalBlobs
from flyte_server.clock import Clock
from flyte_server.domain.errors import Conflict, Invalid, NotFound
from flyte_server.domain.schedules.records import CatchUp, FixedRate, Trigger, TriggerName
from flyte_server.engine.bus import TRIGGERS, Bus
from flyte_server.engine.ticking import times
from flyte_server.services.access.callers import Caller
from flyte_server.services.catalogue import trigger_checks
from flyte_server.services.wire import commands, notices, triggers
from flyte_server.services.wire.ids import ProjectName, TaskName
from flyte_server.store.catalogue import triggers as store
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection

SaveInputs = Callable[
    [ProjectName, common_pb2.Inputs, Collection[str]],
    Awaitable[common_run_pb2.OffloadedInputData],
]
"""Keeps the inputs of a trigger as a file: `InputStore.save`."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A trigger as somebody wants to have it."""

    name: TriggerName
    spec: trigger_definition_pb2.TriggerSpec
    automation: common_pb2.TriggerAutomationSpec
    task: task_definition_pb2.TaskSpec
    by: Caller
    revision: int = 0
    """The revision that it replaces; 0: whatever is there."""
    keeps_activity: bool = False
    """Whether one that is equal but for being active is left as it is."""


class TriggerBook:
    """Keeps triggers; refuses with a sentence."""

    def __init__(
        self,
        database: Database,
        blobs: LocalBlobs,
        *,
        bus: Bus,
        clock: Clock,
        save_inputs: SaveInputs,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._bus = bus
        self._clock = clock
        self._save_inputs = save_inputs

    def check(
        self,
        task: TaskName,
        wanted: Iterable[task_definition_pb2.TaskTrigger],
        *,
        spec: task_definition_pb2.TaskSpec,
    ) -> None:
        """Make sure that triggers can be deployed with a task; stores nothing.

        Raises:
            Invalid, Unsupported: naming what is wrong.
        """
        seen: set[str] = set()
        for trigger in wanted:
            if trigger.name in seen:
                raise Invalid(
                    f"Task {task.name!r} has two triggers {trigger.name!r}; give them different names."
                )
            seen.add(trigger.name)
            name = TriggerName(task.project, task.domain, task.name, trigger.name)
            made = triggers.spec_of(trigger.spec, task.version)
            self._check(name, made, trigger.automation_spec)
            if made.WhichOneof("input_wrapper") != "offloaded_input_data":
                kickoff = trigger.automation_spec.schedule.kickoff_time_input_arg
                trigger_checks.check_inputs(made.inputs, kickoff, spec, task.name)

    async def deploy_with(
        self,
        task: TaskName,
        wanted: Iterable[task_definition_pb2.TaskTrigger],
        *,
        spec: task_definition_pb2.TaskSpec,
        by: Caller,
    ) -> None:
        """Deploy the triggers that come with a task's version; equal ones stay as they are, others are left alone.

        Raises:
            Invalid, Unsupported: see `check`.
        """
        for trigger in wanted:
            name = TriggerName(task.project, task.domain, task.name, trigger.name)
            made = triggers.spec_of(trigger.spec, task.version)
            await self.deploy(
                Wish(name, made, trigger.automation_spec, spec, by, keeps_activity=True)
            )

    async def deploy(self, wish: Wish) -> Trigger:
        """Deploy a trigger, or another revision of it.

        Returns:
            It as it is now.

        Raises:
            Invalid, Unsupported: naming what is wrong.
            NotFound: the file with its inputs is not there.
            Conflict: it has another revision than was expected.
        """
        self._check(wish.name, wish.spec, wish.automation)
        inputs = await self._inputs(wish.spec)
        kickoff = wish.automation.schedule.kickoff_time_input_arg
        trigger_checks.check_inputs(inputs, kickoff, wish.task, wish.name.task)
        project = ProjectName(wish.name.project, wish.name.domain)
        saved = await self._save_inputs(project, inputs, ())
        uri = posixpath.join(saved.uri, commands.INPUTS_FILE)
        found = await self._database.write(_deploy, wish, uri, self._clock.now_us())
        await self._changed()
        return found

    async def load(self, name: TriggerName) -> Trigger:
        """A trigger that nobody deleted.

        Raises:
            NotFound: there is none.
        """
        return await self._database.read(_load, name)

    async def set_active(self, names: Sequence[TriggerName], *, active: bool, by: Caller) -> None:
        """Let triggers tick, or not; all of them or none.

        Raises:
            NotFound: one of them does not exist; then nothing is changed.
        """
        now = self._clock.now_us()
        await self._database.write(_set_active, names, active=active, by=by.subject, now=now)
        await self._changed()

    async def delete(self, names: Sequence[TriggerName], by: Caller) -> None:
        """Delete triggers; all of them or none.  Their runs and their history stay.

        Raises:
            NotFound: one of them does not exist; then nothing is changed.
        """
        await self._database.write(_delete, names, by=by.subject, now=self._clock.now_us())
        await self._changed()

    async def _changed(self) -> None:
        self._bus.wake(TRIGGERS)
        await self._database.sync()  # a power cut must not take back what was answered

    def _check(
        self,
        name: TriggerName,
        spec: trigger_definition_pb2.TriggerSpec,
        automation: common_pb2.TriggerAutomationSpec,
    ) -> None:
        now = self._clock.now_us()
        triggers.check_name(name)
        triggers.check_description(spec.description)
        triggers.catch_up(spec.run_spec)
        notices.of_run(spec.run_spec)
        schedule = triggers.schedule(automation, now)
        if schedule is not None:
            times.check(schedule, now)

    async def _inputs(self, spec: trigger_definition_pb2.TriggerSpec) -> common_pb2.Inputs:
        if spec.WhichOneof("input_wrapper") != "offloaded_input_data":
            return spec.inputs
        uri = posixpath.join(spec.offloaded_input_data.uri, commands.INPUTS_FILE)
        return triggers.inputs(await self._blobs.read(uri))


def _load(connection: Connection, name: TriggerName) -> Trigger:
    row = store.load(connection, name)
    if row is None or row.deleted_at is not None:
        raise NotFound(
            f"Task {name.task!r} has no trigger {name.name!r} in project {name.project!r}, domain {name.domain!r};"
            " list the triggers with 'flyte get trigger'."
        )
    return row


def _deploy(connection: Connection, wish: Wish, input_uri: str, now: int) -> Trigger:
    before = store.load(connection, wish.name)
    current = before.revision if before is not None and before.deleted_at is None else 0
    if wish.revision and wish.revision != current:
        raise Conflict(
            f"Trigger {wish.name.name!r} of task {wish.name.task!r} has revision {current}, not {wish.revision}:"
            " somebody was faster; look at it and deploy again."
        )
    made = _made(wish, before, input_uri, now)
    if before is not None and _is_same(before, made, wish):
        return before
    expected = None if before is None else before.revision
    if not store.save(connection, made, triggers.DEPLOYED, expected=expected):
        raise Conflict(f"Trigger {wish.name.name!r} was changed meanwhile; deploy it again.")
    return made


def _made(wish: Wish, before: Trigger | None, input_uri: str, now: int) -> Trigger:
    spec = trigger_definition_pb2.TriggerSpec()
    spec.CopyFrom(wish.spec)
    spec.ClearField("active")  # it has a column of its own
    automation = wish.automation.SerializeToString(deterministic=True)
    schedule = triggers.schedule(wish.automation, now)
    if before is not None and before.automation == automation and before.deleted_at is None:
        schedule = before.schedule  # a rate goes on from where it began
    made = Trigger(
        project=wish.name.project,
        domain=wish.name.domain,
        task_name=wish.name.task,
        name=wish.name.name,
        revision=1 if before is None else before.revision + 1,
        task_version=spec.task_version,
        active=wish.spec.active,
        automation=automation,
        spec=spec.SerializeToString(deterministic=True),
        input_uri=input_uri,
        schedule=schedule,
        catch_up=triggers.catch_up(spec.run_spec),
        deployed_by=wish.by.subject,
        updated_by=wish.by.subject,
        deployed_at=now,
        updated_at=now,
        triggered_at=None if before is None else before.triggered_at,
        last_run="" if before is None else before.last_run,
    )
    return _waiting(made, before, now)


def _is_same(before: Trigger, made: Trigger, wish: Wish) -> bool:
    """Whether nothing would change but the number."""
    return (
        before.deleted_at is None
        and (before.spec, before.automation) == (made.spec, made.automation)
        and (wish.keeps_activity or before.active == made.active)
    )


def _waiting(trigger: Trigger, before: Trigger | None, now: int) -> Trigger:
    """It with the tick that it waits for: the one that it has waited for all along, if that was so."""
    goes_on = (
        before is not None
        and before.deleted_at is None
        and before.schedule == trigger.schedule
        and before.next_tick is not None
        and (before.active or trigger.catch_up is CatchUp.ALL)
    )
    next_tick = before.next_tick if before and goes_on else _first(trigger, now)
    return replace(
        trigger,
        next_tick=next_tick,
        due_at=next_tick if trigger.active else None,
        error="",
        failures=0,
    )


def _first(trigger: Trigger, now: int) -> int | None:
    schedule = trigger.schedule
    if isinstance(schedule, FixedRate) and schedule.anchor_us > now:
        return schedule.anchor_us
    return times.first(schedule, now)


def _set_active(
    connection: Connection, names: Sequence[TriggerName], *, active: bool, by: str, now: int
) -> None:
    action = triggers.ACTIVATED if active else triggers.DEACTIVATED
    for before in [_load(connection, name) for name in dict.fromkeys(names)]:
        if before.active == active:
            continue
        changed = replace(before, active=active)
        changed = _waiting(changed, before, now)
        _save_changed(connection, before, changed, action, by=by, now=now)


def _delete(connection: Connection, names: Sequence[TriggerName], *, by: str, now: int) -> None:
    for before in [_load(connection, name) for name in dict.fromkeys(names)]:
        changed = replace(
            before, active=False, next_tick=None, due_at=None, error="", failures=0, deleted_at=now
        )
        _save_changed(connection, before, changed, triggers.DELETED, by=by, now=now)


def _save_changed(
    connection: Connection, before: Trigger, changed: Trigger, action: int, *, by: str, now: int
) -> None:
    revised = replace(changed, revision=before.revision + 1, updated_by=by, updated_at=now)
    if not store.save(connection, revised, action, expected=before.revision):
        raise Conflict(f"Trigger {before.name!r} was changed meanwhile; ask again.")
