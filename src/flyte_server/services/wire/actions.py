"""Rows of runs, actions and attempts to the messages that people and parents read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flyteidl2.actions import actions_service_pb2
from flyteidl2.common import cache_pb2, identity_pb2
from flyteidl2.task import common_pb2
from flyteidl2.workflow import run_definition_pb2, state_service_pb2

from flyte_server.domain.phases import CacheStatus, Kind, Phase
from flyte_server.domain.records import Action, Attempt, Failure, Run
from flyte_server.services.wire import (
    commands,
    conditions,
    endings,
    failures,
    ids,
    relations,
    statuses,
    times,
    triggers,
)

_ABORTED_BY = "aborted by "
"""How the reason of an abort begins that no person asked for."""
_TYPES = {
    Kind.TASK: run_definition_pb2.ACTION_TYPE_TASK,
    Kind.TRACE: run_definition_pb2.ACTION_TYPE_TRACE,
    Kind.CONDITION: run_definition_pb2.ACTION_TYPE_CONDITION,
}
_SOURCES = {
    int(source): source
    for source in (
        run_definition_pb2.RUN_SOURCE_WEB,
        run_definition_pb2.RUN_SOURCE_CLI,
        run_definition_pb2.RUN_SOURCE_SCHEDULE_TRIGGER,
        run_definition_pb2.RUN_SOURCE_TRACKED,
        run_definition_pb2.RUN_SOURCE_ARTIFACT_TRIGGER,
    )
}


@dataclass(frozen=True, slots=True)
class Views:
    """Makes messages; knows who owns everything here.

    Attributes:
        user: name of the machine's user, who is shown where nobody else is known.
    """

    user: str

    @property
    def local(self) -> str:
        """Subject of the machine's user."""
        return f"local:{self.user}"

    def identity(self, subject: str = "") -> identity_pb2.EnrichedIdentity:
        """Who executes and deploys.

        Args:
            subject: such as `key:nightly`; empty: the machine's user.
        """
        subject = subject or self.local
        name = subject.partition(":")[2] or subject
        message = identity_pb2.EnrichedIdentity()
        message.user.id.subject = subject
        message.user.spec.first_name = name
        message.user.spec.user_handle = name
        return message

    def run(self, run: Run, root: Action) -> run_definition_pb2.Run:
        """A run, as lists show it: its root action."""
        return run_definition_pb2.Run(action=self.action(run, root), labels=run.labels)

    def action(self, run: Run, action: Action) -> run_definition_pb2.Action:
        """An action, as lists show it."""
        return run_definition_pb2.Action(
            id=ids.action_id(run, action.name),
            metadata=self.metadata(run, action),
            status=self.status(action),
        )

    def enriched(
        self, run: Run, action: Action, *, meets_filter: bool, children: Mapping[Phase, int]
    ) -> run_definition_pb2.EnrichedAction:
        """An action with the number of its children by phase."""
        return run_definition_pb2.EnrichedAction(
            action=self.action(run, action),
            meets_filter=meets_filter,
            children_phase_counts={
                int(statuses.phase(phase)): count for phase, count in children.items() if count
            },
        )

    def status(self, action: Action) -> run_definition_pb2.ActionStatus:
        """Where an action is, and whether it is being ended."""
        message = status(action)
        endings.add(message, action, user=self.user)
        return message

    def metadata(
        self, run: Run, action: Action, *, task_type: str = ""
    ) -> run_definition_pb2.ActionMetadata:
        """What does not change about an action."""
        message = run_definition_pb2.ActionMetadata(
            parent=action.parent or "",
            group=action.group,
            executed_by=self.identity(run.created_by),
            action_type=_TYPES[action.kind],
            environment_name=action.environment,
            funtion_name=action.short_name,
            source=_SOURCES.get(run.source),
        )
        if action.recovered_from:
            message.recovered_from.CopyFrom(ids.recovered_from(action.recovered_from, run))
        if action.parent is None and (relation := relations.of_run(run)) is not None:
            message.relation.CopyFrom(relation)
        if action.parent is None and run.trigger is not None:
            triggers.note(message, run)
        if action.kind is Kind.TRACE:
            message.trace.name = action.task_name
        elif action.kind is Kind.CONDITION:
            message.condition.CopyFrom(conditions.metadata(action))
        else:
            message.task.id.CopyFrom(_task_id(run, action))
            message.task.short_name = action.short_name
            message.task.task_type = task_type
        return message

    def details(
        self, run: Run, action: Action, *, spec: bytes, attempts: Sequence[Attempt]
    ) -> run_definition_pb2.ActionDetails:
        """Everything about an action; `spec` is the stored TaskSpec or TraceSpec."""
        message = run_definition_pb2.ActionDetails(
            id=ids.action_id(run, action.name),
            status=self.status(action),
            attempts=[attempt(action, one) for one in attempts] or [_only_attempt(run, action)],
        )
        if action.kind is Kind.TRACE:
            message.trace.MergeFromString(spec)
        elif action.kind is Kind.CONDITION:
            message.condition.MergeFromString(spec)
        else:
            message.task.MergeFromString(spec)
        task_type = message.task.task_template.type if action.kind is Kind.TASK else ""
        message.metadata.CopyFrom(self.metadata(run, action, task_type=task_type))
        self._result(message, action)
        return message

    def _result(self, message: run_definition_pb2.ActionDetails, action: Action) -> None:
        # Told as soon as it is asked for: the phase says whether it is over.
        reason = action.aborting
        if action.phase is Phase.ABORTED:
            reason = action.failure.message if action.failure else ""
        if reason is not None:
            message.abort_info.reason = reason
            if not reason.startswith(_ABORTED_BY):
                message.abort_info.aborted_by.CopyFrom(self.identity())
        elif action.failure is not None and action.phase.terminal:
            message.error_info.CopyFrom(failures.error_info(action.failure))
        elif action.answer is not None:
            message.signal_info.CopyFrom(conditions.signal_info(action.answer))


