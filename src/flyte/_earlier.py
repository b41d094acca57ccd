"""An earlier run that is repeated or recovered: its inputs, its settings, and what could be taken over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flyteidl2.common import identifier_pb2
from flyteidl2.task import common_pb2, run_pb2, task_definition_pb2

from flyte import errors
from flyte._client import ControlPlane
from flyte._ids import ROOT_ACTION
from flyte._interface import NativeInterface
from flyte._options import RunOptions
from flyte._wire import identities, interfaces, values
from flyte._wire.carriers import Carrier
from flyte.remote._details import ActionDetails
from flyte.remote._run_details import RunDetails


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """What an earlier run, or one action of it, was asked to do."""

    run: identifier_pb2.RunIdentifier
    task: task_definition_pb2.TaskSpec
    spec: run_pb2.RunSpec
    inputs: common_pb2.Inputs

    @property
    def task_name(self) -> str:
        """Full name of its task."""
        return self.task.task_template.id.name

    @property
    def interface(self) -> NativeInterface:
        """The task's inputs as they are stored, in guessed types."""
        return interfaces.native(self.task.task_template.interface, self.task.default_inputs)

    def is_changed(self, inputs: common_pb2.Inputs) -> bool:
        """Whether these are other inputs than then."""
        return identities.input_hash(inputs) != identities.input_hash(self.inputs)

    async def plan(
        self, plane: ControlPlane, forced: Sequence[str], inputs: common_pb2.Inputs
    ) -> dict[str, Any]:
        """What a run that recovers this one would reuse and execute; see `flyte.rerun`.

        Raises:
            UnionRpcError: with the code `unimplemented` if the backend is another one and does not plan.
        """
        asked = {
            "project": self.run.project,
            "domain": self.run.domain,
            "run": self.run.name,
            "forced": list(forced),
            "changed": self.is_changed(inputs),
        }
        return await plane.own("RecoveryService", "Plan", asked)

    async def forced(
        self, plane: ControlPlane, options: RunOptions, inputs: common_pb2.Inputs
    ) -> list[str]:
        """The actions that are executed all the same: also those that have lost their outputs, if that is allowed."""
        chosen = list(options.force_rerun_actions)
        if not options.allow_missing_source_outputs:
            return chosen
        try:
            plan = await self.plan(plane, chosen, inputs)
        except errors.UnionRpcError as error:
            if error.code != "unimplemented":
                raise
            return chosen
        return [*chosen, *plan["missing"]]


async def earlier_run(name: str, action: str = ROOT_ACTION) -> EarlierRun:
    """A run of the session's project and domain, or one action of it, as it was asked for.

    Raises:
        ActionNotFoundError: there is no such run or action.
        DefinitionError: the action is a trace, which is no run of its own.
    """
    details = await ActionDetails.get.aio(run_name=name, name=action)
    if details.pb2.WhichOneof("spec") != "task":
        raise errors.DefinitionError(
            f"action {action} of run {name} is a traced call, which cannot run by itself; "
            f"rerun its caller {details.parent_name}"
        )
    run = await RunDetails.get.aio(name)
    data = await details.load_data()
    return EarlierRun(details.pb2.id.run, details.pb2.task, run.pb2.run_spec, data.inputs)


async def completed(
    interface: NativeInterface,
    given: Mapping[str, Any],
    earlier: common_pb2.Inputs | None,
    *,
    context: Mapping[str, str] | None = None,
    limit: int | None = None,
    carrier: Carrier | None = None,
) -> common_pb2.Inputs:
    """Inputs as a message: what is given, the rest as it was in the earlier run, new inputs by their defaults.

    Args:
        interface: names and types of the inputs.
        given: values by name; all of them if there is no earlier run.
        earlier: the inputs of the earlier run.
        context, limit, carrier: see `values.inputs`.

    Raises:
        TaskInputError: an input is unknown, or was not there and has no default.
    """
    if earlier is None:
        return await values.inputs(interface, given, context=context, limit=limit, carrier=carrier)
    before = {named.name: named for named in earlier.literals}
    if gone := before.keys() - interface.inputs.keys():
        raise errors.TaskInputError(
            f"the earlier run had inputs that the task does not have any more: {', '.join(sorted(gone))}; "
            "start the task as a new run"
        )
    arguments = dict(given)
    for name, (_, default) in interface.inputs.items():
        if name in given or name in before or default is interface.has_default:
            continue
        if default is interface.no_default:
            raise errors.TaskInputError(
                f"the earlier run had no input {name!r}, which the task needs now; pass a value for it"
            )
        arguments[name] = default
    made = await values.inputs(interface, arguments, context=context, limit=limit, carrier=carrier)
    made.literals.extend(named for name, named in before.items() if name not in arguments)
    if not made.context:
        made.context.extend(earlier.context)
    return made
