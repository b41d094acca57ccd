"""New runs, actions and traces: whether they are taken in, and how they begin.

Everything is checked before anything is put into the unit, so a refusal leaves nothing behind.
"""

from collections.abc import Callable
from dataclasses import replace

from flyte_server.domain import errors, limits
from flyte_server.domain.capacity import Capacity
from flyte_server.domain.commands import NewAction, NewRun, NewTrace
from flyte_server.domain.ids import ROOT_ACTION, attempt_uri
from flyte_server.domain.phases import CacheStatus, Kind, Phase
from flyte_server.domain.records import Action, ActionKey, Run
from flyte_server.domain.schedules.records import Tick
from flyte_server.engine import caching, recovery
from flyte_server.engine.admission import refusing
from flyte_server.engine.unit import Unit
from flyte_server.store import notices, runs
from flyte_server.store.catalogue import triggers


def take_run(
    unit: Unit, command: NewRun, new_name: Callable[[], str], machine: Capacity
) -> ActionKey:
    """A new run; its root action waits to be claimed, or comes from the cache or the run that it recovers.

    Or it fails at once, because it asks for more than the machine has.

    Raises:
        errors.AlreadyExists: when the project and domain have a run of that name.
        errors.Invalid: when the root is not one.
    """
    root = command.root
    if root.parent is not None or root.name != ROOT_ACTION:
        raise errors.Invalid(
            f"the root of a run is {ROOT_ACTION} without a parent, not {root.name} of {root.parent}"
        )
    name = command.name
    if name is None:
        name = new_name()
        root = _with_run_name(root, name)
    elif runs.load(unit.connection, command.project, command.domain, name) is not None:
        unit.must_last = True  # who asks again takes this for the answer to its first request
        raise errors.AlreadyExists(
            f"run {name} exists already in {command.project}/{command.domain}; choose another name"
        )
    run = unit.add_run(
        Run(
            id=0,
            project=command.project,
            domain=command.domain,
            name=name,
            spec=command.spec,
            labels=command.labels,
            source=command.source,
            created_at=unit.now_us,
            seq=0,
            max_concurrency=command.max_concurrency,
            recovery=command.recovery,
            created_by=command.created_by,
            trigger=command.trigger,
        )
    )
    notices.insert(unit.connection, run.id, command.notices, unit.now_us)
    return _take(unit, run, root, machine)


def take_tick(unit: Unit, tick: Tick, command: NewRun, machine: Capacity) -> bool:
    """The run of a tick, and the step of its trigger to the following one: both or neither.

    Returns:
        False when another control plane did it, or somebody has changed the trigger meanwhile.

    Raises:
        errors.Invalid: when the root is not one; then the trigger still waits for the tick.
    """
    name = command.name or ""
    if not triggers.expects(unit.connection, tick):
        return False
    if runs.load(unit.connection, command.project, command.domain, name) is None:
        take_run(unit, command, lambda: name, machine)
    unit.flush()
    unit.must_last = True
    return triggers.advance(unit.connection, tick)


def take_action(unit: Unit, run_id: int, command: NewAction, machine: Capacity) -> bool:
    """A new child; False when an action of that name exists, whatever its state.

    Raises:
        errors.NotFound: when there is no such run or parent.
        errors.Aborted: when the parent or the run has ended, or is being stopped.
    """
    if unit.action(ActionKey(run_id, command.name)) is not None:
        return False
    if command.parent is None:
        raise errors.Invalid(f"{command.name} has no parent; only the root of a run has none")
    run, parent = parent_of(unit, run_id, command.parent)
    refuse_ended(unit, run, parent, command.name)
    _take(unit, run, command, machine)
    return True


def _take(unit: Unit, run: Run, command: NewAction, machine: Capacity) -> ActionKey:
    action = _admitted(unit, _new_action(unit, run, command), machine)
    unit.add(action)
    recovery.take_traces(unit, run, action)
    return action.key


def _admitted(unit: Unit, action: Action, machine: Capacity) -> Action:
    """It, or its end when it would wait for ever."""
    if action.phase.terminal:
        return action  # its result was there already
    failure = refusing.objection(unit, action, machine)
    if failure is None:
        return action
    return replace(action, phase=Phase.FAILED, ended_at=unit.now_us, limit_at=None, failure=failure)


def take_trace(unit: Unit, run_id: int, command: NewTrace) -> bool:
    """A traced call that was executed; False when an action of that name exists.

    It is recorded even while its parent is being stopped: it starts nothing, and a retry may replay
    it.  A recoverable failure is replaced: its parent was told to make the call again.

    Raises:
        errors.NotFound: when there is no such run or parent.
        errors.Invalid: when the trace has not ended.
        errors.Aborted: when the parent has ended.
    """
    known = unit.action(ActionKey(run_id, command.name))
    if known is not None and not _is_recoverable_trace(known):
        return False
    if not command.phase.terminal:
        raise errors.Invalid(
            f"the trace {command.name} is {command.phase}; a trace is recorded when it has ended"
        )
    run, parent = parent_of(unit, run_id, command.parent)
    if parent.phase.terminal:
        raise errors.Aborted(
            f"{parent.name} of run {run.name} has ended as {parent.phase}:"
            f" its trace {command.name} is not recorded"
        )
    if known is None:
        unit.add(_new_trace(unit, run, command))
    else:
        unit.put(_repeated_trace(known, command))
    return True


