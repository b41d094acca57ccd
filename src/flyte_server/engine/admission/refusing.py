"""Whether a new action can ever run on this machine; decided when it is taken in."""

from collections.abc import Iterator

from flyte_server.domain import capacity
from flyte_server.domain.admission import accelerators
from flyte_server.domain.capacity import DEVICES, DISK, MEMORY, Capacity
from flyte_server.domain.records import Action, ActionKey, Failure
from flyte_server.engine.admission import sentences
from flyte_server.engine.unit import Unit


def objection(unit: Unit, action: Action, machine: Capacity) -> Failure | None:
    """Why it can never run here: it asks for more than there is, or than the tasks that called it leave; else None.

    A caller keeps its memory, disk, devices, and its place in a pool until what it called has ended.
    """
    needs, pool = action.policy.needs, action.policy.pool
    reason = sentences.objection(needs, machine)
    if reason is None and (needs.memory or needs.disk or needs.devices) and pool is None:
        reason = sentences.nested(needs, _kept(unit, action, machine), machine)
    if reason is None and pool is not None:
        places, held = pool.places, _held_places(unit, action)
        reason = sentences.crowded(action.environment, places) if held >= places else None
    return None if reason is None else sentences.failure(action.task_name, reason)


def _kept(unit: Unit, action: Action, machine: Capacity) -> dict[str, int]:
    """What its callers reserve; those in a pool reserve nothing of their own."""
    callers = [each.policy.needs for each in _callers(unit, action) if each.policy.pool is None]
    matching = accelerators.answering(machine.devices, action.policy.needs)
    alike = [each for each in callers if accelerators.answering(matching, each)]
    return {
        MEMORY: sum(capacity.amount(each, MEMORY) for each in callers),
        DISK: sum(capacity.amount(each, DISK) for each in callers),
        DEVICES: sum(each.devices for each in alike)
        if len(matching) == len(machine.devices)
        else 0,
    }


def _held_places(unit: Unit, action: Action) -> int:
    """How many of its callers are in the same pool."""
    pool = action.policy.pool
    return sum(
        each.policy.pool is not None and pool is not None and each.policy.pool.key == pool.key
        for each in _callers(unit, action)
    )


def _callers(unit: Unit, action: Action) -> Iterator[Action]:
    """Its parent, the parent's parent, and so on."""
    parent = action.parent
    while parent is not None:
        caller = unit.action(ActionKey(action.run_id, parent))
        if caller is None:
            return
        yield caller
        parent = caller.parent
