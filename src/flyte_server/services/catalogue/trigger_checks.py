"""Whether a task can be run with what a trigger gives it: looked at when it is deployed, not at its first tick."""

from collections.abc import Iterable

from flyteidl2.core import interface_pb2, types_pb2
from flyteidl2.task import common_pb2, task_definition_pb2

from flyte_server.domain.errors import Invalid


def check_inputs(
    inputs: common_pb2.Inputs, kickoff: str, spec: task_definition_pb2.TaskSpec, task: str
) -> None:
    """Make sure that every input exists, and that none is missing.

    Args:
        inputs: what the trigger gives.
        kickoff: the input that gets the moment of the tick; empty: none does.
        spec: the task's.
        task: its name.

    Raises:
        Invalid: naming the input, and what to write.
    """
    known = variables(spec)
    given = [named.name for named in inputs.literals]
    for name in (*given, *([kickoff] if kickoff else [])):
        if name not in known:
            there = ", ".join(known) or "none"
            raise Invalid(f"Task {task!r} has no input {name!r}; its inputs are: {there}.")
    if len(set(given)) < len(given):
        raise Invalid(f"The trigger gives an input of task {task!r} twice; send each once.")
    if kickoff:
        _check_kickoff(kickoff, given, known[kickoff], task)
    defaults = {each.name for each in spec.default_inputs if each.parameter.HasField("default")}
    missing = [name for name in known if name not in {*given, *defaults, kickoff}]
    if missing:
        raise Invalid(
            f"The trigger gives task {task!r} no value for {', '.join(map(repr, missing))}, which has no default; add"
            " it to the trigger's inputs."
        )


def _check_kickoff(
    name: str, given: Iterable[str], variable: interface_pb2.Variable, task: str
) -> None:
    if name in given:
        raise Invalid(
            f"The input {name!r} of task {task!r} gets the time of the tick, so the trigger cannot give it a value."
        )
    if moment_type(variable.type) is None:
        raise Invalid(
            f"The input {name!r} of task {task!r} is no datetime, so it cannot get the time of the tick; declare it as"
            " datetime."
        )


def variables(spec: task_definition_pb2.TaskSpec) -> dict[str, interface_pb2.Variable]:
    """The inputs of a task by name, in their order."""
    return {entry.key: entry.value for entry in spec.task_template.interface.inputs.variables}


def moment_type(declared: types_pb2.LiteralType) -> types_pb2.LiteralType | None:
    """The datetime in a type (the type itself, or one of its choices); None: a moment does not fit in."""
    if declared.WhichOneof("type") == "union_type":
        fitting = (moment_type(variant) for variant in declared.union_type.variants)
        return next((variant for variant in fitting if variant is not None), None)
    is_moment = declared.WhichOneof("type") == "simple" and declared.simple == types_pb2.DATETIME
    return declared if is_moment else None
