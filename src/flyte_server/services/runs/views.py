"""What the streams of RunService show."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from flyteidl2.workflow import run_definition_pb2, run_service_pb2

from flyte_server.domain.ids import ROOT_ACTION
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action, Run
from flyte_server.engine.bus import RUNS, Topic, run_topic
from flyte_server.services.watching import HEARTBEAT_SECONDS
from flyte_server.services.wire.actions import Views
from flyte_server.store import actions, runs
from flyte_server.store.database import Database
from flyte_server.store.runs import RunQuery

M = TypeVar("M")
_QUICK_LOOKS = 12
"""Enough to tell everything about a run of a few actions as it happens."""
_ACTIONS_IN_A_MESSAGE = 200


class OneAction(Generic[M]):
    """One action, told anew with every change until its terminal phase was told.

    Args:
        load: reads the action.
        show: makes the message of it.
    """

    pause_seconds = HEARTBEAT_SECONDS
    rest_seconds = 0.01

    def __init__(
        self,
        run_id: int,
        load: Callable[[], Awaitable[Action]],
        show: Callable[[Action], Awaitable[M]],
    ) -> None:
        self.topic: Topic = run_topic(run_id)
        self._load = load
        self._show = show
        self._version = -1
        self._shown: M | None = None
        self.over = False

    async def look(self) -> Iterable[M]:
        action = await self._load()
        if action.version == self._version:
            return ()
        self._version = action.version
        self._shown = await self._show(action)
        self.over = action.phase.terminal
        return (self._shown,)

    def heartbeat(self) -> M:
        if self._shown is None:
            raise RuntimeError("a stream sends no heartbeat before its first look")
        return self._shown


class RunActions:
    """All actions of a run with the number of their children by phase."""

    pause_seconds = HEARTBEAT_SECONDS

    def __init__(
        self, database: Database, views: Views, run: Run, *, matches: Callable[[Action], bool]
    ) -> None:
        self.topic: Topic = run_topic(run.id)
        self.over = False
        self._database = database
        self._views = views
        self._run = run
        self._matches = matches
        self._cursor = 0
        self._looks = 0
        self._phases: dict[str, Phase] = {}
        self._known: dict[str, Action] = {}
        """Those that may have to be told again: open ones, and those with children.  Of the others only the phase is
        kept: a run may have hundreds of thousands."""
        self._children: defaultdict[str, Counter[Phase]] = defaultdict(Counter[Phase])

    @property
    def rest_seconds(self) -> float:
        """The larger the run, and the longer it was looked at, the rarer the looks: a hello is told at once, and a
        thousand actions that change all the time, or one after the other, are not told one by one."""
        return min(0.2, 0.0002 * len(self._phases) + 0.01 * max(0, self._looks - _QUICK_LOOKS))

    async def look(self) -> Iterable[run_service_pb2.WatchActionsResponse]:
        self._looks += 1
        changed = await self._database.read(actions.run_since, self._run.id, self._cursor)
        self._cursor = max((action.seq for action in changed), default=self._cursor)
        parents: dict[str, None] = {}
        for action in changed:
            self._count(action)
            if action.parent is not None:
                parents[action.parent] = None
        told = {action.name: action for action in changed}
        told |= {name: self._known[name] for name in parents if name in self._known}
        self.over = self._is_over()
        self._forget(changed)
        return self._messages(tuple(told.values()))

    def heartbeat(self) -> run_service_pb2.WatchActionsResponse:
        return run_service_pb2.WatchActionsResponse()

    def _count(self, action: Action) -> None:
        before = self._phases.get(action.name)
        self._phases[action.name] = action.phase
        self._known[action.name] = action
        if action.parent is None:
            return
        counts = self._children[action.parent]
        if before is not None:
            counts[before] -= 1
        counts[action.phase] += 1

    def _forget(self, changed: Iterable[Action]) -> None:
        for action in changed:
            if action.phase.terminal and action.parent and action.name not in self._children:
                self._known.pop(action.name, None)

    def _is_over(self) -> bool:
        root = self._known.get(ROOT_ACTION)
        if root is None or not root.phase.terminal:
            return False
        return all(action.phase.terminal for action in self._known.values())

    def _messages(self, told: Sequence[Action]) -> Iterable[run_service_pb2.WatchActionsResponse]:
        rest = iter(told)
        while part := list(islice(rest, _ACTIONS_IN_A_MESSAGE)):
            yield run_service_pb2.WatchActionsResponse(
                enriched_actions=[self._enriched(action) for action in part]
            )

    def _enriched(self, action: Action) -> run_definition_pb2.EnrichedAction:
        return self._views.enriched(
            self._run,
            action,
            meets_filter=self._matches(action),
            children=self._children.get(action.name, {}),
        )


class RunList:
    """The newest runs of a project, and every change among them."""

    topic: Topic = RUNS
    pause_seconds = HEARTBEAT_SECONDS
    rest_seconds = 0.25
    over = False

    def __init__(self, database: Database, views: Views, query: RunQuery) -> None:
        self._database = database
        self._views = views
        self._query = query
        self._versions: dict[int, int] = {}

    async def look(self) -> Iterable[run_service_pb2.WatchRunsResponse]:
        listed = await self._database.read(runs.listing, self._query)
        changed = [
            (run, root) for run, root in listed if self._versions.get(run.id) != root.version
        ]
        if not changed:
            return ()
        self._versions = {run.id: root.version for run, root in listed}
        return (
            run_service_pb2.WatchRunsResponse(
                runs=[self._views.run(run, root) for run, root in changed]
            ),
        )

    def heartbeat(self) -> run_service_pb2.WatchRunsResponse:
        return run_service_pb2.WatchRunsResponse()
