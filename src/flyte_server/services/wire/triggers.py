"""Triggers: messages to schedules and records, and back."""

from flyteidl2.common import identifier_pb2, identity_pb2
from flyteidl2.task import common_pb2, run_pb2, task_definition_pb2
from flyteidl2.trigger import trigger_definition_pb2
from flyteidl2.workflow import run_definition_pb2
from google.protobuf.message import DecodeError

from flyte_server.domain.errors import Invalid
from flyte_server.domain.records import Run
from flyte_server.domain.schedules.records import (
    CatchUp,
    Cron,
    FixedRate,
    Revision,
    Schedule,
    Trigger,
    TriggerName,
)
from flyte_server.services import faults
from flyte_server.services.wire import ids, times

CATCH_UP = "flyte.org/catch-up"
"""Annotation of a trigger's runs that says what becomes of missed ticks; another backend leaves it alone."""

DEPLOYED = trigger_definition_pb2.TRIGGER_REVISION_ACTION_DEPLOY
ACTIVATED = trigger_definition_pb2.TRIGGER_REVISION_ACTION_ACTIVATE
DEACTIVATED = trigger_definition_pb2.TRIGGER_REVISION_ACTION_DEACTIVATE
DELETED = trigger_definition_pb2.TRIGGER_REVISION_ACTION_DELETE

_ACTIONS = {int(action): action for action in (DEPLOYED, ACTIVATED, DEACTIVATED, DELETED)}
_TYPES = {
    int(kind): kind
    for kind in (common_pb2.TYPE_NONE, common_pb2.TYPE_SCHEDULE, common_pb2.TYPE_ARTIFACT)
}
_LONGEST_NAME = 255
_LONGEST_DESCRIPTION = 255
_MINUTE_US = 60_000_000
_UNITS = {
    common_pb2.FIXED_RATE_UNIT_MINUTE: _MINUTE_US,
    common_pb2.FIXED_RATE_UNIT_HOUR: 60 * _MINUTE_US,
    common_pb2.FIXED_RATE_UNIT_DAY: 24 * 60 * _MINUTE_US,
}
_LONGEST_RATE_US = 100 * 365 * 24 * 60 * _MINUTE_US
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_000_000
_KINDS = {
    "schedule": common_pb2.TYPE_SCHEDULE,
    "artifact": common_pb2.TYPE_ARTIFACT,
    None: common_pb2.TYPE_NONE,
}


def name(message: identifier_pb2.TriggerName) -> TriggerName:
    """A trigger's name: project and domain are checked, the other two are the user's business."""
    return check_name(
        TriggerName(
            ids.name(message.project, where="trigger.project"),
            ids.name(message.domain, where="trigger.domain"),
            message.task_name,
            message.name,
        )
    )


def check_name(of: TriggerName) -> TriggerName:
    """Refuse names that no message can carry.

    Raises:
        Invalid: one is empty or too long.
    """
    for text, where in ((of.name, "name"), (of.task, "task_name")):
        if not text or len(text) > _LONGEST_NAME:
            raise Invalid(
                f"The {where} of a trigger has {len(text)} characters; send 1 to {_LONGEST_NAME}."
            )
    return of


def trigger_id(of: TriggerName, revision: int) -> identifier_pb2.TriggerIdentifier:
    """A trigger's name and revision as a message."""
    named = identifier_pb2.TriggerName(
        org=ids.ORG, project=of.project, domain=of.domain, task_name=of.task, name=of.name
    )
    return identifier_pb2.TriggerIdentifier(name=named, revision=revision)


def spec_of(
    spec: task_definition_pb2.TaskTriggerSpec, version: str
) -> trigger_definition_pb2.TriggerSpec:
    """What is deployed together with a task, as what is deployed alone."""
    made = trigger_definition_pb2.TriggerSpec(
        run_spec=spec.run_spec,
        active=spec.active,
        task_version=version,
        description=spec.description,
    )
    if spec.WhichOneof("input_wrapper") == "offloaded_input_data":
        made.offloaded_input_data.CopyFrom(spec.offloaded_input_data)
    else:
        made.inputs.CopyFrom(spec.inputs)
    return made


def schedule(automation: common_pb2.TriggerAutomationSpec, now: int) -> Schedule | None:
    """When a trigger ticks; None: only when somebody asks for a run.

    Args:
        automation: what starts it.
        now: where a rate without a start begins to count.

    Raises:
        Invalid: it is not complete, or makes no sense.
        Unsupported: it waits for artifacts.
    """
    kind = automation.WhichOneof("automation")
    if kind == "artifact" or automation.type == common_pb2.TYPE_ARTIFACT:
        raise faults.Unsupported(
            "A trigger that waits for an artifact cannot be deployed: this control plane has no artifacts; use a"
            " schedule (flyte.Cron, flyte.FixedRate)."
        )
    if automation.type not in (_KINDS[kind], common_pb2.TYPE_UNSPECIFIED):
        raise Invalid(
            f"automation_spec is of type number {automation.type}, but has {kind or 'nothing'} in it."
        )
    if kind is None:
        return None
    found = automation.schedule
    match found.WhichOneof("expression"):
        case "rate":
            return _rate(found.rate, now)
        case "cron":
            return Cron(found.cron.expression, found.cron.timezone or "UTC")
        case "cron_expression":
            return Cron(found.cron_expression, "UTC")
        case _:
            raise Invalid("The schedule of the trigger is empty; send a cron expression or a rate.")


