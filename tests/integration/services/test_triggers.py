"""Triggers as clients deploy, change and read them, and the runs that they start."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.common import identifier_pb2, list_pb2
from flyteidl2.core import interface_pb2, literals_pb2, types_pb2
from flyteidl2.task import common_pb2, run_pb2, task_definition_pb2, task_service_pb2
from flyteidl2.trigger import trigger_definition_pb2
from flyteidl2.trigger import trigger_service_pb2 as wire
from flyteidl2.workflow import run_definition_pb2, run_service_pb2
from tests.fakes.messages import PROJECT, inputs, run_id, spec, task_id
from tests.integration.services.conftest import Plane, serving
from tests.support import eventually

from flyte_server.engine.retention.pins import Pins
from flyte_server.services.caching.references import FileReferences
from flyte_server.settings import Settings
from flyte_server.store.catalogue import triggers as store
from flyte_server.store.database import Database

CRON = common_pb2.TriggerAutomationSpec(
    type=common_pb2.TYPE_SCHEDULE,
    schedule=common_pb2.Schedule(
        cron=common_pb2.Cron(expression="30 3 * * *", timezone="Europe/Berlin"),
        kickoff_time_input_arg="at",
    ),
)
_numbers = itertools.count()


def task_spec(name: str = "env.main") -> task_definition_pb2.TaskSpec:
    """A task of `x: int, at: datetime, y: int = 7`."""
    made = spec(name)
    kinds = {"x": types_pb2.INTEGER, "at": types_pb2.DATETIME, "y": types_pb2.INTEGER}
    for key, kind in kinds.items():
        variable = interface_pb2.Variable(type=types_pb2.LiteralType(simple=kind))
        made.task_template.interface.inputs.variables.add(key=key, value=variable)
    default = inputs(y=7).literals[0].value
    made.default_inputs.add(name="y", parameter=interface_pb2.Parameter(default=default))
    return made


def name(trigger: str = "nightly", task: str = "env.main") -> identifier_pb2.TriggerName:
    return identifier_pb2.TriggerName(
        org="acme", project="p", domain="development", name=trigger, task_name=task
    )


async def deployed_task(plane: Plane, *versions: str) -> None:
    for version in versions or ("v1",):
        request = task_service_pb2.DeployTaskRequest(
            task_id=task_id(version=version), spec=task_spec()
        )
        await plane.tasks.deploy_task(request)


def request(
    automation: common_pb2.TriggerAutomationSpec = CRON, *, trigger: str = "nightly", **more: Any
) -> wire.DeployTriggerRequest:
    revision = more.pop("revision", 0)
    of_spec: dict[str, Any] = {"task_version": "v1", "inputs": inputs(x=1), "active": True, **more}
    return wire.DeployTriggerRequest(
        name=name(trigger),
        revision=revision,
        spec=trigger_definition_pb2.TriggerSpec(**of_spec),
        automation_spec=automation,
    )


async def deploy(plane: Plane, *args: Any, **more: Any) -> trigger_definition_pb2.TriggerDetails:
    return (await plane.triggers.deploy_trigger(request(*args, **more))).trigger


def soon(*, kickoff: str = "at") -> tuple[common_pb2.TriggerAutomationSpec, int]:
    """A rate whose first tick comes in a moment, and that tick in microseconds."""
    tick = int((time.time() + 0.3) * 1_000) * 1_000
    rate = common_pb2.FixedRate(value=1, unit=common_pb2.FIXED_RATE_UNIT_DAY)
    rate.start_time.FromMicroseconds(tick)
    schedule = common_pb2.Schedule(rate=rate, kickoff_time_input_arg=kickoff)
    return (
        common_pb2.TriggerAutomationSpec(type=common_pb2.TYPE_SCHEDULE, schedule=schedule),
        tick,
    )


async def runs_of(plane: Plane, trigger: str = "nightly") -> Sequence[run_definition_pb2.Run]:
    asked = run_service_pb2.ListRunsRequest(trigger_name=name(trigger))
    return (await plane.runs.list_runs(asked)).runs


async def data_of(plane: Plane, run: run_definition_pb2.Run) -> dict[str, literals_pb2.Literal]:
    asked = run_service_pb2.GetActionDataRequest(action_id=run.action.id)
    found = await plane.runs.get_action_data(asked)
    return {named.name: named.value for named in found.inputs.literals}


async def test_a_trigger_is_deployed_and_read_back(plane: Plane) -> None:
    await deployed_task(plane)
    made = await deploy(plane, description="every night")
    found = await plane.triggers.get_trigger_details(wire.GetTriggerDetailsRequest(name=name()))
    assert found.trigger == made
    assert made.id.revision == 1
    assert made.id.name.org == "local"
    assert made.spec.active
    assert made.spec.inputs == inputs(x=1)
    assert made.spec.task_version == "v1"
    assert made.automation_spec == CRON
    assert made.description == "every night"
    assert made.metadata.deployed_by.user.id.subject
    assert made.status.HasField("deployed_at")
    assert not made.status.HasField("triggered_at")


async def test_every_change_is_a_revision_and_equal_ones_are_none(plane: Plane) -> None:
    await deployed_task(plane, "v1", "v2")
    await deploy(plane)
    assert (await deploy(plane)).id.revision == 1, "the same again changes nothing"
    assert (await deploy(plane, task_version="v2")).id.revision == 2
    await plane.triggers.update_triggers(
        wire.UpdateTriggersRequest(names=[name(), name()], active=False)
    )
    await plane.triggers.update_triggers(wire.UpdateTriggersRequest(names=[name()], active=False))
    await plane.triggers.update_triggers(wire.UpdateTriggersRequest(names=[name()], active=True))
    await plane.triggers.delete_triggers(wire.DeleteTriggersRequest(names=[name()]))
    again = await deploy(plane)
    history = await plane.triggers.get_trigger_revision_history(
        wire.GetTriggerRevisionHistoryRequest(name=name())
    )
    actions = [
        trigger_definition_pb2.TriggerRevisionAction.Name(each.action).rpartition("_")[2]
        for each in history.triggers
    ]
    assert actions == ["DEPLOY", "DELETE", "ACTIVATE", "DEACTIVATE", "DEPLOY", "DEPLOY"]
    assert [each.id.revision for each in history.triggers] == [6, 5, 4, 3, 2, 1]
    assert again.id.revision == 6
    assert not again.status.HasField("deleted_at")
    old = await plane.triggers.get_trigger_revision_details(
        wire.GetTriggerRevisionDetailsRequest(
            id=identifier_pb2.TriggerIdentifier(name=name(), revision=3)
        )
    )
    assert not old.trigger.spec.active
    assert old.trigger.spec.task_version == "v2"


async def test_history_and_listing_come_in_pages(plane: Plane) -> None:
    await deployed_task(plane)
    for trigger in ("a", "b", "c"):
        await deploy(plane, trigger=trigger)
    await plane.triggers.update_triggers(wire.UpdateTriggersRequest(names=[name("b")]))

    async def listed(**more: Any) -> wire.ListTriggersResponse:
        return await plane.triggers.list_triggers(
            wire.ListTriggersRequest(request=list_pb2.ListRequest(**more), project_id=PROJECT)
        )

    first = await listed(limit=2)
    rest = await listed(limit=2, token=first.token)
    assert [each.id.name.name for each in first.triggers] == ["a", "b"]
    assert [each.id.name.name for each in rest.triggers] == ["c"]
    assert not rest.token
    inactive = list_pb2.Filter(function=list_pb2.Filter.EQUAL, field="active", values=["false"])
    assert [each.id.name.name for each in (await listed(filters=[inactive])).triggers] == ["b"]
    newest = list_pb2.Sort(key="name", direction=list_pb2.Sort.DESCENDING)
    found = (await listed(sort_by_fields=[newest])).triggers
    assert [each.id.name.name for each in found] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"task_version": "v9"}, "no version 'v9'"),
        ({"inputs": inputs(x=1, z=2)}, "no input 'z'; its inputs are: x, at, y"),
        ({"inputs": inputs()}, "no value for 'x'"),
        ({"description": "d" * 256}, "256 characters"),
        (
            {
                "run_spec": run_pb2.RunSpec(
                    annotations=run_pb2.Annotations(values={"flyte.org/catch-up": "some"})
                )
            },
            "write one of: latest, all, none",
        ),
        (
            {"offloaded_input_data": {"uri": "/nowhere", "inputs_hash": "h"}, "inputs": None},
            "/nowhere",
        ),
    ],
)
async def test_what_cannot_run_is_refused_with_a_sentence(
    plane: Plane, more: dict[str, Any], said: str
) -> None:
    await deployed_task(plane)
    with pytest.raises(ConnectError) as refused:
        await deploy(plane, **more)
    assert said in refused.value.message
    assert refused.value.code in {Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.PERMISSION_DENIED}


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"cron": common_pb2.Cron(expression="61 * * * *")}, "bad minute"),
        ({"cron": common_pb2.Cron(expression="0 0 31 2 *")}, "31 2"),
        ({"cron": common_pb2.Cron(expression="* * * * *", timezone="Mars/Olympus")}, "time zone"),
        ({"rate": common_pb2.FixedRate(value=3)}, "rate of 3"),
        ({"rate": common_pb2.FixedRate(unit=common_pb2.FIXED_RATE_UNIT_DAY)}, "rate of 0"),
        ({}, "is empty"),
        ({"cron_expression": "@hourly", "kickoff_time_input_arg": "x"}, "no datetime"),
        ({"cron_expression": "@hourly", "kickoff_time_input_arg": "when"}, "no input 'when'"),
    ],
)
async def test_a_schedule_that_makes_no_sense_is_refused(
    plane: Plane, schedule: dict[str, Any], said: str
) -> None:
    await deployed_task(plane)
    given = inputs() if schedule.get("kickoff_time_input_arg") == "x" else inputs(x=1)
    automation = common_pb2.TriggerAutomationSpec(
        type=common_pb2.TYPE_SCHEDULE, schedule=common_pb2.Schedule(**schedule)
    )
    with pytest.raises(ConnectError) as refused:
        await deploy(plane, automation, inputs=given)
    assert said in refused.value.message
    assert refused.value.code is Code.INVALID_ARGUMENT


async def test_numbers_that_nobody_can_mean_are_refused(plane: Plane) -> None:
    await deployed_task(plane)
    rate = common_pb2.FixedRate(value=1, unit=common_pb2.FIXED_RATE_UNIT_DAY)
    rate.start_time.seconds = 2**62
    automation = common_pb2.TriggerAutomationSpec(schedule=common_pb2.Schedule(rate=rate))
    with pytest.raises(ConnectError, match="between the years 1 and 9999"):
        await deploy(plane, automation)
    await deploy(plane)
    with pytest.raises(ConnectError, match="has revision 1, not"):
        await deploy(plane, task_version="v1", revision=2**64 - 1)
    with pytest.raises(ConnectError, match="has no revision") as refused:
        await plane.triggers.get_trigger_revision_details(
            wire.GetTriggerRevisionDetailsRequest(
                id=identifier_pb2.TriggerIdentifier(name=name(), revision=2**64 - 1)
            )
        )
    assert refused.value.code is Code.NOT_FOUND


async def test_a_file_that_holds_no_inputs_is_refused(plane: Plane) -> None:
    await deployed_task(plane)
    await plane.app.parts.blobs.write("uploads/p/development/odd/inputs.pb", b"\xff\xff")
    folder = plane.app.parts.blobs.uri("uploads", "p", "development", "odd")
    with pytest.raises(ConnectError, match="holds no inputs") as refused:
        await deploy(plane, offloaded_input_data={"uri": folder, "inputs_hash": "h"}, inputs=None)
    assert refused.value.code is Code.INVALID_ARGUMENT


async def test_ticks_that_come_while_nobody_is_there_are_made_up_for(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", port=0, auth="none")
    async with serving(settings) as before:
        await deployed_task(before)
        automation, tick = soon()
        await deploy(before, automation, active=False)
        row = (await before.app.parts.database.read(store.listing, store.TriggerQuery()))[0]
        due = replace(row, active=True, revision=2, next_tick=tick, due_at=tick + 3_600_000_000)
        assert await before.app.parts.database.write(store.save, due, 1, expected=1)
    database = Database.open(settings.database)
    try:
        await database.write(store.put_off, store.Unreadable(row.key, ""), tick)
    finally:
        database.close()
    async with serving(settings) as after:

        async def started() -> bool:
            return bool(await runs_of(after))

        await eventually(started)
        (run,) = await runs_of(after)
        assert (await data_of(after, run))["at"].scalar.primitive.HasField("datetime")


async def test_what_a_trigger_needs_is_kept(plane: Plane) -> None:
    await deployed_task(plane)
    made = await deploy(plane)
    blobs = plane.app.parts.blobs
    pins = Pins(plane.app.parts.database, FileReferences(plane.settings.data, blobs.bucket))
    row = (await plane.app.parts.database.read(store.listing, store.TriggerQuery()))[0]
    folder = blobs.relative(row.input_uri).removesuffix("/inputs.pb")
    assert folder in (await pins.by_inputs()).units
    await plane.triggers.delete_triggers(wire.DeleteTriggersRequest(names=[made.id.name]))
    assert folder not in (await pins.by_inputs()).units


async def test_artifacts_are_refused_by_name(plane: Plane) -> None:
    await deployed_task(plane)
    automation = common_pb2.TriggerAutomationSpec(
        type=common_pb2.TYPE_ARTIFACT, artifact=common_pb2.ArtifactTrigger(artifact_name="sales")
    )
    with pytest.raises(ConnectError, match="has no artifacts") as refused:
        await deploy(plane, automation)
    assert refused.value.code is Code.UNIMPLEMENTED


async def test_who_expects_another_revision_changes_nothing(plane: Plane) -> None:
    await deployed_task(plane, "v1", "v2")
    await deploy(plane)
    with pytest.raises(ConnectError, match="has revision 1, not 4"):
        await deploy(plane, task_version="v2", revision=4)
    assert (await deploy(plane, task_version="v2", revision=1)).id.revision == 2


async def test_one_unknown_name_keeps_all_from_being_changed(plane: Plane) -> None:
    await deployed_task(plane)
    await deploy(plane)
    both = [name(), name("other")]
    with pytest.raises(ConnectError, match="no trigger 'other'"):
        await plane.triggers.update_triggers(wire.UpdateTriggersRequest(names=both, active=False))
    with pytest.raises(ConnectError, match="no trigger 'other'"):
        await plane.triggers.delete_triggers(wire.DeleteTriggersRequest(names=both))
    found = await plane.triggers.get_trigger_details(wire.GetTriggerDetailsRequest(name=name()))
    assert found.trigger.spec.active
    assert found.trigger.id.revision == 1


async def test_a_tick_starts_one_run_with_all_that_the_trigger_says(plane: Plane) -> None:
    await deployed_task(plane)
    automation, tick = soon()
    run_spec = run_pb2.RunSpec(
        labels=run_pb2.Labels(values={"team": "ops"}),
        max_action_concurrency=3,
        queue="slow",
        envs=run_pb2.Envs(values=[literals_pb2.KeyValuePair(key="A", value="1")]),
    )
    await deploy(plane, automation, run_spec=run_spec)

    async def started() -> bool:
        return bool(await runs_of(plane))

    await eventually(started)
    (run,) = await runs_of(plane)
    values = await data_of(plane, run)
    moment = values["at"].scalar.primitive.datetime.ToDatetime(tzinfo=UTC)
    assert moment == datetime.fromtimestamp(tick / 1_000_000, UTC)
    assert {key: values[key].scalar.primitive.integer for key in ("x", "y")} == {"x": 1, "y": 7}
    metadata = run.action.metadata
    assert metadata.trigger_name == "nightly"
    assert metadata.trigger_id.revision == 1
    assert metadata.source == run_definition_pb2.RUN_SOURCE_SCHEDULE_TRIGGER
    assert metadata.trigger_type.type == common_pb2.TYPE_SCHEDULE
    details = await plane.runs.get_run_details(
        run_service_pb2.GetRunDetailsRequest(run_id=run.action.id.run)
    )
    said = details.details.run_spec
    assert said.run_start_time.ToMicroseconds() == tick
    assert (dict(said.labels.values), said.queue) == ({"team": "ops"}, "slow")
    found = await plane.triggers.get_trigger_details(wire.GetTriggerDetailsRequest(name=name()))
    assert found.trigger.status.triggered_at.ToMicroseconds() == tick


async def test_whatever_cannot_run_is_shown_and_keeps_nobody_from_theirs(plane: Plane) -> None:
    await deployed_task(plane)
    automation, _ = soon()
    await deploy(plane, automation, trigger="sick")
    row = (await plane.app.parts.database.read(store.listing, store.TriggerQuery()))[0]
    plane.app.parts.blobs.confined(plane.app.parts.blobs.relative(row.input_uri)).unlink()
    await deploy(plane, automation, trigger="well", inputs=inputs(x=2))

    async def both_seen() -> bool:
        rows = await plane.app.parts.database.read(store.listing, store.TriggerQuery())
        return bool(rows[0].error and rows[1].last_run)

    await eventually(both_seen)
    sick = (await plane.app.parts.database.read(store.listing, store.TriggerQuery()))[0]
    assert "inputs" in sick.error
    assert sick.failures == 1
    assert sick.next_tick is not None
    assert sick.due_at is not None
    assert sick.due_at > sick.next_tick


async def test_a_run_can_be_asked_for_by_the_name_of_its_trigger(plane: Plane) -> None:
    await deployed_task(plane)
    await deploy(plane, active=False)
    made = await plane.runs.create_run(
        run_service_pb2.CreateRunRequest(
            run_id=run_id("now"),
            trigger_name=name(),
            inputs=inputs(y=9),
            source=run_definition_pb2.RUN_SOURCE_WEB,
        )
    )
    values = await data_of(plane, made.run)
    assert {key: values[key].scalar.primitive.integer for key in ("x", "y")} == {"x": 1, "y": 9}
    assert values["at"].scalar.primitive.HasField("datetime")
    assert made.run.action.metadata.trigger_name == "nightly"
    assert made.run.action.metadata.source == run_definition_pb2.RUN_SOURCE_WEB
    assert [run.action.id.run.name for run in await runs_of(plane)] == ["now"]
    with pytest.raises(ConnectError, match="no trigger 'other'"):
        await plane.runs.create_run(
            run_service_pb2.CreateRunRequest(project_id=PROJECT, trigger_name=name("other"))
        )


async def test_a_deactivated_trigger_does_not_tick(plane: Plane) -> None:
    await deployed_task(plane)
    automation, _ = soon()
    await deploy(plane, automation, trigger="off")
    await plane.triggers.update_triggers(wire.UpdateTriggersRequest(names=[name("off")]))
    await deploy(plane, automation, trigger="on")

    async def on_ran() -> bool:
        return bool(await runs_of(plane, "on"))

    await eventually(on_ran)
    assert not await runs_of(plane, "off")


async def test_a_refused_deployment_leaves_the_triggers_alone(plane: Plane) -> None:
    made = task_spec()
    trigger = task_definition_pb2.TaskTrigger(name="nightly", automation_spec=CRON)
    trigger.spec.inputs.CopyFrom(inputs(x=1))
    trigger.spec.active = True
    first = task_service_pb2.DeployTaskRequest(task_id=task_id(), spec=made, triggers=[trigger])
    await plane.tasks.deploy_task(first)
    asked = wire.GetTriggerDetailsRequest(name=name())
    before = (await plane.triggers.get_trigger_details(asked)).trigger

    other = task_service_pb2.DeployTaskRequest()
    other.CopyFrom(first)
    other.spec.task_template.metadata.retries.retries = 5
    other.triggers[0].spec.inputs.CopyFrom(inputs(x=2))
    with pytest.raises(ConnectError, match="with other content"):
        await plane.tasks.deploy_task(other)
    assert (await plane.triggers.get_trigger_details(asked)).trigger == before
