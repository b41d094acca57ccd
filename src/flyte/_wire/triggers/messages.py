"""The words of triggers as messages."""

from typing import Any

from flyteidl2.common import identifier_pb2
from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2, run_pb2, task_definition_pb2
from flyteidl2.trigger import trigger_definition_pb2, trigger_service_pb2

from flyte import errors
from flyte._interface import NativeInterface
from flyte._task import TaskTemplate
from flyte._trigger import (
    Automation,
    Cron,
    FixedRate,
    OnArtifact,
    Trigger,
    TriggeredArtifact,
    TriggeredPartition,
    TriggerTime,
    triggers,
)
from flyte._wire import values
from flyte._wire.notifications import messages as notifications
from flyte.notify import _words as notify

CATCH_UP = "flyte.org/catch-up"
"""Annotation by which our own control plane knows what becomes of missed ticks; another backend leaves it alone."""


async def of_task(task: TaskTemplate[..., Any, Any]) -> list[task_definition_pb2.TaskTrigger]:
    """The triggers of a task, to be deployed with it.

    Raises:
        DefinitionError: for something else than a trigger, or two of one name.
        TaskInputError: for an input that the task does not have.
        TypeTransformerFailedError: for a value that does not fit its type.
    """
    return [
        await message(trigger, task.interface, limit=task.max_inline_io_bytes)
        for trigger in triggers(task.triggers)
    ]


async def message(
    trigger: Trigger, interface: NativeInterface, *, limit: int | None = None
) -> task_definition_pb2.TaskTrigger:
    """A trigger of a task.

    Args:
        trigger: the word.
        interface: the task's.
        limit: how many bytes its inputs may have.

    Raises:
        TaskInputError: for an input that the task does not have.
        TypeTransformerFailedError: for a value that does not fit its type.
    """
    given = trigger.inputs or {}
    known = interface.inputs
    for name in given:
        if name not in known:
            raise errors.TaskInputError(
                f"trigger {trigger.name!r} gives a value to {name!r}, which is no input of the task; use one of: "
                f"{', '.join(known) or 'none'}"
            )
    constant = {name: value for name, value in given.items() if not _is_placeholder(value)}
    inputs = await values.inputs(interface, constant, context=trigger.custom_context, limit=limit)
    return task_definition_pb2.TaskTrigger(
        name=trigger.name,
        spec=task_definition_pb2.TaskTriggerSpec(
            active=trigger.auto_activate,
            inputs=inputs,
            run_spec=_run_spec(trigger),
            description=trigger.description,
        ),
        automation_spec=_automation(trigger),
    )


def deployment(
    name: identifier_pb2.TriggerName, made: task_definition_pb2.TaskTrigger, version: str
) -> trigger_service_pb2.DeployTriggerRequest:
    """The request that deploys a trigger alone, for a version of its task."""
    return trigger_service_pb2.DeployTriggerRequest(
        name=name,
        spec=trigger_definition_pb2.TriggerSpec(
            inputs=made.spec.inputs,
            run_spec=made.spec.run_spec,
            active=made.spec.active,
            task_version=version,
            description=made.spec.description,
        ),
        automation_spec=made.automation_spec,
    )


def automation(spec: common_pb2.TriggerAutomationSpec) -> str:
    """What starts a trigger, for people: `30 6 * * * Europe/Berlin`, `every 15 minutes`."""
    match spec.WhichOneof("automation"):
        case "schedule":
            return _schedule(spec.schedule)
        case "artifact":
            return f"new version of {spec.artifact.artifact_name}"
        case _:
            return "by hand"


def _schedule(schedule: common_pb2.Schedule) -> str:
    match schedule.WhichOneof("expression"):
        case "cron":
            return f"{schedule.cron.expression} {schedule.cron.timezone}".rstrip()
        case "cron_expression":
            return schedule.cron_expression
        case _:
            unit = common_pb2.FixedRateUnit.Name(schedule.rate.unit)
            plural = "s" if schedule.rate.value != 1 else ""
            return f"every {schedule.rate.value} {unit.rpartition('_')[2].lower()}{plural}"


def _is_placeholder(value: Any) -> bool:
    return (
        value is TriggerTime or value is TriggeredArtifact or isinstance(value, TriggeredPartition)
    )


def _run_spec(trigger: Trigger) -> run_pb2.RunSpec:
    annotations = dict(trigger.annotations or {})
    if trigger.catch_up != "latest":
        annotations[CATCH_UP] = trigger.catch_up
    spec = run_pb2.RunSpec(
        queue=trigger.queue,
        max_action_concurrency=trigger.max_action_concurrency,
        overwrite_cache=trigger.overwrite_cache,
        cache_config=run_pb2.CacheConfig(overwrite_cache=trigger.overwrite_cache),
        labels=run_pb2.Labels(values=trigger.labels),
        annotations=run_pb2.Annotations(values=annotations),
    )
    if trigger.interruptible is not None:
        spec.interruptible.value = trigger.interruptible
    pairs = (trigger.env_vars or {}).items()
    spec.envs.values.extend(literals_pb2.KeyValuePair(key=key, value=value) for key, value in pairs)
    if trigger.notifications is not None:
        wished = notify.notifications(trigger.notifications, f"trigger {trigger.name!r}")
        notifications.tell(spec, wished)
    return spec


def _automation(trigger: Trigger) -> common_pb2.TriggerAutomationSpec:
    found: Automation | None = trigger.automation
    if found is None:
        return common_pb2.TriggerAutomationSpec(type=common_pb2.TYPE_NONE)
    if isinstance(found, OnArtifact):
        return common_pb2.TriggerAutomationSpec(
            type=common_pb2.TYPE_ARTIFACT, artifact=_artifact(trigger, found)
        )
    schedule = common_pb2.Schedule(
        kickoff_time_input_arg=_named(trigger, lambda value: value is TriggerTime)
    )
    if isinstance(found, Cron):
        schedule.cron.expression = found.expression
        schedule.cron.timezone = found.timezone
    else:
        schedule.rate.CopyFrom(_rate(found))
    return common_pb2.TriggerAutomationSpec(type=common_pb2.TYPE_SCHEDULE, schedule=schedule)


def _rate(rate: FixedRate) -> common_pb2.FixedRate:
    made = common_pb2.FixedRate(value=rate.interval_minutes, unit=common_pb2.FIXED_RATE_UNIT_MINUTE)
    if rate.starts_at is not None:
        made.start_time.FromDatetime(rate.starts_at)
    return made


def _artifact(trigger: Trigger, found: OnArtifact) -> common_pb2.ArtifactTrigger:
    inputs = trigger.inputs or {}
    return common_pb2.ArtifactTrigger(
        artifact_name=found.name,
        version=found.version,
        input_arg=_named(trigger, lambda value: value is TriggeredArtifact),
        partitions=found.partitions,
        partition_input_args={
            value.key: name
            for name, value in inputs.items()
            if isinstance(value, TriggeredPartition)
        },
    )


def _named(trigger: Trigger, fits: Any) -> str | None:
    """The input that has a placeholder as its value."""
    return next((name for name, value in (trigger.inputs or {}).items() if fits(value)), None)
