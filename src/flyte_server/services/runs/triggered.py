"""Runs that a trigger starts: what it gives to its task, as if somebody had asked for the run."""

import posixpath

from flyteidl2.core import literals_pb2, types_pb2
from flyteidl2.task import common_pb2
from flyteidl2.trigger import trigger_definition_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2

from flyte_server.blobs import LocalBlobs
from flyte_server.clock import Clock
from flyte_server.domain.errors import Invalid
from flyte_server.domain.records import StartedBy
from flyte_server.domain.schedules.records import Trigger
from flyte_server.services.catalogue import trigger_checks
from flyte_server.services.catalogue.tasks import Deployed, TaskBook
from flyte_server.services.catalogue.triggers import TriggerBook
from flyte_server.services.wire import commands, ids, times, triggers
from flyte_server.services.wire.ids import TaskName


class Triggered:
    """Makes requests for runs out of triggers."""

    def __init__(self, blobs: LocalBlobs, tasks: TaskBook, book: TriggerBook, clock: Clock) -> None:
        self._blobs = blobs
        self._tasks = tasks
        self._book = book
        self._clock = clock

    async def request(self, trigger: Trigger, moment: int) -> run_service_pb2.CreateRunRequest:
        """The request for the run of a tick, without the id of a run.

        Raises:
            NotFound: the task's version or the file with the inputs is not there.
            Invalid: the task has no input for the time of the tick.
        """
        task = await self._tasks.deployed(
            TaskName(trigger.project, trigger.domain, trigger.task_name, trigger.task_version)
        )
        inputs = triggers.inputs(await self._blobs.read(trigger.input_uri))
        automation = common_pb2.TriggerAutomationSpec.FromString(trigger.automation)
        if kickoff := automation.schedule.kickoff_time_input_arg:
            inputs.literals.add(name=kickoff, value=_moment(task, kickoff, moment))
        spec = trigger_definition_pb2.TriggerSpec.FromString(trigger.spec)
        made = run_service_pb2.CreateRunRequest(
            task_id=ids.task_id(task.name),
            inputs=inputs,
            run_spec=spec.run_spec,
            source=run_definition_pb2.RUN_SOURCE_SCHEDULE_TRIGGER,
        )
        made.run_spec.run_start_time.CopyFrom(times.timestamp(moment))
        return made

    async def asked(
        self, request: run_service_pb2.CreateRunRequest
    ) -> tuple[run_service_pb2.CreateRunRequest, StartedBy]:
        """A request that names a trigger, as one that names its task: what it says itself goes first.

        Raises:
            NotFound: there is no such trigger, or something that it needs is gone.
        """
        said = await self._inputs(request)
        trigger = await self._book.load(triggers.name(request.trigger_name))
        starts = request.run_start_time if request.HasField("run_start_time") else None
        moment = self._clock.now_us() if starts is None else times.micros(starts)
        made = await self.request(trigger, moment)
        given = {named.name for named in said.literals}
        kept = [named for named in made.inputs.literals if named.name not in given]
        made.inputs.ClearField("literals")
        made.inputs.literals.extend([*kept, *said.literals])
        made.inputs.context.extend(said.context)
        made.run_spec.MergeFrom(request.run_spec)
        made.source = request.source
        if request.WhichOneof("id") == "run_id":
            made.run_id.CopyFrom(request.run_id)
        elif request.WhichOneof("id") == "project_id":
            made.project_id.CopyFrom(request.project_id)
        return made, started_by(trigger, None)

    async def _inputs(self, request: run_service_pb2.CreateRunRequest) -> common_pb2.Inputs:
        if request.WhichOneof("input_wrapper") != "offloaded_input_data":
            return request.inputs
        uri = posixpath.join(request.offloaded_input_data.uri, commands.INPUTS_FILE)
        return triggers.inputs(await self._blobs.read(uri))


def started_by(trigger: Trigger, tick: int | None) -> StartedBy:
    """What a run keeps of the trigger that has started it."""
    automation = common_pb2.TriggerAutomationSpec.FromString(trigger.automation)
    return StartedBy(trigger.task_name, trigger.name, trigger.revision, int(automation.type), tick)


def _moment(task: Deployed, name: str, moment: int) -> literals_pb2.Literal:
    """A time as the value of an input."""
    variable = trigger_checks.variables(task.spec).get(name)
    fitting = None if variable is None else trigger_checks.moment_type(variable.type)
    if variable is None or fitting is None:
        raise Invalid(
            f"Task {task.name.name!r} has no datetime input {name!r} for the time of the tick; deploy it again."
        )
    value = literals_pb2.Literal()
    value.scalar.primitive.datetime.CopyFrom(times.timestamp(moment))
    return value if fitting == variable.type else _chosen(value, fitting)


def _chosen(value: literals_pb2.Literal, of: types_pb2.LiteralType) -> literals_pb2.Literal:
    union = literals_pb2.Union(value=value, type=of)
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(union=union))
