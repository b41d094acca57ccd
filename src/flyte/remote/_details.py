"""The full record of an action: attempts, phases and their durations, errors, inputs, outputs."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flyteidl2.common import identifier_pb2
from flyteidl2.core import catalog_pb2, literals_pb2
from flyteidl2.dataproxy import dataproxy_service_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2

from flyte import _session, errors
from flyte._context import CodeBundle
from flyte._interface import NativeInterface
from flyte._kit import clock
from flyte._phases import ActionPhase
from flyte._wire import failures, interfaces, statuses, values
from flyte._wire.caching.decisions import CacheDecision
from flyte.remote import _watching
from flyte.remote._common import named
from flyte.remote._data import ActionInputs, ActionOutputs, LinkCarrier, typed
from flyte.remote._record import ActionRecord, identifier, moment
from flyte.syncify import syncify


@dataclass(frozen=True, slots=True)
class PhaseTransitionInfo:
    """One phase of an attempt: from when to when."""

    phase: ActionPhase
    start_time: datetime
    end_time: datetime | None
    """None while the phase lasts."""

    @property
    def duration(self) -> timedelta:
        """How long the phase lasted, so far."""
        return (self.end_time or clock.now()) - self.start_time


@dataclass(repr=False)
class ActionDetails(ActionRecord):
    """Everything that the control plane knows of an action.

    Example:
        >>> details = flyte.remote.ActionDetails.get(run_name="r1", name="a0")
        >>> details.phase, details.attempts, details.runtime
        (<ActionPhase.SUCCEEDED: 'succeeded'>, 1, datetime.timedelta(seconds=2))
    """

    pb2: run_definition_pb2.ActionDetails
    interface: NativeInterface | None = None
    """The task's declared types, when the task was run from this process; else they are guessed."""
    _data: dataproxy_service_pb2.GetActionDataResponse | None = None

    def __repr__(self) -> str:
        return f"ActionDetails({self.run_name}/{self.name}, {self.task_name}, {self.phase})"

    @syncify
    @classmethod
    async def get(
        cls, uri: str | None = None, /, run_name: str | None = None, name: str | None = None
    ) -> "ActionDetails":
        """The details of an action.

        Args:
            uri: not used by this backend; pass `run_name` and `name`.
            run_name: name of the run, in the session's project and domain.
            name: name of the action (default: the run's first one, `a0`).

        Raises:
            ActionNotFoundError: there is no such action.
        """
        return await cls.get_details.aio(identifier(uri, run_name, name))

    @syncify
    @classmethod
    async def get_details(cls, action_id: identifier_pb2.ActionIdentifier) -> "ActionDetails":
        """The details of an action by its identifier."""
        plane = await _session.current().control_plane()
        with named(
            f"action {action_id.run.name}/{action_id.name}",
            f"list the actions with: flyte get action {action_id.run.name}",
        ):
            response = await plane.runs.get_action_details(
                run_service_pb2.GetActionDetailsRequest(action_id=action_id)
            )
        return cls(response.details)

    @syncify
    @classmethod
    async def watch(
        cls, action_id: identifier_pb2.ActionIdentifier
    ) -> AsyncIterator["ActionDetails"]:
        """The details now and after every change, until the action has ended; survives lost connections."""
        request = run_service_pb2.WatchActionDetailsRequest(action_id=action_id)
        stream = _watching.messages(lambda plane: plane.runs.watch_action_details(request))
        with named(
            f"action {action_id.run.name}/{action_id.name}", "list runs with: flyte get run"
        ):
            async with _watching.closing(stream):
                async for response in stream:
                    details = cls(response.details)
                    yield details
                    if details.done():
                        return

    async def watch_updates(
        self, cache_data_on_done: bool = False
    ) -> AsyncIterator["ActionDetails"]:
        """This handle, brought up to date after every change, until the action has ended."""
        async with _watching.closing(ActionDetails.watch.aio(self.pb2.id)) as changes:
            async for details in changes:
                self.pb2 = details.pb2
                if cache_data_on_done and self.done():
                    await self.load_data()
                yield self

    @property
    def metadata(self) -> run_definition_pb2.ActionMetadata:
        """Task, parent and group, as the wire has them."""
        return self.pb2.metadata

    @property
    def status(self) -> run_definition_pb2.ActionStatus:
        """Phase, times and attempts, as the wire has them."""
        return self.pb2.status

    @property
    def is_running(self) -> bool:
        """Whether user code runs now."""
        return self.phase is ActionPhase.RUNNING

    @property
    def attempts(self) -> int:
        """How many attempts there were, so far."""
        return self.pb2.status.attempts

    @property
    def runtime(self) -> timedelta:
        """From the start of the action to its end, or to now."""
        status = self.pb2.status
        if not status.HasField("start_time"):
            return timedelta()
        end = moment(status.end_time) if status.HasField("end_time") else clock.now()
        return end - moment(status.start_time)

    @property
    def cache_status(self) -> str:
        """What the cache did, in the wire's words: `CACHE_HIT`, `CACHE_MISS`, `CACHE_DISABLED`, …"""
        return catalog_pb2.CatalogCacheStatus.Name(self.pb2.status.cache_status)

    @syncify
    async def explain(self) -> dict[str, Any] | None:
        """Budgets, the cause of every failed attempt, and what it waits for, as plain values.

        None if the control plane does not tell.

        Example:
            >>> details.explain()["budgets"]
            {'user': {'failures': 1, 'allowed': 2}, 'system': {'failures': 0, 'allowed': 3}}
        """
        plane = await _session.current().control_plane()
        try:
            return await plane.own("ActionService", "Explain", self._asked())
        except errors.UnionRpcError as error:
            if error.code == "unimplemented":
                return None
            raise

    @syncify
    async def cache_decision(self) -> CacheDecision | None:
        """Why it took an earlier result, or which part of its key kept it from finding one.

        None if the backend cannot tell: it is another one than ours.

        Example:
            >>> print(details.cache_decision())
            miss: code and input rate changed since r1/a0
        """
        plane = await _session.current().control_plane()
        try:
            return CacheDecision.of(await plane.own("CacheService", "Explain", self._asked()))
        except errors.UnionRpcError as error:
            if error.code != "unimplemented":
                raise
            return None

    def _asked(self) -> dict[str, str]:
        """Which action, for the services that tell more of it."""
        run = self.pb2.id.run
        return {"project": run.project, "domain": run.domain, "run": run.name, "action": self.name}

    @property
    def error_info(self) -> run_definition_pb2.ErrorInfo | None:
        """Why it failed, as the wire has it; None unless it failed."""
        return self.pb2.error_info if self.pb2.HasField("error_info") else None

    @property
    def abort_info(self) -> run_definition_pb2.AbortInfo | None:
        """Who aborted it and why; None unless it was aborted."""
        return self.pb2.abort_info if self.pb2.HasField("abort_info") else None

    @property
    def error_message(self) -> str:
        """Why it failed or was aborted, as text; empty if it was not."""
        error = self.error()
        return str(error) if error else ""

    def error(self) -> errors.BaseRuntimeError | None:
        """The error that a caller of the task gets, in the classes of `flyte.errors`; None if it did not fail."""
        if self.error_info is not None:
            return failures.from_error_info(self.error_info)
        if self.phase is ActionPhase.ABORTED:
            return errors.ActionAbortedError(self._abortion() or f"action {self.name} was aborted")
        if self.phase is ActionPhase.TIMED_OUT:
            return errors.TaskTimeoutError(f"action {self.name} hit a time limit")
        if self.phase is ActionPhase.FAILED:
            return errors.RuntimeUnknownError(
                "Unknown", f"action {self.name} failed for an unknown reason"
            )
        return None

    @property
    def code_bundle(self) -> CodeBundle | None:
        """Where the code of the action is; None when it is in the image."""
        args = list(self.pb2.task.task_template.container.args)
        given = {name: args[args.index(name) + 1] for name in ("--tgz", "--pkl") if name in args}
        if not given:
            return None
        version = self.pb2.metadata.task.id.version
        return CodeBundle(computed_version=version, tgz=given.get("--tgz"), pkl=given.get("--pkl"))

    def logs_available(self, attempt: int | None = None) -> bool:
        """Whether the attempt (default: the latest) has written logs."""
        chosen = self._attempt(attempt)
        return chosen is not None and chosen.logs_available

    def attempt_ended(self, attempt: int) -> bool:
        """Whether an attempt will not go on: it ended, a later one began, or the action itself has ended."""
        chosen = self._attempt(attempt)
        ended = chosen is not None and (
            statuses.phase(chosen.phase).is_terminal or chosen.HasField("end_time")
        )
        return ended or self.done() or self.attempts > attempt

    def get_phase_transitions(self, attempt: int | None = None) -> list[PhaseTransitionInfo]:
        """The phases of an attempt (default: the latest), in their order."""
        chosen = self._attempt(attempt)
        transitions = chosen.phase_transitions if chosen else ()
        return [
            PhaseTransitionInfo(
                phase=statuses.phase(each.phase),
                start_time=moment(each.start_time),
                end_time=moment(each.end_time) if each.HasField("end_time") else None,
            )
            for each in transitions
        ]

    @property
    def phase_durations(self) -> dict[ActionPhase, timedelta]:
        """How long the latest attempt was in each phase."""
        durations: dict[ActionPhase, timedelta] = {}
        for each in self.get_phase_transitions():
            durations[each.phase] = durations.get(each.phase, timedelta()) + each.duration
        return durations

    @property
    def queued_time(self) -> timedelta | None:
        """How long the latest attempt was queued."""
        return self.phase_durations.get(ActionPhase.QUEUED)

    @property
    def waiting_for_resources_time(self) -> timedelta | None:
        """How long the latest attempt waited for resources."""
        return self.phase_durations.get(ActionPhase.WAITING_FOR_RESOURCES)

    @property
    def initializing_time(self) -> timedelta | None:
        """How long the latest attempt was being set up."""
        return self.phase_durations.get(ActionPhase.INITIALIZING)

    @property
    def running_time(self) -> timedelta | None:
        """How long the latest attempt ran user code."""
        return self.phase_durations.get(ActionPhase.RUNNING)

    async def load_data(self) -> dataproxy_service_pb2.GetActionDataResponse:
        """Inputs and outputs as they are stored; those of an ended action are fetched once."""
        if self._data is None:
            data = await _fetch_data.aio(self.pb2.id)
            if not self.done():
                return data
            self._data = data
        return self._data

    async def input_literals(self) -> dict[str, literals_pb2.Literal]:
        """The inputs as they are stored."""
        data = await self.load_data()
        return {each.name: each.value for each in data.inputs.literals}

    async def output_literals(self) -> dict[str, literals_pb2.Literal]:
        """The outputs as they are stored."""
        data = await self.load_data()
        return {each.name: each.value for each in data.outputs.literals}

    async def inputs(self) -> ActionInputs:
        """The inputs, in the task's own types when it was run from this process, else in guessed ones."""
        return await _inputs.aio(self)

    async def outputs(self) -> ActionOutputs:
        """The outputs.

        Raises:
            BaseRuntimeError: the action failed: the same class as an `await` of the task in a task gives.
            RuntimeUserError: the action has not ended yet (code `NotFinished`).
        """
        return await _outputs.aio(self)

    async def typed_inputs(
        self, types: dict[str, type], deserializers: dict[type, Callable[[Any], Any]] | None = None
    ) -> dict[str, Any]:
        """The inputs in types that you name: for a run of a task whose module is not at hand.

        Args:
            types: the type of each input that is wanted; others keep the guessed one.
            deserializers: for a type that Flyte does not know: what makes it of the value in its guessed type.

        Example:
            >>> await details.typed_inputs({"station": Station})
            {'station': Station(name='Kiel'), 'days': 3}
        """
        data = await self.load_data()
        guessed = {name: hint for name, (hint, _) in _interface(self).inputs.items()}
        return await _typed.aio(
            data.inputs.literals, types, deserializers, guessed=guessed, what="inputs"
        )

    async def typed_outputs(
        self, types: dict[str, type], deserializers: dict[type, Callable[[Any], Any]] | None = None
    ) -> dict[str, Any]:
        """The outputs likewise, by name (`o0`, `o1`, … unless the task declares its own).

        Raises:
            BaseRuntimeError: the action failed, or has not ended yet; as `outputs`.
        """
        self._raise_unless_done()
        data = await self.load_data()
        guessed = _interface(self).outputs
        return await _typed.aio(
            data.outputs.literals, types, deserializers, guessed=guessed, what="outputs"
        )

    def _raise_unless_done(self) -> None:
        error = self.error()
        if error is not None:
            raise error
        if not self.done():
            raise errors.RuntimeUserError(
                "NotFinished",
                f"{self.run_name}/{self.name} is {self.phase} and has no outputs yet; call wait() first",
            )

    async def shown_inputs(self) -> dict[str, Any]:
        """The inputs for a table: large ones are not fetched, but stand as their address, size and type."""
        data = await self.load_data()
        hints = {name: hint for name, (hint, _) in _interface(self).inputs.items()}
        return await values.shown(hints, data.inputs.literals, "inputs")

    async def shown_outputs(self) -> ActionOutputs | None:
        """The outputs likewise; None unless the action has succeeded."""
        if self.phase not in (ActionPhase.SUCCEEDED, ActionPhase.RECOVERED):
            return None
        data = await self.load_data()
        outputs = await values.shown(_interface(self).outputs, data.outputs.literals, "outputs")
        return ActionOutputs(data.outputs, tuple(outputs.values()), tuple(outputs))

    def _abortion(self) -> str:
        """By whom it was aborted and why, in one sentence; empty if nobody says."""
        told = self.abort_info
        if told is None:
            return ""
        user = told.aborted_by.user.spec.user_handle or told.aborted_by.user.id.subject
        return f"aborted by {user}: {told.reason}" if user else told.reason

    def _attempt(self, number: int | None) -> run_definition_pb2.ActionAttempt | None:
        wanted = [each for each in self.pb2.attempts if number in (None, each.attempt)]
        return wanted[-1] if wanted else None


