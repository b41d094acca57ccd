"""Which of the actions that are due start next: those that have a place under every limit, and fit into the machine.

The order is that of `lines.Order`: runs take turns.  Nobody is overtaken for ever: who is next, does not fit, and has
waited for `PATIENCE_US`, gets what becomes free; until it fits, nobody behind it takes of what it lacks.  Only actions
for which somebody waits who keeps some of that (memory, disk, devices of a waiting parent) may, else it would never
become free.  And when all memory or disk is kept by parents of which nothing computes, what they wait for starts above
the capacity: several runs that hold a part and want another would wait for each other for ever.
"""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from flyte_server.domain import capacity as capacities
from flyte_server.domain import errors
from flyte_server.domain.admission import lanes
from flyte_server.domain.admission.lanes import ENVIRONMENT, POOL, QUEUE, RUN, Gate, Lane, Limits
from flyte_server.domain.capacity import DISK, KEPT, MEMORY, Capacity, Places, Standing
from flyte_server.domain.events import AbortRequested, Event, Refused
from flyte_server.domain.records import Action, ActionKey
from flyte_server.domain.telling import Told
from flyte_server.engine import caching
from flyte_server.engine.admission import sentences
from flyte_server.engine.admission.lines import Line, Order
from flyte_server.engine.unit import Unit
from flyte_server.store import actions, aside, limits
from flyte_server.store.rows import Broken, Connection

