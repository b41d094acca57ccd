"""The plan of a recovery: what a run takes over from an earlier one, and what it executes and why.

Pure: the rows of the earlier run go in, one decision for each comes out.  The SDK decides by the same rules for runs
in local mode (`flyte/_runtime/inprocess/recovery.py`); a test compares the two.
"""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from flyte_server.domain.errors import Invalid
from flyte_server.domain.ids import ROOT_ACTION
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action

SUCCEEDED = frozenset({Phase.SUCCEEDED, Phase.RECOVERED})
"""Phases with outputs."""
Problem = Callable[[Action], str | None]
"""Why the outputs of an action cannot be used; None if they can."""


class Decision(StrEnum):
    """What becomes of an action of the earlier run."""

    REUSE = "reuse"
    EXECUTE = "execute"
    COVERED = "covered"
    """It belongs to a call that is reused, so nobody asks for it."""


@dataclass(frozen=True, slots=True)
class Step:
    """An action of the earlier run, and what becomes of it."""

    action: Action
    decision: Decision
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A recovery before it happens."""

    steps: list[Step]
    """Every action of the earlier run, callers before what they called."""
    missing: list[Step]
    """Actions whose outputs are needed and gone."""
    executed: frozenset[str]
    """Names of actions that are executed although the earlier run may have their outputs."""


def plan(
    run: str,
    actions: Sequence[Action],
    *,
    forced: Collection[str] = (),
    changed: bool = False,
    problem: Problem = lambda _: None,
) -> Plan:
    """Which actions are reused, and which are executed and why.

    Args:
        run: name of the earlier run.
        actions: all its actions, in any order.
        forced: names of actions that the user wants executed.
        changed: whether the root gets other inputs than then.
        problem: asked only for outputs that are needed.

    Raises:
        Invalid: a forced action does not exist.
    """
    parents = {action.name: action.parent for action in actions}
    _check_forced(run, forced, parents)
    callers = {above: name for name in forced for above in _above(name, parents)}
    executed = frozenset((*forced, *callers, *((ROOT_ACTION,) if changed else ())))
    found = Plan([], [], executed)
    reused: set[str | None] = set()
    """Reused actions, and all that belongs to them."""
    for action in _callers_first(actions):
        decision, why = _decide(action, forced, callers, changed=changed, run=run)
        if action.parent in reused:
            decision, why = Decision.COVERED, f"belongs to {action.parent}, which is reused"
        elif decision is Decision.REUSE and (gone := problem(action)) is not None:
            decision, why = Decision.EXECUTE, f"succeeded in {run}, but {gone}"
            found.missing.append(Step(action, decision, gone))
        if decision is not Decision.EXECUTE:
            reused.add(action.name)
        found.steps.append(Step(action, decision, why))
    return found


def _decide(
    action: Action, forced: Collection[str], callers: Mapping[str, str], *, changed: bool, run: str
) -> tuple[Decision, str]:
    if action.name in forced:
        return Decision.EXECUTE, "forced by you"
    if changed and action.name == ROOT_ACTION:
        return Decision.EXECUTE, "its inputs are others now"
    if action.phase not in SUCCEEDED:
        return Decision.EXECUTE, _how_it_ended(action)
    if action.name in callers:
        return Decision.EXECUTE, f"must call {callers[action.name]}, which is forced"
    return Decision.REUSE, f"succeeded in {run}"


def _how_it_ended(action: Action) -> str:
    ended = action.phase.value.replace("_", " ")
    failure = action.failure
    if failure is None:
        return ended
    reason = failure.message.strip().partition("\n")[0]
    return f"{ended}: {failure.code}: {reason}"


def _above(name: str, parents: Mapping[str, str | None]) -> Iterator[str]:
    """The callers of an action, the nearest first."""
    caller = parents.get(name)
    while caller is not None:
        yield caller
        caller = parents.get(caller)


def _check_forced(run: str, forced: Collection[str], known: Collection[str]) -> None:
    for name in forced:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1)
            hint = (
                f"did you mean {near[0]}?" if near else f"see 'flyte rerun {run} --recover --plan'."
            )
            raise Invalid(f"Run {run} has no action {name!r} that could be forced; {hint}")


def _callers_first(actions: Sequence[Action]) -> Iterator[Action]:
    """The actions as a tree, in the order of their creation."""
    names = {action.name for action in actions}
    below: dict[str | None, list[Action]] = {}
    for action in sorted(actions, key=lambda each: (each.created_at, each.seq)):
        below.setdefault(action.parent if action.parent in names else None, []).append(action)
    waiting = list(reversed(below.get(None, [])))
    while waiting:
        action = waiting.pop()
        yield action
        waiting.extend(reversed(below.get(action.name, [])))