def status(action: Action) -> run_definition_pb2.ActionStatus:
    """Where an action is."""
    started_at = _started_at(action)
    ended_at = action.ended_at
    return run_definition_pb2.ActionStatus(
        phase=statuses.phase(action.phase),
        start_time=times.timestamp(started_at),
        end_time=times.optional_timestamp(ended_at),
        attempts=max(action.attempt, 1),
        cache_status=statuses.cache_status(action.cache_status),
        duration_ms=None if ended_at is None else max(ended_at - started_at, 0) // 1000,
    )


def attempt(action: Action, of: Attempt) -> run_definition_pb2.ActionAttempt:
    """One try of an action; `start_time` is when it was taken from the queue, or queued."""
    return run_definition_pb2.ActionAttempt(
        attempt=of.number,
        phase=statuses.phase(of.phase),
        start_time=times.timestamp(of.started_at or of.claimed_at or of.queued_at),
        end_time=times.optional_timestamp(of.ended_at),
        error_info=failures.error_info(of.failure) if of.failure else None,
        outputs=_outputs(of.output_uri, of.phase),
        logs_available=of.claimed_at > 0,
        cache_status=statuses.cache_status(action.cache_status),
        cluster=ids.ORG,
        phase_transitions=_transitions(of),
    )


def update(run: Run, action: Action) -> state_service_pb2.ActionUpdate:
    """What a parent gets to know about a child."""
    message = state_service_pb2.ActionUpdate(
        action_id=ids.action_id(run, action.name),
        phase=statuses.phase(action.phase),
        output_uri=output_uri(action),
    )
    if action.failure is not None and action.phase.terminal:
        message.error.CopyFrom(failures.execution_error(_with_author(action, action.failure)))
    if action.answer is not None:
        message.value.CopyFrom(conditions.literal(action.answer))
    return message


def _with_author(action: Action, failure: Failure) -> Failure:
    """An abort says by whom: people give a reason alone, parents and the control plane say who they are."""
    if action.phase is not Phase.ABORTED or failure.message.startswith(_ABORTED_BY):
        return failure
    return replace(failure, message=f"{_ABORTED_BY}a user: {failure.message}")


def child_update(run: Run, action: Action) -> actions_service_pb2.WatchForUpdatesResponse:
    """`update`, as ActionsService sends it."""
    return actions_service_pb2.WatchForUpdatesResponse(action_update=update(run, action))


def sentinel() -> actions_service_pb2.WatchForUpdatesResponse:
    """Says that everything known was sent, and that the stream is alive."""
    return actions_service_pb2.WatchForUpdatesResponse(
        control_message=state_service_pb2.ControlMessage(sentinel=True)
    )


