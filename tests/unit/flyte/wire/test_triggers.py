"""Triggers as messages."""

from datetime import UTC, datetime

import pytest
from flyteidl2.common import identifier_pb2
from flyteidl2.task import common_pb2

import flyte
from flyte._wire.triggers import messages
from flyte.errors import TaskInputError

env = flyte.TaskEnvironment("reports")

NIGHTLY = flyte.Trigger(
    "nightly",
    flyte.Cron("0 3 * * *", "Europe/Berlin"),
    description="every night",
    auto_activate=False,
    inputs={"at": flyte.TriggerTime, "x": 3},
    env_vars={"A": "1"},
    interruptible=True,
    overwrite_cache=True,
    queue="slow",
    max_action_concurrency=4,
    labels={"team": "ops"},
    annotations={"note": "n"},
    custom_context={"tenant": "a"},
    catch_up="all",
)


@env.task(triggers=(NIGHTLY, flyte.Trigger("by-hand", inputs={"x": 1})))
async def daily(at: datetime, x: int, y: str = "y") -> str:
    return f"{at} {x} {y}"


async def test_everything_that_a_trigger_says_is_sent() -> None:
    made, by_hand = await messages.of_task(daily)
    schedule = made.automation_spec.schedule
    assert made.automation_spec.type == common_pb2.TYPE_SCHEDULE
    assert (schedule.cron.expression, schedule.cron.timezone) == ("0 3 * * *", "Europe/Berlin")
    assert schedule.kickoff_time_input_arg == "at"
    assert [named.name for named in made.spec.inputs.literals] == ["x"]
    assert {pair.key: pair.value for pair in made.spec.inputs.context} == {"tenant": "a"}
    assert not made.spec.active
    assert made.spec.description == "every night"
    run = made.spec.run_spec
    assert run.interruptible.value
    assert run.overwrite_cache
    assert run.cache_config.overwrite_cache
    assert (run.queue, run.max_action_concurrency) == ("slow", 4)
    assert dict(run.labels.values) == {"team": "ops"}
    assert dict(run.annotations.values) == {"note": "n", messages.CATCH_UP: "all"}
    assert [(pair.key, pair.value) for pair in run.envs.values] == [("A", "1")]
    assert by_hand.automation_spec.type == common_pb2.TYPE_NONE
    assert not by_hand.spec.run_spec.annotations.values, "the usual policy needs no word"


async def test_a_rate_carries_its_start() -> None:
    start = datetime(2026, 1, 1, 12, tzinfo=UTC)
    trigger = flyte.Trigger("often", flyte.FixedRate(15, start), inputs={"x": 1})
    made = await messages.message(trigger, daily.interface)
    rate = made.automation_spec.schedule.rate
    assert (rate.value, rate.unit) == (15, common_pb2.FIXED_RATE_UNIT_MINUTE)
    assert rate.start_time.ToDatetime(UTC) == start


async def test_an_artifact_names_the_inputs_that_it_fills() -> None:
    trigger = flyte.Trigger(
        "fresh",
        flyte.OnArtifact("sales", region="eu"),
        inputs={"x": flyte.TriggeredArtifact, "y": flyte.TriggeredPartition("region")},
    )
    made = (await messages.message(trigger, daily.interface)).automation_spec
    assert made.type == common_pb2.TYPE_ARTIFACT
    assert made.artifact.input_arg == "x"
    assert dict(made.artifact.partitions) == {"region": "eu"}
    assert dict(made.artifact.partition_input_args) == {"region": "y"}


async def test_an_input_that_the_task_does_not_have_is_named() -> None:
    trigger = flyte.Trigger("t", flyte.Cron("@daily"), inputs={"z": flyte.TriggerTime})
    with pytest.raises(TaskInputError, match="'z', which is no input of the task; use one of: at"):
        await messages.message(trigger, daily.interface)


async def test_alone_it_is_deployed_for_a_version() -> None:
    (made, _) = await messages.of_task(daily)
    name = identifier_pb2.TriggerName(project="p", domain="d", name="nightly", task_name="r.daily")
    request = messages.deployment(name, made, "v3")
    assert request.spec.task_version == "v3"
    assert request.spec.inputs == made.spec.inputs
    assert request.automation_spec == made.automation_spec
    assert request.spec.description == "every night"


def test_people_read_what_starts_it() -> None:
    rate = common_pb2.FixedRate(value=1, unit=common_pb2.FIXED_RATE_UNIT_HOUR)
    schedules = {
        "every 1 hour": common_pb2.Schedule(rate=rate),
        "0 3 * * * UTC": common_pb2.Schedule(
            cron=common_pb2.Cron(expression="0 3 * * *", timezone="UTC")
        ),
        "@daily": common_pb2.Schedule(cron_expression="@daily"),
    }
    for said, schedule in schedules.items():
        assert messages.automation(common_pb2.TriggerAutomationSpec(schedule=schedule)) == said
    assert messages.automation(common_pb2.TriggerAutomationSpec()) == "by hand"
