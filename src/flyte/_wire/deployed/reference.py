"""A deployed task as something that a running task can call."""

from dataclasses import dataclass, field

from flyteidl2.task import common_pb2, task_definition_pb2

from flyte._interface import NativeInterface
from flyte._task import MAX_INLINE_IO_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Implements `_context.Callee`: name and interface for words, and the specification for the engine.

    Its calls are named like those of the task itself, by the task's name: a caller that is started again finds its
    children, also if another version was deployed meanwhile.
    """

    identifier: task_definition_pb2.TaskIdentifier
    interface: NativeInterface
    """In guessed types."""
    spec: task_definition_pb2.TaskSpec
    queue: str | None = None
    max_inline_io_bytes: int = MAX_INLINE_IO_BYTES
    parent_env_name: str | None = field(default=None)

    @property
    def name(self) -> str:
        """Full name: `environment.function`."""
        return self.identifier.name

    def completed(self, inputs: common_pb2.Inputs) -> common_pb2.Inputs:
        """The inputs with the task's default for each one that was not given, in the order of the interface.

        The caller of a task with code at hand sends defaults too, so both kinds of calls have the same identity.
        """
        given = {named.name: named for named in inputs.literals}
        defaults = {
            named.name: common_pb2.NamedLiteral(name=named.name, value=named.parameter.default)
            for named in self.spec.default_inputs
            if named.parameter.HasField("default")
        }
        found = {**defaults, **given}
        ordered = [found[name] for name in self.interface.inputs if name in found]
        return common_pb2.Inputs(literals=ordered, context=inputs.context)
