"""Which earlier result an action takes, and whose turn it is among equal actions.

Of the actions with one serial key (equal calls of a task that asked for it) one executes and the
others wait, in a phase that holds no slot.  Who executes stands in the rows and nowhere else: it is
whoever has the key and has not ended.  So after its end, however it came, and after a restart of
the control plane, the next look finds that somebody's turn has come.
"""

import logging
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter

from flyte_server.domain.events import FoundInCache, TurnCame
from flyte_server.domain.records import Action, ActionKey, Policy, Run
from flyte_server.engine.unit import Unit
from flyte_server.store import actions, cache
from flyte_server.store.cache import Found

_MOST_TURNS = 500
"""Waiting actions that one look moves; the rest follows in the next one."""
_logger = logging.getLogger(__name__)


def look_up(unit: Unit, run: Run, action: Action) -> tuple[Found | None, str | None]:
    """The entry whose outputs the action takes; or, if there is one that cannot be used, its maker."""
    if action.cache_key is None:
        return None, None
    policy = action.policy
    oldest = int(unit.now_us - policy.cache_max_age_seconds * 1_000_000)
    not_before = oldest if policy.cache_max_age_seconds else 0
    found = cache.load(
        unit.connection,
        run,
        action.cache_key,
        everywhere=policy.cache_everywhere,
        not_before=not_before,
    )
    if found is None:
        return None, None
    if found.created_at < not_before:
        return None, found.source
    problem = unit.outputs.problem(found.output_uri, policy.output_count)
    if problem is None:
        return found, None
    _logger.warning(
        "%s of run %s is executed although the cache has an entry by %s: %s",
        action.name, run.name, found.source, problem,
    )  # fmt: skip
    return None, found.source


def serial_key(run: Run, cache_key: str, *, everywhere: bool) -> str:
    """What equal actions have in common: as far as they find each other's results."""
    return cache_key if everywhere else f"{run.project}/{run.domain}/{cache_key}"


def may_wait(unit: Unit, action: Action) -> bool:
    """Whether the action can wait for an equal one: not if that one's end needs its parent's."""
    if action.serial_key is None or action.parent is None:
        return action.serial_key is not None
    unit.flush()
    parent = ActionKey(action.run_id, action.parent)
    return not actions.waits_for(unit.connection, action.serial_key, parent)


def turns(unit: Unit) -> tuple[list[FoundInCache | TurnCame], bool]:
    """What becomes of actions that waited for an equal one which has ended; and whether there are more."""
    found = actions.free_to_turn(unit.connection, _MOST_TURNS)
    for broken in found.broken:
        unit.set_aside(broken.subject, ActionKey(broken.run_id, broken.action), broken.error)
    waiting = unit.adopt(found)
    events: list[FoundInCache | TurnCame] = []
    for _, equal in groupby(waiting, key=attrgetter("serial_key")):
        events.extend(_of_equal(unit, list(equal)))
    return events, len(waiting) == _MOST_TURNS


def _of_equal(unit: Unit, equal: list[Action]) -> Iterator[FoundInCache | TurnCame]:
    """The result for all, or the turn for the oldest; equal actions of runs with other rules ask for themselves."""
    known: dict[tuple[str, str, Policy], tuple[Found | None, str | None]] = {}
    for action in equal:
        run = unit.run(action.run_id)
        if run is None:
            continue
        asked = (run.project, run.domain, action.policy)
        if asked not in known:
            known[asked] = look_up(unit, run, action)
        found, stale_source = known[asked]
        if found is None:
            yield TurnCame(action.key, stale_source)
            return
        yield FoundInCache(action.key, found.source, found.output_uri)
