"""What every record of an action says, the short one of listings and the full one alike."""

from datetime import UTC, datetime
from typing import Any

from flyteidl2.common import identifier_pb2, phase_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from flyte import _session, errors
from flyte._ids import ROOT_ACTION, ActionID
from flyte._phases import ActionPhase
from flyte._wire import ids, origins, statuses
from flyte._wire.statuses import ABORTING, Ending
from flyte.remote._common import ToJSONMixin


class ActionRecord(ToJSONMixin):
    """Identity, task and phase of an action; `pb2` has the fields `id`, `metadata` and `status`."""

    @property
    def action_id(self) -> identifier_pb2.ActionIdentifier:
        """Run and name of the action, as the wire has them."""
        return self.pb2.id

    @property
    def name(self) -> str:
        """Name of the action within its run."""
        return self.pb2.id.name

    @property
    def run_name(self) -> str:
        """Name of the run."""
        return self.pb2.id.run.name

    @property
    def parent_name(self) -> str | None:
        """Name of the action that called this one; None for a run's first."""
        return self.pb2.metadata.parent or None

    @property
    def task_name(self) -> str | None:
        """Full name of the task, or the name of the traced function or the condition."""
        metadata = self.pb2.metadata
        match metadata.WhichOneof("spec"):
            case "task":
                return metadata.task.id.name or None
            case "trace":
                return metadata.trace.name or None
            case "condition":
                return metadata.condition.name or None
            case _:
                return None

    @property
    def phase(self) -> ActionPhase:
        """What the action does now, or how it ended."""
        return statuses.phase(self.pb2.status.phase)

    @property
    def raw_phase(self) -> phase_pb2.ActionPhase:
        """The phase as the wire has it."""
        return self.pb2.status.phase

    @property
    def relation(self) -> Any:
        """Which run this one repeats or recovers, as the wire has it; None if it stands for itself."""
        metadata = self.pb2.metadata
        return metadata.relation if metadata.HasField("relation") else None

    @property
    def start_time(self) -> datetime:
        """When the action started."""
        return moment(self.pb2.status.start_time)

    @property
    def origin(self) -> tuple[str, str] | None:
        """How the run goes back to an earlier one: `("recovers", "r1")`, `("rerun of", "r1")`; None if it does not.

        The first action of a run knows it.
        """
        return origins.told(self.pb2.metadata)

    @property
    def recovered_from(self) -> str | None:
        """Whose outputs a recovered action has, as `run/action`; None for others."""
        return origins.recovered_from(self.pb2.metadata)

    @property
    def ending(self) -> Ending | None:
        """Who or what ends the action, while something of it may still be alive; None at all other times.

        From the answer to an abort on nothing new starts; the phase becomes `aborted` when no process is left.
        """
        return statuses.ending(self.pb2.status)

    @property
    def aborting(self) -> str | None:
        """Why the action is being aborted; None when it is not, or not any more."""
        ending = self.ending
        return ending.reason if ending is not None and ending.kind == ABORTING else None

    @property
    def state(self) -> str:
        """The phase in words; `aborting` or `timing out` while the action is being ended."""
        ending = self.ending
        return ending.kind if ending else str(self.phase)

    def to_dict(self) -> dict[str, Any]:
        """The message behind the handle, in plain values; with `ending` while the action is being ended."""
        return document(super().to_dict(), self.ending)

    def done(self) -> bool:
        """Whether the action has ended, well or badly."""
        return self.phase.is_terminal


def document(message: dict[str, Any], ending: Ending | None) -> dict[str, Any]:
    """A message in plain values with what the message has no field for."""
    return {**message, "ending": ending.to_dict()} if ending else message


def moment(stamp: Timestamp) -> datetime:
    """A time of the wire, aware and in UTC."""
    return stamp.ToDatetime(tzinfo=UTC)


def identifier(
    uri: str | None, run_name: str | None, name: str | None
) -> identifier_pb2.ActionIdentifier:
    """The identifier of an action of the session's project and domain (default: the run's first action).

    Raises:
        DefinitionError: neither a run nor an action of this kind can be named so.
    """
    if uri is not None or run_name is None:
        raise errors.DefinitionError(
            "an action is named by its run and its own name: pass run_name=…, and name=… for another than the first"
        )
    session = _session.current()
    return ids.action(
        ActionID(
            name=name or ROOT_ACTION,
            run_name=run_name,
            project=_session.current_project(),
            domain=_session.current_domain(),
            org=session.org,
        )
    )
