"""What a run takes over from an earlier one, and what it executes: the plan of a recovery, and the plan carried out.

The control plane decides by the same rules (`domain/recovery.py` there); a test compares the two.
"""

import difflib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from flyteidl2.task import common_pb2

from flyte import errors
from flyte._ids import ROOT_ACTION
from flyte._runtime.inprocess.journal import Ended, Told
from flyte._wire.caching import references
from flyte.config import _read

Decision = Literal["reuse", "execute", "covered"]
"""`covered`: it belongs to a call that is reused, so nobody asks for it."""
_SUCCEEDED = ("succeeded", "recovered")


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one action of the earlier run."""

    action: str
    parent: str
    """Empty for the root."""
    task: str
    group: str
    kind: str
    phase: str
    """How it ended in the earlier run."""
    decision: Decision
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A recovery before it happens."""

    run: str
    """The earlier run."""
    steps: list[Step]
    """Every action that the earlier run knows, callers before what they called."""
    missing: list[tuple[str, str]]
    """Names of actions whose outputs are needed and gone, each with the reason."""
    executed: frozenset[str]
    """Actions that are executed although the earlier run has their outputs."""


@dataclass(frozen=True, slots=True)
class Known:
    """An action of the earlier run."""

    name: str
    parent: str
    task: str
    group: str
    kind: str
    phase: str
    error: str = ""


def plan(
    run: str,
    known: Sequence[Known],
    *,
    forced: Collection[str] = (),
    changed: bool = False,
    problem: Callable[[str], str | None] = lambda _: None,
) -> Plan:
    """Which actions are reused, and which are executed and why.

    Args:
        run: name of the earlier run.
        known: its actions, callers before what they called.
        forced: names of actions that the user wants executed.
        changed: whether the root gets other inputs than then.
        problem: why an action's outputs cannot be used; None if they can.

    Raises:
        DefinitionError: a forced action does not exist.
    """
    parents = {each.name: each.parent for each in known}
    _check_forced(run, forced, parents)
    callers = {above: name for name in forced for above in _above(name, parents)}
    found = Plan(run, [], [], frozenset((*forced, *callers, *((ROOT_ACTION,) if changed else ()))))
    reused: set[str] = set()
    """Reused actions and all that belongs to them."""
    for each in known:
        decision, why = _decide(each, forced, callers, changed=changed, run=run)
        if each.parent in reused:
            decision, why = "covered", f"belongs to {each.parent}, which is reused"
        elif decision == "reuse" and (gone := problem(each.name)) is not None:
            decision, why = "execute", f"succeeded in {run}, but {gone}"
            found.missing.append((each.name, f"({each.task}): {gone}"))
        if decision != "execute":
            reused.add(each.name)
        found.steps.append(
            Step(
                each.name, each.parent, each.task, each.group, each.kind, each.phase, decision, why
            )
        )
    return found


def _decide(
    each: Known, forced: Collection[str], callers: dict[str, str], *, changed: bool, run: str
) -> tuple[Decision, str]:
    if each.name in forced:
        return "execute", "forced by you"
    if changed and each.name == ROOT_ACTION:
        return "execute", "its inputs are others now"
    if each.phase not in _SUCCEEDED:
        ended = each.phase.replace("_", " ")
        return "execute", f"{ended}: {each.error}" if each.error else ended
    if each.name in callers:
        return "execute", f"must call {callers[each.name]}, which is forced"
    return "reuse", f"succeeded in {run}"


def _above(name: str, parents: dict[str, str]) -> Iterable[str]:
    """The callers of an action, the nearest first."""
    while name := parents.get(name, ""):
        yield name


def _check_forced(run: str, forced: Collection[str], known: Collection[str]) -> None:
    for name in forced:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1)
            hint = (
                f"did you mean {near[0]}?" if near else f"see: flyte rerun {run} --recover --plan"
            )
            raise errors.DefinitionError(
                f"run {run} has no action {name!r} that could be forced; {hint}"
            )


class Earlier:
    """An earlier local run, from which a new one takes over what has succeeded.

    Args:
        told: the earlier run.
        forced: names of actions that are executed all the same.
        allow_missing: execute what has lost its outputs; else `check` refuses.
    """

    def __init__(
        self, told: Told, forced: Collection[str] = (), *, allow_missing: bool = False
    ) -> None:
        self.told = told
        self._forced = tuple(forced)
        self._allow_missing = allow_missing
        self._executed: frozenset[str] = frozenset(forced)

    @property
    def run(self) -> str:
        return self.told.begun.run

    def plan(self, *, changed: bool = False) -> Plan:
        """What would happen now.

        Raises:
            DefinitionError: a forced action does not exist.
        """
        return plan(
            self.run, known(self.told), forced=self._forced, changed=changed, problem=self._problem
        )

    def check(self, *, changed: bool) -> None:
        """Make sure that what is to be reused can be, before anything starts.

        Raises:
            DefinitionError: a forced action does not exist.
            RuntimeUserError: outputs are gone (code `MissingOutputs`), with a list of them.
        """
        found = self.plan(changed=changed)
        if found.missing and not self._allow_missing:
            raise errors.RuntimeUserError(
                "MissingOutputs", missing_message(self.run, found.missing)
            )
        self._executed = found.executed

    def take(self, name: str) -> Ended | None:
        """The end of an action that is taken over; None if it must be executed."""
        ended = self.told.ended.get(name)
        if ended is None or ended.phase not in _SUCCEEDED or name in self._executed:
            return None
        return None if self._problem(name) else ended

    def _problem(self, name: str) -> str | None:
        ended = self.told.ended[name]
        if ended.outputs is None:
            return "its outputs were too large to be kept"
        outputs = common_pb2.Outputs.FromString(ended.outputs)
        gone = references.missing(outputs, below=str(_read.flyte_home()))
        return f"{gone}, to which its outputs refer, is gone" if gone else None


def missing_message(run: str, missing: Sequence[tuple[str, str]]) -> str:
    """Why a recovery is refused whose outputs are gone, and what to do."""
    listed = "".join(f"\n  {name} {reason}" for name, reason in missing)
    return (
        f"run {run} cannot be recovered as planned: outputs that are to be reused are gone:{listed}\n"
        "Nothing was started. Execute these actions again with --allow-missing-outputs "
        "(allow_missing_source_outputs=True), or bring the files back."
    )


def known(told: Told) -> list[Known]:
    """The actions of a local run, callers before what they called."""
    found = [
        Known(call.name, call.parent, call.task, call.group, "task", "never ended")
        for call in told.called.values()
        if call.name not in told.ended
    ]
    found += [
        Known(
            end.name,
            end.parent,
            end.task,
            end.group,
            end.kind,
            end.phase,
            end.error.partition("\n")[0],
        )
        for end in told.ended.values()
    ]
    order = {name: number for number, name in enumerate((*told.called, *told.ended))}
    return _callers_first(sorted(found, key=lambda each: order[each.name]))


def _callers_first(found: Sequence[Known]) -> list[Known]:
    """The actions in the order of a tree; those whose caller is not known stand at the top."""
    names = {each.name for each in found}
    below: dict[str, list[Known]] = {}
    for each in found:
        below.setdefault(each.parent if each.parent in names else "", []).append(each)
    ordered: list[Known] = []
    waiting = list(reversed(below.get("", [])))
    while waiting:
        each = waiting.pop()
        ordered.append(each)
        waiting.extend(reversed(below.get(each.name, [])))
    return ordered