@syncify
async def _fetch_data(
    action_id: identifier_pb2.ActionIdentifier,
) -> dataproxy_service_pb2.GetActionDataResponse:
    plane = await _session.current().control_plane()
    return await plane.dataproxy.get_action_data(
        dataproxy_service_pb2.GetActionDataRequest(action_id=action_id)
    )


@syncify
async def _inputs(details: ActionDetails) -> ActionInputs:
    data = await details.load_data()
    interface = _interface(details)
    arguments = await values.arguments(interface, data.inputs, carrier=LinkCarrier())
    return ActionInputs(data.inputs, arguments)


@syncify
async def _outputs(details: ActionDetails) -> ActionOutputs:
    details._raise_unless_done()  # noqa: SLF001 - of this module
    data = await details.load_data()
    outputs = await values.named(_interface(details), data.outputs, carrier=LinkCarrier())
    return ActionOutputs(data.outputs, tuple(outputs.values()), tuple(outputs))


_typed = syncify(typed.read)


def _interface(details: ActionDetails) -> NativeInterface:
    if details.interface is not None:
        return details.interface
    match details.pb2.WhichOneof("spec"):
        case "task":
            spec = details.pb2.task
            return interfaces.native(spec.task_template.interface, spec.default_inputs)
        case "trace":
            return interfaces.native(details.pb2.trace.interface)
        case _:
            return NativeInterface({}, {})