def _rate(rate: common_pb2.FixedRate, now: int) -> FixedRate:
    interval = rate.value * _UNITS.get(rate.unit, 0)
    if not 0 < interval <= _LONGEST_RATE_US:
        raise Invalid(
            f"A rate of {rate.value} (unit number {rate.unit}) is none; send at least one minute and at most 100 years."
        )
    if not rate.HasField("start_time"):
        return FixedRate(interval, now)
    start = times.micros(rate.start_time)
    if not _FIRST_US <= start <= _LAST_US:
        raise Invalid("The start_time of the rate is no moment between the years 1 and 9999.")
    return FixedRate(interval, start)


def catch_up(spec: run_pb2.RunSpec) -> CatchUp:
    """What becomes of missed ticks.

    Raises:
        Invalid: the annotation says something else.
    """
    said = spec.annotations.values.get(CATCH_UP, CatchUp.LATEST.value)
    if said not in tuple(CatchUp):
        raise Invalid(f"The annotation {CATCH_UP} is {said!r}; write one of: {', '.join(CatchUp)}.")
    return CatchUp(said)


def inputs(content: bytes) -> common_pb2.Inputs:
    """The inputs in a file.

    Raises:
        Invalid: the file holds something else.
    """
    try:
        return common_pb2.Inputs.FromString(content)
    except DecodeError as error:
        raise Invalid(
            "The file of offloaded_input_data holds no inputs; send them with DataProxyService.UploadInputs."
        ) from error


def check_description(text: str) -> None:
    """Refuse a description that no message can carry.

    Raises:
        Invalid: it is too long.
    """
    if len(text) > _LONGEST_DESCRIPTION:
        raise Invalid(
            f"The description of the trigger has {len(text)} characters; {_LONGEST_DESCRIPTION} are allowed."
        )


def trigger(row: Trigger) -> trigger_definition_pb2.Trigger:
    """A trigger, as lists show it."""
    return trigger_definition_pb2.Trigger(
        id=trigger_id(row.key, row.revision),
        metadata=_metadata(row),
        status=_status(row, row.triggered_at),
        active=row.active,
        automation_spec=_automation(row),
    )


def details(row: Trigger | Revision) -> trigger_definition_pb2.TriggerDetails:
    """Everything about a trigger, or about one of its revisions."""
    spec = trigger_definition_pb2.TriggerSpec.FromString(row.spec)
    spec.active = row.active
    key = TriggerName(row.project, row.domain, row.task_name, row.name)
    return trigger_definition_pb2.TriggerDetails(
        id=trigger_id(key, row.revision),
        metadata=_metadata(row),
        spec=spec,
        status=_status(row, row.triggered_at if isinstance(row, Trigger) else None),
        automation_spec=_automation(row),
        description=spec.description,
    )


def revision(row: Revision) -> trigger_definition_pb2.TriggerRevision:
    """What somebody made of a trigger."""
    key = TriggerName(row.project, row.domain, row.task_name, row.name)
    return trigger_definition_pb2.TriggerRevision(
        id=trigger_id(key, row.revision),
        metadata=_metadata(row),
        status=_status(row, None),
        action=_ACTIONS.get(row.action),
        created_at=times.timestamp(row.updated_at),
    )


def note(message: run_definition_pb2.ActionMetadata, run: Run) -> None:
    """Say in the metadata of a run's root which trigger has started it."""
    if run.trigger is None:
        return
    by = run.trigger
    key = TriggerName(run.project, run.domain, by.task, by.name)
    message.trigger_id.CopyFrom(trigger_id(key, by.revision))
    message.trigger_name = by.name
    message.trigger_type.type = _TYPES.get(by.kind, common_pb2.TYPE_SCHEDULE)


def _automation(row: Trigger | Revision) -> common_pb2.TriggerAutomationSpec:
    return common_pb2.TriggerAutomationSpec.FromString(row.automation)


def _status(
    row: Trigger | Revision, triggered_at: int | None
) -> trigger_definition_pb2.TriggerStatus:
    return trigger_definition_pb2.TriggerStatus(
        deployed_at=times.timestamp(row.deployed_at),
        updated_at=times.timestamp(row.updated_at),
        triggered_at=times.optional_timestamp(triggered_at),
        deleted_at=times.optional_timestamp(row.deleted_at),
    )


def _metadata(row: Trigger | Revision) -> trigger_definition_pb2.TriggerMetadata:
    return trigger_definition_pb2.TriggerMetadata(
        deployed_by=_identity(row.deployed_by), updated_by=_identity(row.updated_by)
    )


def _identity(subject: str) -> identity_pb2.EnrichedIdentity:
    message = identity_pb2.EnrichedIdentity()
    shown = subject.partition(":")[2] or subject
    message.user.id.subject = subject
    message.user.spec.first_name = shown
    message.user.spec.user_handle = shown
    return message
