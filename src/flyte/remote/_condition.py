"""A handle of one condition: what a run asks, and its answer."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flyteidl2.workflow import run_definition_pb2, run_service_pb2

from flyte import _session, errors
from flyte._wire import statuses
from flyte._wire.conditions import messages
from flyte.remote import _listing, _watching
from flyte.remote._action import of_run
from flyte.remote._common import ToJSONMixin
from flyte.remote._record import identifier
from flyte.syncify import syncify

ConditionPayload = bool | int | float | str
_CHANNEL = "x-flyte-channel"


@dataclass
class Condition(ToJSONMixin):
    """A question of a run, which waits until somebody answers (`flyte.new_condition`).

    Example:
        >>> for condition in flyte.remote.Condition.listall("r1"):
        ...     print(condition.name, condition.phase)
        >>> flyte.remote.Condition.get("release", run_name="r1").signal(True)
    """

    pb2: run_definition_pb2.Action

    @syncify
    @classmethod
    async def get(
        cls, name: str, /, run_name: str, action_name: str | None = None
    ) -> "Condition | None":
        """The condition of a name; None if the run has none.

        Args:
            name: as the task has named it, or the name of its action.
            run_name: the run, in the session's project and domain.
            action_name: the action that asks; needed only if several ask one of that name.

        Raises:
            ActionNotFoundError: there is no such run.
        """
        async for condition in cls.listall.aio(run_name, action_name, limit=_ALL):
            if name in (condition.name, condition.action_name):
                return condition
        return None

    @syncify
    @classmethod
    async def listall(
        cls, run_name: str, action_name: str | None = None, limit: int = 100
    ) -> AsyncIterator["Condition"]:
        """The conditions of a run, in the order in which they were asked.

        Args:
            run_name: the run, in the session's project and domain.
            action_name: only those that this action asks.
            limit: how many at most.

        Raises:
            ActionNotFoundError: there is no such run.
        """
        left = limit
        filters = _listing.equal("action_type", str(int(run_definition_pb2.ACTION_TYPE_CONDITION)))
        found = of_run(identifier(None, run_name, None).run, filters)
        async with _watching.closing(found):
            async for action in found:
                is_asked = action.pb2.metadata.WhichOneof("spec") == "condition"
                if left <= 0:
                    return
                if is_asked and action_name in (None, action.parent_name):
                    left -= 1
                    yield cls(action.pb2)

    @syncify
    async def signal(self, payload: ConditionPayload) -> None:
        """Answer it; the first answer counts.

        Args:
            payload: of the type that the condition asks for.

        Raises:
            TypeError: the payload is of another type.
            ConditionNotFoundError: there is no such condition (any more).
            UnionRpcError: with the code `failed_precondition`, if it was answered already or has ended; the message
                says who answered, and when.
        """
        await answer(self, payload)

    @property
    def name(self) -> str:
        """As the task has named it."""
        return self.pb2.metadata.condition.name

    @property
    def action_name(self) -> str:
        """Name of its action."""
        return self.pb2.id.name

    @property
    def run_name(self) -> str:
        """Name of the run."""
        return self.pb2.id.run.name

    @property
    def phase(self) -> str:
        """`paused` while it waits, then how it ended."""
        return str(statuses.phase(self.pb2.status.phase))

    @property
    def expected_type(self) -> type | None:
        """What answers it: bool, int, float or str; None if this SDK does not know the type."""
        return messages.answer_type(self.pb2.metadata.condition.type)

    @syncify
    async def link(self, valid_for: timedelta = timedelta(days=7)) -> str:
        """An address that opens a page with the question; whoever has it can answer, once.

        Args:
            valid_for: at most 30 days.

        Raises:
            UnionRpcError: it waits for no answer any more, or the backend is another one than ours.
        """
        plane = await _session.current().control_plane()
        asked = {**_run(self), "condition": self.action_name}
        asked["seconds"] = int(valid_for.total_seconds())
        return (await plane.own("ConditionService", "Link", asked))["url"]

    @syncify
    async def described(self) -> dict[str, Any]:
        """Its prompt, description, times and answer, as plain values; empty if the backend does not tell.

        Example:
            >>> condition.described()["answer"]
            {'value': True, 'by': 'user:ada', 'name': 'ada', 'channel': 'cli', 'at': datetime.datetime(…)}
        """
        found = await described_of(self.pb2.id.run)
        return found.get(self.action_name, {})


_ALL = 2**31 - 1


async def answer(condition: Condition, payload: ConditionPayload, *, channel: str = "api") -> None:
    """`Condition.signal`, with from where the answer comes: `cli` or `api`."""
    wanted = condition.expected_type
    if wanted is float and type(payload) is int:
        payload = float(payload)
    if wanted is not None and type(payload) is not wanted:
        raise TypeError(
            f"condition {condition.name!r} is answered with a {wanted.__name__}, not with {payload!r}"
            f" ({type(payload).__name__})"
        )
    plane = await _session.current().control_plane()
    request = run_service_pb2.SignalEventRequest(
        action_id=condition.pb2.id,
        parent_action_name=condition.pb2.metadata.parent,
        payload=messages.payload(payload),
    )
    try:
        await plane.runs.signal_event(request, headers={_CHANNEL: channel})
    except errors.UnionRpcError as error:
        if error.code == "not_found":
            raise errors.ConditionNotFoundError(
                f"run {condition.run_name} has no condition {condition.name!r} (any more); list them with:"
                f" flyte get condition {condition.run_name}"
            ) from error
        raise


async def described_of(run: Any) -> dict[str, dict[str, Any]]:
    """What our own control plane tells of a run's conditions, by the names of their actions."""
    plane = await _session.current().control_plane()
    asked = {"project": run.project, "domain": run.domain, "run": run.name}
    try:
        told = await plane.own("ConditionService", "List", asked)
    except errors.UnionRpcError as error:
        if error.code == "unimplemented":
            return {}
        raise
    return {each["action"]: _with_times(each) for each in told["conditions"]}


def _run(condition: Condition) -> dict[str, Any]:
    run = condition.pb2.id.run
    return {"project": run.project, "domain": run.domain, "run": run.name}


def _with_times(told: dict[str, Any]) -> dict[str, Any]:
    given = told.get("answer")
    if given is not None:
        value = int(given["value"]) if told["type"] == "int" else given["value"]
        value = float(value) if told["type"] == "float" else value
        told["answer"] = {**given, "value": value, "at": _moment(given["at"])}
    return {**told, **{key: _moment(told.get(key)) for key in ("asked_at", "until", "ended_at")}}


def _moment(micros: str | None) -> datetime | None:
    return None if micros is None else datetime.fromtimestamp(int(micros) / 1_000_000, UTC)
