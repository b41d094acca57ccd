"""Why an action does not run yet: read from the same rows as the claim, when somebody asks."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from flyte_server.domain import capacity
from flyte_server.domain.admission import accelerators, lanes
from flyte_server.domain.admission.lanes import ENVIRONMENT, POOL, QUEUE, RUN, Gate, Lane
from flyte_server.domain.capacity import CPU, DEVICES, SLOTS, Capacity, Standing
from flyte_server.domain.needs import Needs
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action
from flyte_server.engine.admission import claiming
from flyte_server.engine.admission.claiming import Occupied
from flyte_server.store import actions, limits, runs
from flyte_server.store.actions import Holder, Living
from flyte_server.store.rows import Connection

BACKOFF, LIMIT, LINE, EQUAL = "backoff", "limit", "line", "equal"
MACHINE = "machine"
_MOST_HOLDERS = 20


@dataclass(frozen=True, slots=True)
class Full:
    """A limit, or something of the machine, of which there is too little now."""

    gate: Gate
    """Of the machine: `Gate("machine", "cpu")` and so on."""
    most: int
    """How many it lets in; of the machine how much there is (thousandths of a CPU, bytes, devices)."""
    holders: list[Holder]
    """Who holds it, the oldest first; not all of very many."""
    said: str
    """Of what there is too little and how much of it is held, for people; the holders are named behind it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What an action waits for."""

    reason: str
    """`backoff`: until a moment; `limit`: for a place; `line`: for its turn; `equal`: for an equal action's result."""
    since: int
    until: int | None = None
    ahead: int | None = None
    """How many wait before it in its line: of its run, in its lane."""
    full: tuple[Full, ...] = ()
    equal: Holder | None = None


def why(
    connection: Connection,
    action: Action,
    machine: Capacity,
    now_us: int,
    standing: Collection[Standing] = (),
) -> Wait | None:
    """What a queued action waits for; None for one that is not queued."""
    if action.waits_for_turn:
        return Wait(EQUAL, action.queued_at, equal=_executing(connection, action))
    if action.phase is not Phase.QUEUED:
        return None
    if action.due_at > now_us:
        return Wait(BACKOFF, action.queued_at, until=action.due_at)
    full = _full(connection, action, machine, standing)
    if not full:
        full = _earlier(connection, action, machine, now_us, standing)
    return Wait(
        LIMIT if full else LINE,
        max(action.queued_at, action.due_at),
        ahead=actions.ahead(connection, action),
        full=tuple(full),
    )


def _full(
    connection: Connection, action: Action, machine: Capacity, standing: Collection[Standing]
) -> list[Full]:
    found = claiming.occupied(connection, machine, limits.listing(connection), standing)
    lane, living = lanes.read(action.lane), actions.living(connection)
    full = [
        Full(gate, most, holders(living, under(gate)), _gate_said(gate, action, most))
        for gate, most, room in found.places.rooms(lane)
        if room <= 0
    ]
    if lane.pool is None and machine.free(found.places.taken(SLOTS)) == 0:
        who = holders(living, computes)
        full.append(Full(Gate(MACHINE, SLOTS), machine.slots, who, _slots_said(machine)))
    full += [
        _short(kind, lane, found, living, standing) for kind in found.places.lacking(lane.needs)
    ]
    return full


def _earlier(
    connection: Connection,
    action: Action,
    machine: Capacity,
    now_us: int,
    standing: Collection[Standing],
) -> list[Full]:
    """Who has waited long and gets first what there is room for now."""
    lane = lanes.read(action.lane)
    filling = claiming.choose(connection, machine, now_us, standing=standing).filling
    if filling is None:
        return []
    full: list[Full] = []
    for kind in filling.held_back(lane, action.run_id):
        line = filling.promised[kind]
        first = actions.due(connection, line.text, line.number, now_us=now_us, limit=1)
        who = [holder for each in first if (holder := _holder(connection, each)) is not None]
        said = f"{_wanted(kind, lane.needs)}: what becomes free is waited for longer"
        full.append(Full(Gate(MACHINE, kind), machine.amount(kind) or 0, who, said))
    return full


def _short(
    kind: str, lane: Lane, found: Occupied, living: list[Living], standing: Collection[Standing]
) -> Full:
    """Of what the machine has too little for a lane now."""
    machine, needs = found.places.capacity, lane.needs
    if kind == DEVICES:
        fitting = {device.id: device for device in accelerators.answering(machine.devices, needs)}
        given = fitting.keys() & found.places.given_devices
        who = holders(living, lambda each: bool(fitting.keys() & set(each.devices)))
        who += [replica(each) for each in standing if fitting.keys() & set(each.devices)]
        there = accelerators.counted(list(fitting.values()))
        said = f"{_wanted(kind, needs)}: {len(given)} of {there} are taken"
        return Full(Gate(MACHINE, kind), len(fitting), who, said)
    most = machine.amount(kind) or 0
    who = holders(living, lambda each: reserves(each, kind))
    who += [replica(each) for each in standing if capacity.amount(each.needs, kind)]
    said = (
        f"{_wanted(kind, needs)}:"
        f" {capacity.said(kind, found.places.taken(kind))} of {capacity.said(kind, most)} are reserved"
    )
    return Full(Gate(MACHINE, kind), most, who, said)


def _wanted(kind: str, needs: Needs) -> str:
    if kind == DEVICES:
        return accelerators.wanted(needs)
    return capacity.said(kind, capacity.amount(needs, kind))


def holders(
    living: list[Living], holds: Callable[[Living], bool], most: int = _MOST_HOLDERS
) -> list[Holder]:
    """Who of those that are alive holds something, the oldest first; not all of very many."""
    return [each.holder for each in living if holds(each)][:most]


def replica(process: Standing) -> Holder:
    """A process of a pool, as a holder."""
    return Holder("", "", "", process.name, "replica")


def reserves(each: Living, kind: str) -> bool:
    """Whether an attempt has `cpu`, `memory` or `disk` reserved."""
    if kind == CPU and each.waits:
        return False
    return capacity.amount(lanes.read(each.lane).needs, kind) > 0


def computes(each: Living) -> bool:
    """Whether an attempt holds a slot."""
    return not each.waits and lanes.read(each.lane).pool is None


def under(gate: Gate) -> Callable[[Living], bool]:
    """Whether an attempt counts under a limit."""

    def counts(each: Living) -> bool:
        if gate.kind == POOL:  # its parents stay in their processes while they wait
            return lanes.read(each.lane).pool == gate.name
        held = {RUN: str(each.run_id), ENVIRONMENT: each.environment, QUEUE: each.queue}
        return not each.waits and held[gate.kind] == gate.name

    return counts


def _gate_said(gate: Gate, action: Action, most: int) -> str:
    what = f"pool {action.environment}" if gate.kind == POOL else f"{gate.kind} {gate.name}"
    return f"{what}: all {most} taken"


def _slots_said(machine: Capacity) -> str:
    return f"slots of the machine: all {machine.slots} taken"


def _executing(connection: Connection, action: Action) -> Holder | None:
    found = actions.executes(connection, action.serial_key or "")
    return None if found is None else _holder(connection, found)


def _holder(connection: Connection, action: Action) -> Holder | None:
    run = runs.by_id(connection, action.run_id)
    if run is None:
        return None
    return Holder(run.project, run.domain, run.name, action.name, action.task_name)
