"""The one function that moves an action: `decide`.

Rules that hold whatever arrives, in whatever order:

* a terminal phase is never left;
* a report counts only with the token of the current attempt, while that attempt is alive;
* an attempt that is alive is never forgotten: abort and time limits only *mark* the action
  (`aborting`,
  `stopping`), and the mark becomes its end when the executor reports that the process is gone.
"""

from dataclasses import dataclass, replace

from flyte_server.domain import fencing, ids, limits, retry, telling
from flyte_server.domain.events import (
    AbortRequested,
    Answered,
    Claimed,
    Event,
    Failed,
    FoundInCache,
    Lost,
    Parked,
    Refused,
    Resumed,
    Slept,
    Started,
    Succeeded,
    TimedOut,
    TurnCame,
)
from flyte_server.domain.phases import LIVE, Blame, CacheStatus, Kind, Phase
from flyte_server.domain.records import Action, Attempt, CacheEntry, Failure

ABORTED = "Aborted"
WORKER_LOST = "WorkerLost"


@dataclass(frozen=True, slots=True)
class Decision:
    """What an event does."""

    action: Action
    """The action afterwards; the same object when the event is ignored."""
    attempt: Attempt | None = None
    """The attempt's row; what is None or empty in it stays as it is in the store."""
    publish: CacheEntry | None = None
    """An entry for the cache."""
    ignored: str | None = None
    """Why nothing happens; None when something does."""


def decide(action: Action, event: Event, now_us: int) -> Decision:
    """Say what `event` does to `action`; pure, total, never an exception.

    Args:
        action: the action as it is.
        event: what was reported or asked for.
        now_us: the moment of the decision, microseconds since the epoch.
    """
    if action.phase.terminal:
        return _ignore(action, f"{action.name} has already ended as {action.phase}")
    decision = _dispatch(action, event, now_us)
    if decision.ignored is not None:
        return decision
    limit_at = limits.next_at(decision.action)
    if limit_at == decision.action.limit_at:
        return decision
    return replace(decision, action=decision.action.but(limit_at=limit_at))


def _dispatch(action: Action, event: Event, now_us: int) -> Decision:
    match event:
        case Claimed():
            decision = _claimed(action, event, now_us)
        case Started():
            decision = _started(action, event)
        case Succeeded() | Failed() | Lost():
            decision = _ended(action, event, _reported(event), now_us)
        case AbortRequested():
            decision = _abort_requested(action, event, now_us)
        case TimedOut():
            decision = _timed_out(action, event, now_us)
        case TurnCame() | FoundInCache() | Refused():
            decision = _waited(action, event, now_us)
        case Slept() | Parked() | Answered() | Resumed():
            decision = _paused(action, event, now_us)
    return decision


def _paused(action: Action, event: Slept | Parked | Answered | Resumed, now_us: int) -> Decision:
    """Begin and end of a pause: of the machine, of an attempt that gives its process back, of a condition."""
    if isinstance(event, Slept):
        return _slept(action, event)
    if isinstance(event, Parked):
        return _parked(action, event, now_us)
    is_condition = action.kind is Kind.CONDITION
    if action.phase is not Phase.PAUSED or is_condition is not isinstance(event, Answered):
        return _ignore(
            action, f"{action.name} is {action.phase}: {type(event).__name__} is not for it"
        )
    if isinstance(event, Answered):
        answered = action.but(answer=event.answer)
        return Decision(_finish(answered, Phase.SUCCEEDED, event.answer.at, None))
    return Decision(_queued_again(action, now_us))


def _parked(action: Action, event: Parked, now_us: int) -> Decision:
    """The attempt ends, the action does not; no retry is counted, because nothing has failed."""
    foreign = fencing.objection(action, event.attempt)
    if foreign is not None:
        return _ignore(action, foreign)
    if action.aborting is not None or action.stopping is not None:
        return _ended(action, event, None, now_us)
    attempt = _attempt(action, Phase.PAUSED, started_at=event.started_at, ended_at=event.at)
    attempt = replace(attempt, usage=event.usage)
    if action.started_at is None and event.started_at is not None:
        action = action.but(started_at=event.started_at)
    queued = _queued_again(action, now_us)
    return Decision(queued if event.goes_on else queued.but(phase=Phase.PAUSED), attempt)


