"""Live progress of a run: how many actions of which task are where, and what has just failed, with its cause."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field

from flyteidl2.common import identifier_pb2
from flyteidl2.workflow import run_service_pb2

from flyte import errors
from flyte._ids import ROOT_ACTION
from flyte._phases import ActionPhase
from flyte.remote import _watching
from flyte.remote._action import Action
from flyte.remote._common import named
from flyte.remote._details import ActionDetails
from flyte.remote._record import identifier
from flyte.syncify import syncify

FAILED = (ActionPhase.FAILED, ActionPhase.TIMED_OUT, ActionPhase.ABORTED)

_SETTLE_SECONDS = 1.0
_CAUSES_AT_ONCE = 20
"""Of a thousand actions that fail together, so many are asked for their cause; the others are counted."""


@dataclass(frozen=True, slots=True)
class FailedAction:
    """An action that has just failed, timed out or been aborted."""

    name: str
    task_name: str
    phase: ActionPhase
    cause: str
    """One line; empty for those beyond the first twenty of a snapshot."""
    attempts: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment."""

    run_name: str
    phase: ActionPhase
    """Of the run, which is that of its first action."""
    counts: Mapping[str, Mapping[ActionPhase, int]]
    """By task name, in the order in which the tasks were first called; then by phase."""
    failures: tuple[FailedAction, ...]
    """Those that the snapshots before this one did not have."""
    endings: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many actions are being ended: `aborting`, `timing out`."""

    @property
    def total(self) -> int:
        """How many actions there are, so far."""
        return sum(sum(by_phase.values()) for by_phase in self.counts.values())

    @property
    def ended(self) -> int:
        """How many actions will not change any more."""
        return sum(
            number
            for by_phase in self.counts.values()
            for phase, number in by_phase.items()
            if phase.is_terminal
        )


@syncify
async def snapshots(run: str | identifier_pb2.RunIdentifier) -> AsyncIterator[Snapshot]:
    """The progress of a run (by its name: in the session's project), after every change, until it has ended.

    Survives lost connections and a restart of the control plane.

    Raises:
        ActionNotFoundError: there is no such run.
        UnionRpcError: the control plane does not come back.

    Example:
        >>> async for snapshot in snapshots.aio("r1"):
        ...     print(f"{snapshot.ended} of {snapshot.total}")
    """
    seen = _Seen()
    run_id = identifier(None, run, None).run if isinstance(run, str) else run
    changes = changed_actions(run_id)
    async with _watching.closing(changes):
        while True:
            try:
                # The root may end before the news of its last children: what is on the way is waited for.
                async with asyncio.timeout(_SETTLE_SECONDS if seen.phase.is_terminal else None):
                    changed = await anext(changes)
            except (StopAsyncIteration, TimeoutError):
                return
            failed = seen.take(changed)
            causes = await _causes(failed)
            yield Snapshot(run_id.name, seen.phase, seen.counts(), causes, seen.endings())


async def changed_actions(run_id: identifier_pb2.RunIdentifier) -> AsyncIterator[list[Action]]:
    """All actions of a run, then those that change, until all have ended; the same state may come twice."""
    request = run_service_pb2.WatchActionsRequest(run_id=run_id)
    stream = _watching.messages(
        lambda plane: plane.runs.watch_actions(request), reopen_at_end=False
    )
    with named(f"run {run_id.name}", "list runs with: flyte get run"):
        async with _watching.closing(stream):
            async for response in stream:
                if response.enriched_actions:  # else a sign of life
                    yield [Action(each.action) for each in response.enriched_actions]


class _Seen:
    """The latest state of every action of one run."""

    def __init__(self) -> None:
        self._actions: dict[str, Action] = {}

    @property
    def phase(self) -> ActionPhase:
        root = self._actions.get(ROOT_ACTION)
        return root.phase if root else ActionPhase.QUEUED

    def take(self, changed: Iterable[Action]) -> list[Action]:
        """Take note of changes; those that failed just now."""
        failed: list[Action] = []
        for action in changed:
            before = self._actions.get(action.name)
            self._actions[action.name] = action
            if action.phase in FAILED and (before is None or before.phase not in FAILED):
                failed.append(action)
        return failed

    def counts(self) -> dict[str, dict[ActionPhase, int]]:
        counts: dict[str, Counter[ActionPhase]] = {}
        for action in self._actions.values():
            counts.setdefault(action.task_name or action.name, Counter())[action.phase] += 1
        return {task: dict(by_phase) for task, by_phase in counts.items()}

    def endings(self) -> dict[str, int]:
        alive = (action for action in self._actions.values() if not action.done())
        return dict(Counter(action.state for action in alive if action.ending is not None))


async def _causes(failed: list[Action]) -> tuple[FailedAction, ...]:
    asked = [_cause(action) for action in failed[:_CAUSES_AT_ONCE]]
    causes = [*await asyncio.gather(*asked), *("" for _ in failed[_CAUSES_AT_ONCE:])]
    return tuple(
        FailedAction(
            name=action.name,
            task_name=action.task_name or action.name,
            phase=action.phase,
            cause=cause,
            attempts=action.pb2.status.attempts,
        )
        for action, cause in zip(failed, causes, strict=True)
    )


async def _cause(action: Action) -> str:
    try:
        details = await ActionDetails.get_details.aio(action.pb2.id)
    except (errors.UnionRpcError, errors.ActionNotFoundError):
        return ""  # the cause is a courtesy: progress goes on without it
    error = details.error()
    if error is None:
        return ""
    return error.headline
