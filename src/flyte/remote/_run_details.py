"""The full record of a run: its settings, and the record of its first action."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flyteidl2.common import identifier_pb2
from flyteidl2.core import literals_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2

from flyte import _session, errors
from flyte.remote._common import ToJSONMixin, named
from flyte.remote._data import ActionInputs, ActionOutputs
from flyte.remote._details import ActionDetails
from flyte.remote._record import document, identifier
from flyte.syncify import syncify


@dataclass
class RunDetails(ToJSONMixin):
    """Everything that the control plane knows of a run.

    Example:
        >>> details = flyte.remote.RunDetails.get("r1")
        >>> details.task_name, details.done()
        ('digits.sweep', True)
    """

    pb2: run_definition_pb2.RunDetails
    action_details: ActionDetails = field(init=False)
    """The record of the run's first action."""

    def __post_init__(self) -> None:
        self.action_details = ActionDetails(self.pb2.action)

    @syncify
    @classmethod
    async def get(cls, name: str | None = None) -> "RunDetails":
        """The details of a run of the session's project and domain.

        Raises:
            ActionNotFoundError: there is no such run.
        """
        if name is None:
            raise errors.DefinitionError("pass the name of the run")
        return await cls.get_details.aio(identifier(None, name, None).run)

    @syncify
    @classmethod
    async def get_details(cls, run_id: identifier_pb2.RunIdentifier) -> "RunDetails":
        """The details of a run by its identifier."""
        plane = await _session.current().control_plane()
        with named(
            f"run {run_id.name} in {run_id.project}/{run_id.domain}",
            "list runs with: flyte get run",
        ):
            response = await plane.runs.get_run_details(
                run_service_pb2.GetRunDetailsRequest(run_id=run_id)
            )
        return cls(response.details)

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.action_details.run_name

    @property
    def task_name(self) -> str | None:
        """Full name of the task that was run."""
        return self.action_details.task_name

    @property
    def action_id(self) -> identifier_pb2.ActionIdentifier:
        """Identifier of the run's first action."""
        return self.action_details.action_id

    def to_dict(self) -> dict[str, Any]:
        """The message behind the handle, in plain values; with `ending` while the run is being ended."""
        return document(super().to_dict(), self.action_details.ending)

    def done(self) -> bool:
        """Whether the run has ended, well or badly."""
        return self.action_details.done()

    async def inputs(self) -> ActionInputs:
        """The run's inputs; see `ActionDetails.inputs`."""
        return await self.action_details.inputs()

    async def outputs(self) -> ActionOutputs:
        """The run's outputs; see `ActionDetails.outputs`."""
        return await self.action_details.outputs()

    async def input_literals(self) -> dict[str, literals_pb2.Literal]:
        """The inputs as they are stored."""
        return await self.action_details.input_literals()

    async def output_literals(self) -> dict[str, literals_pb2.Literal]:
        """The outputs as they are stored."""
        return await self.action_details.output_literals()

    async def typed_inputs(
        self, types: dict[str, type], deserializers: dict[type, Callable[[Any], Any]] | None = None
    ) -> dict[str, Any]:
        """The run's inputs in types that you name; see `ActionDetails.typed_inputs`."""
        return await self.action_details.typed_inputs(types, deserializers)

    async def typed_outputs(
        self, types: dict[str, type], deserializers: dict[type, Callable[[Any], Any]] | None = None
    ) -> dict[str, Any]:
        """The run's outputs in types that you name; see `ActionDetails.typed_outputs`."""
        return await self.action_details.typed_outputs(types, deserializers)