PATIENCE_US = 5_000_000
"""Whoever is next and has waited so long is not overtaken any more by others that want what it lacks."""
_OVERCOMMITTED = (MEMORY, DISK)
"""What may be given above the capacity; an accelerator has one owner."""
_REFUSED_AT_ONCE = 100


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
class Chosen:
    """An action that starts."""

    action: Action
    devices: tuple[str, ...] = ()
    """The accelerators that become its own."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """An action that can never run on this machine."""

    action: Action
    event: Refused


@dataclass(frozen=True, slots=True)
class Choice:
    """What a look at the queue gives."""

    chosen: list[Chosen]
    next_due_at: int | None = None
    """When the next action that waits for a moment becomes due."""
    broken: tuple[Broken, ...] = ()
    """Rows of due actions that cannot be read."""
    refused: tuple[Unfit, ...] = ()
    """What was taken in by a larger machine and can never run on this one."""
    filling: "Filling | None" = None
    """How it came to be; None when nobody waits."""


def claim(
    unit: Unit,
    capacity: Capacity,
    mover: Mover,
    claimed: Callable[[Chosen], Event],
    standing: Collection[Standing] = (),
) -> tuple[list[ActionKey], int | None]:
    """Claim what is due; gives the keys in order, and when to look again at the latest.

    Args:
        unit: the transaction.
        capacity: what the machine has.
        mover: moves the actions.
        claimed: makes the event for one.
        standing: the processes of pools.
    """
    unit.flush()
    now, connection = unit.now_us, unit.connection
    left = aside.listing(connection)
    alone = {key for entry in left if entry.until > now and (key := entry.key) is not None}
    more = actions.anybody_waits_for_turn(connection) and _give_turns(unit, mover)
    choice = choose(connection, capacity, now, set_aside=alone, standing=standing)
    for broken in choice.broken:
        key = ActionKey(broken.run_id, broken.action)
        more = more or key not in alone  # it took the place of another one
        unit.set_aside(broken.subject, key, broken.error)
    for refused in choice.refused:
        (action,) = unit.adopt([refused.action])
        more = mover.moves(action, refused.event) or more
    moved: list[ActionKey] = []
    for each in choice.chosen:
        (action,) = unit.adopt([each.action])
        end = forsaken(unit, action) if left else None
        if mover.moves(action, end or claimed(each)) and end is None:
            moved.append(action.key)
    if left:
        for key in moved:
            unit.heal(aside.subject("claim", key))
            unit.heal(aside.subject("read", key))
    more = more or len(moved) < len(choice.chosen)
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
    capacity: Capacity,
    now_us: int,
    *,
    set_aside: Collection[ActionKey] = (),
    standing: Collection[Standing] = (),
) -> Choice:
    """The actions to start, in order; but none of those that are set aside."""
    waiting = actions.lanes(connection)
    if not waiting:
        return Choice([])
    found = occupied(
        connection, capacity, limits.listing(connection) if any(waiting) else {}, standing
    )
    order = Order(connection, now_us, found.alive, set_aside)
    refused: list[Unfit] = []
    for lane in waiting:
        reason = sentences.objection(lanes.read(lane).needs, capacity)
        if reason is not None:
            refused += _unfit(connection, lane, reason, now_us)
        elif not found.places.is_closed(lanes.read(lane)):
            order.add(lane)  # of a closed one whoever gives a place back wakes the scheduler
    filling = Filling(found, now_us)
    chosen = filling.fill(order)
    return Choice(chosen, order.next_due_at, tuple(order.broken), tuple(refused), filling)


def _unfit(connection: Connection, lane: str, reason: Told, now_us: int) -> list[Unfit]:
    """Some of a lane for which the machine has become too small."""
    return [
        Unfit(action, Refused(action.key, sentences.failure(action.task_name, reason)))
        for line in actions.lines(connection, lane)
        for action in actions.due(
            connection, lane, line.number, now_us=now_us, limit=_REFUSED_AT_ONCE
        )
    ]


@dataclass(frozen=True, slots=True)
class Occupied:
    """What the attempts that are alive leave."""

    places: Places
    alive: Counter[int] = field(default_factory=Counter[int])
    """How many attempts of each run compute."""
    kept: dict[str, set[int]] = field(default_factory=dict[str, set[int]])
    """Runs of which a waiting parent keeps memory, disk or devices."""
    freeing: set[str] = field(default_factory=set[str])
    """What somebody has who computes, or a process of a pool: some of it will become free by itself."""


def occupied(
    connection: Connection, capacity: Capacity, limited: Limits, standing: Collection[Standing] = ()
) -> Occupied:
    """What is free, from the attempts that are alive now."""
    found = Occupied(Places(capacity, limited))
    for each in actions.occupancy(connection):
        lane = lanes.read(each.lane)
        if each.waits:
            found.places.hold_waiting(lane, each.count)
            for kind in KEPT:
                if capacities.amount(lane.needs, kind):
                    found.kept.setdefault(kind, set()).add(each.run_id)
            continue
        held = (
            Gate(RUN, str(each.run_id)),
            Gate(ENVIRONMENT, each.environment),
            Gate(QUEUE, each.queue),
        )
        found.places.hold(lane, held, each.count)
        found.alive[each.run_id] += each.count
        found.freeing.update(kind for kind in KEPT if capacities.amount(lane.needs, kind))
    for process in standing:
        found.freeing.update(kind for kind in KEPT if capacities.amount(process.needs, kind))
    if capacity.devices:
        found.places.hold_devices(actions.given_devices(connection))
    found.places.hold_standing(standing)
    return found


class Filling:
    """Gives what is free to those who are next.

    Args:
        found: what is free; it is changed.
        now_us: the moment.
    """

    def __init__(self, found: Occupied, now_us: int) -> None:
        self._found = found
        self._places = found.places
        self._now_us = now_us
        self.promised: dict[str, Line] = {}
        """What is left to somebody who has waited long and lacks it."""

    def fill(self, order: Order) -> list[Chosen]:
        """Those who start."""
        chosen: list[Chosen] = []
        while (line := order.next()) is not None:
            if self._places.is_closed(line.lane) or not self._fits(line):
                continue  # this claim does not look into it any more
            action = order.take(line)
            if action is None:
                continue
            chosen.append(self._started(action, line.lane))
        return chosen

    def _started(self, action: Action, lane: Lane) -> Chosen:
        found, needs = self._found, lane.needs
        self._places.hold(lane, [gate for gate, _ in lane.gates if gate.kind != POOL])
        found.alive[action.run_id] += 1
        found.freeing.update(kind for kind in KEPT if capacities.amount(needs, kind))
        return Chosen(action, self._places.take_devices(needs))

    def _fits(self, line: Line) -> bool:
        lacking = self._places.lacking(line.lane.needs)
        if not lacking:
            return not self.held_back(line.lane, line.run_id)
        if self._now_us - line.due_at < PATIENCE_US:
            return False
        if all(self._is_stuck(kind, line.run_id) for kind in lacking):
            return True
        for kind in lacking:
            self.promised.setdefault(kind, line)
        return False

    def held_back(self, lane: Lane, run_id: int) -> list[str]:
        """What it needs and somebody else gets first."""
        return [
            kind
            for kind in self.promised
            if capacities.amount(lane.needs, kind) and run_id not in self._found.kept.get(kind, ())
        ]

    def _is_stuck(self, kind: str, run_id: int) -> bool:
        """Whether nothing of it becomes free before an action of this run has ended."""
        keeping = self._found.kept.get(kind, set())
        if kind not in _OVERCOMMITTED or kind in self._found.freeing or run_id not in keeping:
            return False
        return not any(self._found.alive[each] for each in keeping)