def _queued_again(action: Action, now_us: int) -> Action:
    return action.but(
        phase=Phase.QUEUED,
        token="",
        queued_at=now_us,
        due_at=now_us,
        attempt_started_at=None,
        slept_us=0,
    )


def _waited(action: Action, event: TurnCame | FoundInCache | Refused, now_us: int) -> Decision:
    if isinstance(event, Refused):
        if action.phase not in limits.WAITING:
            return _ignore(action, f"{action.name} is {action.phase}, not queued")
        return Decision(_finish(action, Phase.FAILED, now_us, event.failure))
    if not action.waits_for_turn:
        return _ignore(action, f"{action.name} is {action.phase} and waits for no equal action")
    if isinstance(event, TurnCame):
        turned = action.but(phase=Phase.QUEUED, queued_at=now_us, slept_us=0)
        return Decision(turned.but(cache_source=event.stale_source))
    hit = action.but(
        cache_status=CacheStatus.HIT,
        cache_source=event.source,
        output_uri=event.output_uri,
        started_at=now_us,
    )
    return Decision(_finish(hit, Phase.SUCCEEDED, now_us, None))


def _slept(action: Action, event: Slept) -> Decision:
    if action.attempt != event.attempt or limits.counted_since(action) is None:
        return _ignore(action, f"{action.name} has moved on since its machine slept")
    return Decision(action.but(slept_us=action.slept_us + event.by_us))


def _claimed(action: Action, event: Claimed, now_us: int) -> Decision:
    if action.phase not in limits.WAITING or action.waits_for_turn:
        return _ignore(action, f"{action.name} is {action.phase}, not queued")
    if action.due_at > now_us:
        return _ignore(action, f"{action.name} is not due yet")
    number = action.attempt + 1
    claimed = action.but(
        phase=Phase.INITIALIZING,
        attempt=number,
        token=event.token,
        output_uri=ids.attempt_uri(action.output_base, action.name, number),
    )
    attempt = Attempt(
        action.run_id,
        action.name,
        number,
        event.token,
        Phase.INITIALIZING,
        worker=event.worker,
        queued_at=action.queued_at,
        claimed_at=now_us,
        output_uri=claimed.output_uri,
        devices=event.devices,
    )
    return Decision(claimed, attempt)


def _started(action: Action, event: Started) -> Decision:
    foreign = fencing.objection(action, event.attempt)
    if foreign is not None:
        return _ignore(action, foreign)
    if action.phase is Phase.RUNNING:
        return _ignore(action, f"attempt {action.attempt} of {action.name} is already running")
    running = action.but(
        phase=Phase.RUNNING,
        started_at=event.at if action.started_at is None else action.started_at,
        attempt_started_at=event.at,
        slept_us=0,
    )
    attempt = _attempt(action, Phase.RUNNING, started_at=event.at)
    return Decision(running, replace(attempt, worker=event.worker, pid=event.pid))


def _reported(event: Succeeded | Failed | Lost) -> Failure | None:
    match event:
        case Failed():
            return event.failure
        case Lost():
            return Failure(WORKER_LOST, _lost(event.reason), Blame.SYSTEM)
        case Succeeded():
            return None


def _lost(reason: str) -> str:
    happened, found, words = reason.partition(telling.LAST_WORDS)
    return telling.told(
        f"worker lost: {happened}",
        f"evidence: its log ends with: {words}" if found else "",
        "nothing: it is tried again while retries for failures of the system are left",
    )