def state_update(run: Run, action: Action) -> state_service_pb2.WatchResponse:
    """`update`, as StateService sends it."""
    return state_service_pb2.WatchResponse(action_update=update(run, action))


def state_sentinel() -> state_service_pb2.WatchResponse:
    """`sentinel`, as StateService sends it."""
    return state_service_pb2.WatchResponse(
        control_message=state_service_pb2.ControlMessage(sentinel=True)
    )


def output_uri(action: Action) -> str:
    """Where the outputs are, or will be: an attempt's directory, or a trace's outputs.pb."""
    if action.output_uri or action.kind is not Kind.TASK:
        return action.output_uri
    return f"{action.output_base}/{action.name}/{max(action.attempt, 1)}"


def outputs_file(action: Action) -> str:
    """Full path of the action's outputs.pb."""
    uri = output_uri(action)
    return uri if action.kind is Kind.TRACE else f"{uri}/{commands.OUTPUTS_FILE}"


def _started_at(action: Action) -> int:
    """A task starts when it is asked for; a trace came in when it was already over."""
    if action.kind is Kind.TRACE and action.started_at is not None:
        return action.started_at
    return action.created_at


def _task_id(run: Run, action: Action) -> ids.task_definition_pb2.TaskIdentifier:
    return ids.task_id(ids.TaskName(run.project, run.domain, action.task_name, action.task_version))


def _only_attempt(run: Run, action: Action) -> run_definition_pb2.ActionAttempt:
    """The attempt of an action that no process was started for: queued still, a trace, or a cache
    hit."""
    message = run_definition_pb2.ActionAttempt(
        attempt=1,
        phase=statuses.phase(action.phase),
        start_time=times.timestamp(_started_at(action)),
        end_time=times.optional_timestamp(action.ended_at),
        error_info=failures.error_info(action.failure) if action.failure else None,
        outputs=_outputs(output_uri(action), action.phase),
        cache_status=statuses.cache_status(action.cache_status),
        cluster=ids.ORG,
    )
    if action.cache_status is CacheStatus.HIT and action.cache_source:
        source = ids.AttemptName.of_cache(action.cache_source, run)
        message.cache_metadata.CopyFrom(_cache_metadata(source))
    if action.waits_for_turn:
        message.cluster_events.append(_waits(action))
    return message


def _cache_metadata(source: ids.AttemptName) -> cache_pb2.CacheMetadata:
    message = cache_pb2.CacheMetadata()
    run = source.action.run
    producer = message.source_action_attempt
    producer.action_id.run.org = ids.ORG
    producer.action_id.run.project = run.project
    producer.action_id.run.domain = run.domain
    producer.action_id.run.name = run.name
    producer.action_id.name = source.action.name
    producer.attempt = source.number
    return message


def _waits(action: Action) -> run_definition_pb2.ClusterEvent:
    """Why an action that could start does not."""
    return run_definition_pb2.ClusterEvent(
        occurred_at=times.timestamp(action.queued_at),
        type=run_definition_pb2.ClusterEvent.TYPE_NORMAL,
        reason="WaitsForEqualAction",
        message="An equal action is executed now; its task asks for one at a time: Cache(serialize=True).",
    )


def _outputs(uri: str, phase: Phase) -> common_pb2.OutputReferences | None:
    if phase not in (Phase.SUCCEEDED, Phase.RECOVERED) or not uri:
        return None
    return common_pb2.OutputReferences(output_uri=uri)


def _transitions(of: Attempt) -> list[run_definition_pb2.PhaseTransition]:
    """The phases that an attempt went through, each with its time."""
    moments = [(Phase.QUEUED, of.queued_at)]
    if of.claimed_at:
        moments.append((Phase.INITIALIZING, of.claimed_at))
    if of.started_at is not None:
        moments.append((Phase.RUNNING, of.started_at))
    if of.ended_at is not None:
        moments.append((of.phase, of.ended_at))
    ends: list[int | None] = [moment for _, moment in moments[1:]]
    ends.append(of.ended_at)
    return [
        run_definition_pb2.PhaseTransition(
            phase=statuses.phase(phase),
            start_time=times.timestamp(start),
            end_time=times.optional_timestamp(end),
        )
        for (phase, start), end in zip(moments, ends, strict=True)
    ]