def _is_recoverable_trace(action: Action) -> bool:
    return (
        action.kind is Kind.TRACE
        and action.phase is Phase.FAILED
        and action.failure is not None
        and action.failure.recoverable
    )


def _repeated_trace(known: Action, command: NewTrace) -> Action:
    return replace(
        known,
        phase=command.phase,
        output_uri=command.output_uri,
        started_at=command.started_at,
        ended_at=command.ended_at,
        failure=command.failure,
    )


def _new_trace(unit: Unit, run: Run, command: NewTrace) -> Action:
    return Action(
        run_id=run.id,
        name=command.name,
        parent=command.parent,
        kind=Kind.TRACE,
        phase=command.phase,
        task_name=command.function,
        created_at=command.started_at,
        short_name=command.function,
        group=command.group,
        spec_digest=unit.spec(command.spec),
        input_uri=command.input_uri,
        output_uri=command.output_uri,
        queued_at=command.started_at,
        started_at=command.started_at,
        ended_at=command.ended_at,
        failure=command.failure,
    )


def parent_of(unit: Unit, run_id: int, name: str) -> tuple[Run, Action]:
    """The run and the parent of something new.

    Raises:
        errors.NotFound: when there is no such run or parent.
    """
    run = unit.run(run_id)
    if run is None:
        raise errors.NotFound(f"there is no run with the id {run_id}")
    parent = unit.action(ActionKey(run.id, name))
    if parent is None:
        raise errors.NotFound(f"run {run.name} has no action {name} that could be a parent")
    return run, parent


def refuse_ended(unit: Unit, run: Run, parent: Action, name: str) -> None:
    """Refuse what is new where nothing new starts any more, as `errors.Aborted`."""
    root = unit.action(ActionKey(run.id, ROOT_ACTION))
    for action in (parent, root):
        if action is None:
            continue
        state = None
        if action.phase.terminal:
            state = f"has ended as {action.phase}"
        elif action.aborting is not None:
            state = f"is being aborted ({action.aborting})"
        elif action.stopping is not None:
            state = f"is being stopped ({action.stopping.code})"
        if state is not None:
            raise errors.Aborted(f"{action.name} of run {run.name} {state}: {name} is not started")


def _new_action(unit: Unit, run: Run, command: NewAction) -> Action:
    now = unit.now_us
    action = Action(
        run_id=run.id,
        name=command.name,
        parent=command.parent,
        kind=Kind.TASK,
        phase=Phase.QUEUED,
        task_name=command.task_name,
        created_at=now,
        policy=command.policy,
        task_version=command.task_version,
        short_name=command.short_name,
        environment=command.environment,
        group=command.group,
        queue=command.queue,
        lane=unit.lane(run, command),
        spec_digest=unit.spec(command.spec),
        input_uri=command.input_uri,
        output_base=command.output_base,
        output_uri=attempt_uri(command.output_base, command.name, 1),
        cache_key=command.cache_key or None,
        due_at=now,
        queued_at=now,
    )
    recovered = recovery.taken_over(unit, run, action)
    if recovered is not None:
        return recovered
    if action.cache_key is not None:
        action = _looked_up(unit, run, _serialized(run, action), overwrite=command.overwrite_cache)
    limit_at = limits.next_at(action)
    return action if limit_at is None else replace(action, limit_at=limit_at)


def _serialized(run: Run, action: Action) -> Action:
    if not action.policy.cache_serialize or action.cache_key is None:
        return action
    everywhere = action.policy.cache_everywhere
    key = caching.serial_key(run, action.cache_key, everywhere=everywhere)
    return replace(action, serial_key=key)


def _looked_up(unit: Unit, run: Run, action: Action, *, overwrite: bool) -> Action:
    if overwrite:
        return replace(action, cache_status=CacheStatus.SKIPPED)
    found, stale_source = caching.look_up(unit, run, action)
    if found is None:
        missed = replace(action, cache_status=CacheStatus.MISS, cache_source=stale_source)
        waits = caching.may_wait(unit, action)
        return replace(missed, phase=Phase.WAITING_FOR_RESOURCES) if waits else missed
    return replace(
        action,
        phase=Phase.SUCCEEDED,
        cache_status=CacheStatus.HIT,
        cache_source=found.source,
        output_uri=found.output_uri,
        started_at=unit.now_us,
        ended_at=unit.now_us,
    )


def _with_run_name(root: NewAction, name: str) -> NewAction:
    return replace(
        root,
        input_uri=root.input_uri.replace("{run}", name),
        output_base=root.output_base.replace("{run}", name),
    )