def _ended(
    action: Action, event: Succeeded | Failed | Lost | Parked, failure: Failure | None, now_us: int
) -> Decision:
    foreign = fencing.objection(action, event.attempt)
    if foreign is not None:
        return _ignore(action, foreign)
    started_at = None if isinstance(event, Lost) else event.started_at
    if started_at is not None and action.started_at is None:
        action = action.but(started_at=started_at)
    if action.aborting is not None:
        phase, failure = Phase.ABORTED, _aborted(action.aborting)
    elif action.stopping is not None:
        phase, failure = Phase.TIMED_OUT, limits.explained(action.stopping, failure)
    else:
        phase = Phase.SUCCEEDED if failure is None else Phase.FAILED
    attempt = _attempt(action, phase, started_at=started_at, ended_at=event.at, failure=failure)
    attempt = replace(attempt, usage=None if isinstance(event, Lost) else event.usage)
    if failure is None:
        return _succeeded(action, attempt, event.at)
    if phase is Phase.ABORTED:
        return Decision(_finish(action, phase, event.at, failure), attempt)
    return Decision(_retry_or_finish(action, attempt, failure, now_us), attempt)


def _succeeded(action: Action, attempt: Attempt, at: int) -> Decision:
    if action.cache_key is None:
        return Decision(_finish(action, Phase.SUCCEEDED, at, None), attempt)
    entry = CacheEntry(
        key=action.cache_key,
        run_id=action.run_id,
        action=action.name,
        attempt=action.attempt,
        output_uri=action.output_uri,
        created_at=at,
        task_name=action.task_name,
        replaces=action.cache_status is CacheStatus.SKIPPED or action.cache_source is not None,
    )
    populated = action.but(cache_status=CacheStatus.POPULATED)
    return Decision(_finish(populated, Phase.SUCCEEDED, at, None), attempt, entry)


def _retry_or_finish(action: Action, attempt: Attempt, failure: Failure, now_us: int) -> Action:
    plan = retry.after(action, failure)
    final = attempt.phase is Phase.TIMED_OUT and failure.code != limits.MAX_RUNTIME
    if final or plan.delay_us is None:
        charged = action.but(user_failures=plan.user_failures, system_failures=plan.system_failures)
        return _finish(charged, attempt.phase, attempt.ended_at or now_us, failure)
    return action.but(
        phase=Phase.QUEUED,
        token="",
        user_failures=plan.user_failures,
        system_failures=plan.system_failures,
        queued_at=now_us,
        due_at=now_us + plan.delay_us,
        attempt_started_at=None,
        slept_us=0,
        stopping=None,
        ending_since=None,
    )


def _abort_requested(action: Action, event: AbortRequested, now_us: int) -> Decision:
    if action.aborting is not None:
        return _ignore(action, f"{action.name} is being aborted already")
    if action.phase in LIVE:
        return Decision(action.but(aborting=event.reason, ending_since=now_us))
    return Decision(_finish(action, Phase.ABORTED, now_us, _aborted(event.reason)))


def _timed_out(action: Action, event: TimedOut, now_us: int) -> Decision:
    if action.attempt != event.attempt or not limits.applies(action, event.code):
        return _ignore(action, f"{action.name} has moved on since its {event.code}")
    if action.aborting is not None or action.stopping is not None:
        return _ignore(action, f"{action.name} is being stopped already")
    failure = Failure(event.code, event.message)
    if action.phase in LIVE:
        return Decision(action.but(stopping=failure, ending_since=now_us))
    return Decision(_finish(action, Phase.TIMED_OUT, now_us, failure))


def _finish(action: Action, phase: Phase, at: int, failure: Failure | None) -> Action:
    return action.but(
        phase=phase,
        ended_at=at,
        failure=failure,
        aborting=None,
        stopping=None,
        ending_since=None,
        attempt_started_at=None,
    )


def _attempt(
    action: Action,
    phase: Phase,
    *,
    started_at: int | None = None,
    ended_at: int | None = None,
    failure: Failure | None = None,
) -> Attempt:
    return Attempt(
        action.run_id,
        action.name,
        action.attempt,
        action.token,
        phase,
        started_at=started_at,
        ended_at=ended_at,
        failure=failure,
    )


def _aborted(reason: str) -> Failure:
    return Failure(ABORTED, reason, recoverable=False)


def _ignore(action: Action, reason: str) -> Decision:
    return Decision(action, ignored=reason)
