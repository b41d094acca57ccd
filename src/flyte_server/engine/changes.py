"""The changes that are made of what the engine is told: each is one piece of work in a transaction.

The only module that asks `domain.transitions` what an event does.  Nothing here waits, and nothing is kept: a unit that
is thrown away leaves no trace.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flyte_server.domain import errors, fencing, records, transitions
from flyte_server.domain.admission.lanes import Gate
from flyte_server.domain.capacity import Capacity
from flyte_server.domain.commands import NewAction, NewCondition, NewRun, NewTrace
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
    Succeeded,
    TimedOut,
    TurnCame,
)
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action, ActionKey, AttemptKey, Run
from flyte_server.domain.schedules.records import Tick
from flyte_server.engine import conditions, intake
from flyte_server.engine.admission import claiming
from flyte_server.engine.admission.claiming import Chosen, Mover
from flyte_server.engine.admission.standing import Processes
from flyte_server.engine.bus import ABORTS, LIMITS, QUEUE
from flyte_server.engine.committer import Answer, Work, same
from flyte_server.engine.unit import Unit
from flyte_server.store import actions, aside

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Claims:
    """What the scheduler gets."""

    actions: list[Action]
    """Each with a new attempt; to be launched."""
    next_due_at: int | None
    """When the next action that waits for a moment becomes due."""


def fenced(work: Work, caller: AttemptKey | None) -> Work:
    """`work` if the attempt that asks for it is the current one: looked at in the same transaction."""
    if caller is None:
        return work

    def checked(unit: Unit) -> Answer[Any]:
        fencing.check(unit.action(ActionKey(caller.run_id, caller.action)), caller)
        return work(unit)

    return checked


def create_run(
    unit: Unit, *, command: NewRun, new_name: Callable[[], str], machine: Capacity
) -> Answer[tuple[Run, Action]]:
    """A new run with its root action; its name is chosen if it has none."""
    key = intake.take_run(unit, command, new_name, machine)
    return lambda: (unit.current_run(key.run_id), unit.current(key))


def fire(unit: Unit, *, tick: Tick, command: NewRun, machine: Capacity) -> Answer[bool]:
    """The run of a tick, and the step of its trigger to the next one; False: somebody else was first."""
    return partial(same, intake.take_tick(unit, tick, command, machine))


def enqueue(unit: Unit, *, run_id: int, command: NewAction, machine: Capacity) -> Answer[bool]:
    """A task that a task calls; False: it is known already."""
    return partial(same, intake.take_action(unit, run_id, command, machine))


def record_trace(unit: Unit, *, run_id: int, command: NewTrace) -> Answer[bool]:
    """A step that a task has done; False: it is known already."""
    return partial(same, intake.take_trace(unit, run_id, command))


def ask(unit: Unit, *, run_id: int, command: NewCondition) -> Answer[bool]:
    """A condition that a task asks for; False: it is known already."""
    return partial(same, conditions.take(unit, run_id, command))


def answer(unit: Unit, *, key: ActionKey, answer: records.Answer) -> Answer[None]:
    """The answer of a condition; the first one counts."""
    _move(unit, conditions.answerable(unit, key, answer), Answered(key, answer))
    unit.must_last = True  # who answered will not answer again
    return partial(same, None)


def apply(unit: Unit, *, event: Event) -> Answer[Action | None]:
    """What was reported, or asked for."""
    key = _key(event)
    try:
        action = unit.action(key)
    except errors.Unreadable as error:
        unit.set_aside(aside.subject("read", key), key, str(error))
        raise
    if action is None:
        _logger.warning("%s names an action that does not exist: %s", type(event).__name__, key)
        return partial(same, None)
    if isinstance(event, AbortRequested):
        return abort(unit, key=key, reason=event.reason)
    if _waits_for_children(unit, action, event):
        _logger.debug("%s is aborted when those that it called are", key)
    else:
        if isinstance(event, Parked):
            event = conditions.looked_at(unit, event)
        _move_one(unit, unit.current(key), event)  # the look for children may have written it
    return partial(unit.action, key)


def _move_one(unit: Unit, action: Action, event: Event) -> None:
    """Move an action; what makes it impossible is in its row, which is set aside.

    Raises:
        errors.Unreadable: with what to do.
    """
    try:
        _move(unit, action, event)
    except errors.StaleWrite:
        raise
    except Exception as error:  # `decide` raises before anything was changed
        key, said = action.key, f"{type(error).__name__}: {error}"
        unit.set_aside(aside.subject("move", key), key, said)
        raise errors.Unreadable(
            f"{type(event).__name__} of {key.name} of run number {key.run_id} failed ({said}):"
            " its row is damaged; repair it in state.db"
        ) from error


def _waits_for_children(unit: Unit, action: Action, event: Event) -> bool:
    """Whether the process of an aborted action has ended before those below it.

    It stays "aborting", so that ABORTED says of a whole tree that nothing of it is alive.  The
    reconciler reports the loss of its attempt again when the last child is gone.
    """
    ends = isinstance(event, Succeeded | Failed | Lost | Parked)
    return ends and action.aborting is not None and unit.has_open_children(action.key)


def abort(
    unit: Unit,
    *,
    key: ActionKey,
    reason: str,
    spare: ActionKey | None = None,
    must_last: bool = False,
) -> Answer[Action | None]:
    """Abort a tree; `must_last`: somebody is told of it, and a power cut must not start it again."""
    if unit.action(key) is None:
        raise errors.NotFound(f"run {key.run_id} has no action {key.name} that could be aborted")
    unit.must_last = unit.must_last or must_last
    unit.flush()
    for action in unit.adopt(actions.open_tree(unit.connection, key)):
        if action.key != spare:
            _move(unit, action, AbortRequested(action.key, reason))
    return partial(unit.action, key)


def claim(
    unit: Unit,
    *,
    capacity: Capacity,
    plane: str,
    new_token: Callable[[], str],
    processes: Processes,
    apart: bool = False,
) -> Answer[Claims]:
    """New attempts for what is due and has a place."""
    mover = Mover(unit, _move, apart=apart)

    def claimed(chosen: Chosen) -> Event:
        return Claimed(chosen.action.key, new_token(), plane, chosen.devices)

    keys, next_due_at = claiming.claim(unit, capacity, mover, claimed, processes.all)
    return lambda: Claims([unit.current(key) for key in keys], next_due_at)


def set_aside(unit: Unit, *, subject: str, key: ActionKey | None, error: str) -> Answer[None]:
    """A row that cannot be used waits until it can."""
    unit.set_aside(subject, key, error)
    return partial(same, None)


def heal(unit: Unit, *, subject: str, key: ActionKey | None) -> Answer[None]:
    """A row that was set aside can be used again."""
    action = None if key is None else unit.action(key)
    end = None if action is None else claiming.forsaken(unit, action)
    if end is not None:
        abort(unit, key=end.key, reason=end.reason)
    unit.heal(subject)
    if action is not None and conditions.has_one_ended(unit, action):
        _resume(unit, action.key)
    unit.topics.update((QUEUE, LIMITS, ABORTS))
    return partial(same, None)


def set_limit(unit: Unit, *, gate: Gate, most: int) -> Answer[None]:
    """At most so many at once."""
    unit.set_limit(gate, most)
    return partial(same, None)


def delete_limit(unit: Unit, *, gate: Gate) -> Answer[None]:
    """No limit any more."""
    if not unit.delete_limit(gate):
        raise errors.NotFound(
            f"the {gate.kind} {gate.name!r} has no limit; list them with 'flyte get limit'"
        )
    return partial(same, None)


def _move(unit: Unit, action: Action, event: Event) -> None:
    decision = transitions.decide(action, event, unit.now_us)
    if decision.ignored is not None:
        _logger.debug("%s ignored: %s", type(event).__name__, decision.ignored)
        return
    unit.put(decision.action)
    if decision.attempt is not None:
        unit.put_attempt(decision.attempt)
    if decision.publish is not None:
        unit.publish(decision.publish)
    asker = conditions.asker_of_ended(decision.action)
    if asker is not None:
        _resume(unit, asker)


def _resume(unit: Unit, asker: ActionKey) -> None:
    """Let an action go on if it is parked; one whose row is damaged is set aside and goes on when it is healed.

    Nothing is raised for it: the end of the condition, of which somebody is told, stays.
    """
    kind = "read"
    try:
        parent = unit.action(asker)
        kind = "move"
        if parent is not None and parent.phase is Phase.PAUSED:
            _move(unit, parent, Resumed(asker))
    except errors.StaleWrite:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the row of the parent
        unit.set_aside(aside.subject(kind, asker), asker, f"{type(error).__name__}: {error}")


def _key(event: Event) -> ActionKey:
    if isinstance(
        event,
        Claimed
        | AbortRequested
        | TimedOut
        | Slept
        | TurnCame
        | FoundInCache
        | Refused
        | Answered
        | Resumed,
    ):
        return event.key
    return ActionKey(event.attempt.run_id, event.attempt.action)
