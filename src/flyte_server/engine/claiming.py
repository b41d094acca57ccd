"""Which of the actions that are due start next: as many as have a place under every limit that holds for them.

Actions with the same limits wait in one lane.  A lane without a free place is not looked into, so that a run with a
limit and a hundred thousand waiting children costs the others nothing.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from flyte_server.domain import capacity as capacities
from flyte_server.domain import errors
from flyte_server.domain.capacity import ENVIRONMENT, QUEUE, ROOT_PATIENCE_US, RUN, Gate, Places
from flyte_server.domain.events import AbortRequested, Event
from flyte_server.domain.records import Action, ActionKey
from flyte_server.engine import caching
from flyte_server.engine.unit import Unit
from flyte_server.store import actions, aside, limits
from flyte_server.store.rows import Broken, Connection


@dataclass(frozen=True, slots=True)
class Mover:
    """Moves one of many actions; what fails does not stop the others."""

    unit: Unit
    move: Callable[[Unit, Action, Event], None]
    apart: bool
    """Every move in a savepoint of its own: one that raises is undone and its action set aside."""

    def moves(self, action: Action, event: Event) -> bool:
        """Move it; False if it was set aside."""
        if not self.apart:
            self.move(self.unit, action, event)
            return True
        try:
            with self.unit.apart():
                self.move(self.unit, action, event)
        except (errors.StaleWrite, errors.Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - it must not stop the others
            said = f"{type(error).__name__}: {error}"
            self.unit.set_aside(aside.subject("claim", action.key), action.key, said)
            return False
        return True


@dataclass(frozen=True, slots=True)
class Choice:
    """What a look at the queue gives."""

    actions: list[Action]
    next_due_at: int | None = None
    """When the next action that waits for a moment becomes due."""
    broken: tuple[Broken, ...] = ()
    """Rows of due actions that cannot be read."""


def claim(
    unit: Unit, capacity: capacities.Capacity, mover: Mover, claimed: Callable[[Action], Event]
) -> tuple[list[ActionKey], int | None]:
    """Claim what is due; gives the keys in order, and when to look again at the latest.

    Args:
        unit: the transaction.
        capacity: the slots of the machine.
        mover: moves the actions.
        claimed: makes the event for one.
    """
    unit.flush()
    now, connection = unit.now_us, unit.connection
    left = aside.listing(connection)
    alone = {key for entry in left if entry.until > now and (key := entry.key) is not None}
    more = actions.anybody_waits_for_turn(connection) and _give_turns(unit, mover)
    choice = choose(connection, capacity, now, alone)
    for broken in choice.broken:
        key = ActionKey(broken.run_id, broken.action)
        more = more or key not in alone  # it took the place of another one
        unit.set_aside(broken.subject, key, broken.error)
    chosen = unit.adopt(choice.actions)
    moved: list[ActionKey] = []
    for action in chosen:
        end = forsaken(unit, action) if left else None
        if mover.moves(action, end or claimed(action)) and end is None:
            moved.append(action.key)
    if left:
        for key in moved:
            unit.heal(aside.subject("claim", key))
            unit.heal(aside.subject("read", key))
    more = more or len(moved) < len(chosen)
    return moved, now if more else choice.next_due_at


def forsaken(unit: Unit, action: Action) -> AbortRequested | None:
    """The end of an action whose row could not be read while what called it was ended or aborted; None for others."""
    if action.parent is None or action.phase.terminal:
        return None
    parent = unit.action(ActionKey(action.run_id, action.parent))
    if parent is None or not (parent.phase.terminal or parent.aborting is not None):
        return None
    reason = parent.aborting or f"its parent {parent.name} has ended"
    return AbortRequested(action.key, reason)


def _give_turns(unit: Unit, mover: Mover) -> bool:
    """Move actions that waited for an equal one; tells whether there are more of them."""
    events, more = caching.turns(unit)
    for event in events:
        mover.moves(unit.current(event.key), event)
    unit.flush()
    return more


def choose(
    connection: Connection,
    capacity: capacities.Capacity,
    now_us: int,
    set_aside: Collection[ActionKey] = (),
) -> Choice:
    """The actions to start, in order; but none of those that are set aside."""
    lanes = actions.lanes(connection)
    if not lanes:
        return Choice([])
    free = places(connection, capacity, limits.listing(connection) if any(lanes) else {})
    candidates: list[Action] = []
    moments: list[int] = []
    broken: list[Broken] = []
    for lane in lanes:
        room = free.free(lane)
        if room == 0:
            continue  # whoever gives a place back wakes the scheduler
        found = actions.due(
            connection,
            lane,
            now_us=now_us,
            root_patience_us=ROOT_PATIENCE_US,
            limit=room + len(set_aside),
        )
        candidates += [action for action in found if action.key not in set_aside]
        broken += found.broken
        moment = actions.next_due_at(connection, lane, now_us)
        if moment is not None:
            moments.append(moment)
    candidates.sort(key=order)
    return Choice(_fitting(candidates, free), min(moments, default=None), tuple(broken))


def places(
    connection: Connection, capacity: capacities.Capacity, limited: capacities.Limits
) -> Places:
    """The free places, from the attempts that are alive now."""
    made = Places(capacity, limited)
    for each in actions.occupancy(connection):
        held = (
            Gate(RUN, str(each.run_id)),
            Gate(ENVIRONMENT, each.environment),
            Gate(QUEUE, each.queue),
        )
        made.hold(held, each.count)
    return made


def order(action: Action) -> tuple[int, int]:
    """By what actions of different lanes are compared; the same as within a lane."""
    patience = ROOT_PATIENCE_US if action.parent is None else 0
    return action.due_at + patience, action.seq


def _fitting(candidates: list[Action], free: Places) -> list[Action]:
    chosen: list[Action] = []
    for action in candidates:
        if free.free(action.lane):
            free.hold([gate for gate, _ in capacities.gates(action.lane)])
            chosen.append(action)
    return chosen
