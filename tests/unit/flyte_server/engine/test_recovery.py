"""Runs that recover an earlier one, on the real engine and store: what happens is what was planned."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.clock import ManualClock
from tests.fakes.control_plane import ControlPlane, new_action, new_run

from flyte_server.domain.capacity import Capacity
from flyte_server.domain.commands import NewRun, NewTrace
from flyte_server.domain.errors import Conflict
from flyte_server.domain.events import AbortRequested, Failed, Started, Succeeded
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import (
    Action,
    ActionKey,
    AttemptKey,
    Failure,
    Policy,
    Recovery,
    Run,
)
from flyte_server.domain.recovery import Decision, Plan
from flyte_server.engine.engine import Engine
from flyte_server.engine.recovery import Recoveries
from flyte_server.store import actions, runs

NO_RETRY = Policy(retries=0)
BROKEN = Failure("ValueError", "no rows", recoverable=False)


@dataclass
class Forest:
    """A tree of calls: who calls whom in which order; a name may be a trace, and may fail."""

    children: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    traces: set[str] = field(default_factory=set[str])
    failing: set[str] = field(default_factory=set[str])

    @property
    def names(self) -> list[str]:
        return ["a0", *(name for below in self.children.values() for name in below)]


@dataclass
class Outputs:
    """Implements `engine.ports.Outputs`: a test says what is gone."""

    gone: set[str] = field(default_factory=set[str])

    def problem(self, output_uri: str, count: int | None) -> str | None:
        return (
            f"{output_uri} is gone" if any(f"/{name}" in output_uri for name in self.gone) else None
        )


class Play:
    """Runs of a forest: parents call one child after the other, as a task's process does."""

    def __init__(self, forest: Forest) -> None:
        self.forest = forest
        self.outputs = Outputs()
        self.plane = ControlPlane(ManualClock())
        self.plane.engine = Engine(
            self.plane.database, self.plane.bus, self.plane.clock, outputs=self.outputs
        )
        self.recoveries = Recoveries(self.plane.database, self.outputs)
        self.executed: set[str] = set()

    async def run(self, name: str, recovery: Recovery | None = None, project: str = "p") -> Run:
        """A run to its end."""
        self.executed.clear()
        command = new_run(name, project=project, policy=NO_RETRY)
        run, root = await self.plane.engine.create_run(
            NewRun(
                project,
                "development",
                spec=command.spec,
                root=command.root,
                name=name,
                recovery=recovery,
            )
        )
        if not root.phase.terminal:
            await self._execute(run.id, "a0")
        return run

    async def plan(self, run: Run, forced: tuple[str, ...] = ()) -> Plan:
        return await self.recoveries.plan(run, forced, changed=False)

    async def actions(self, run: Run) -> dict[str, Action]:
        found = await self.plane.database.read(actions.run_since, run.id, 0)
        return {action.name: action for action in found}

    async def close(self) -> None:
        await self.plane.engine.close()
        self.plane.database.close()

    async def _execute(self, run_id: int, name: str) -> bool:
        """Execute a queued action; whether it succeeded."""
        self.executed.add(name)
        engine, now = self.plane.engine, self.plane.clock.now_us()
        (claimed,) = (await engine.claim(Capacity(1000))).actions
        assert claimed.name == name
        attempt = AttemptKey(run_id, name, claimed.attempt, claimed.token)
        await engine.apply(Started(attempt, "host", 1, now))
        for child in self.forest.children.get(name, []):
            if not await self._call(run_id, name, child):
                break
        else:
            if name not in self.forest.failing:
                await engine.apply(Succeeded(attempt, now))
                return True
        await engine.apply(Failed(attempt, BROKEN, now))
        return False

    async def _call(self, run_id: int, parent: str, child: str) -> bool:
        key = ActionKey(run_id, child)
        is_trace = child in self.forest.traces
        if is_trace:
            known = await self.plane.database.read(actions.load, *_row(key))
            if known is None:
                await self._trace(run_id, parent, child)
        else:
            await self.plane.engine.enqueue(run_id, new_action(child, parent, policy=NO_RETRY))
        action = await self.plane.action(child, run_id)
        if action.phase.terminal:
            return action.phase in {Phase.SUCCEEDED, Phase.RECOVERED}
        return await self._execute(run_id, child)

    async def _trace(self, run_id: int, parent: str, child: str) -> None:
        self.executed.add(child)
        is_failing = child in self.forest.failing
        made = NewTrace(
            child,
            parent,
            child,
            b"trace spec",
            Phase.FAILED if is_failing else Phase.SUCCEEDED,
            1,
            2,
            output_uri=f"/data/r/{child}/outputs.pb",
            failure=BROKEN if is_failing else None,
        )
        await self.plane.engine.record_trace(run_id, made)


def _row(key: ActionKey) -> tuple[int, str]:
    return key.run_id, key.name


@st.composite
def forests(draw: st.DrawFn) -> Forest:
    forest = Forest()
    names = ["a0"]
    for number in range(1, draw(st.integers(1, 10))):
        parent = draw(st.sampled_from([name for name in names if name not in forest.traces]))
        names.append(f"n{number}x")
        forest.children.setdefault(parent, []).append(names[-1])
        if draw(st.integers(0, 3)) == 0:
            forest.traces.add(names[-1])
    forest.failing = draw(st.sets(st.sampled_from(names), max_size=2))
    return forest


def of(plan: Plan, decision: Decision) -> set[str]:
    return {step.action.name for step in plan.steps if step.decision is decision}


def recovered(rows: dict[str, Action]) -> set[str]:
    return {name for name, action in rows.items() if action.phase is Phase.RECOVERED}


@settings(max_examples=60)
@given(forests(), st.data())
def test_what_happens_is_what_was_planned(forest: Forest, data: st.DataObject) -> None:
    async def story() -> None:
        play = Play(forest)
        try:
            first = await play.run("first")
            known = await play.actions(first)
            forced = tuple(data.draw(st.sets(st.sampled_from(sorted(known)), max_size=2)))
            forest.failing.clear()
            plan = await play.plan(first, forced)
            second = await play.run("second", Recovery(first.id, tuple(plan.executed)))
            rows = await play.actions(second)
            assert rows["a0"].phase in {Phase.SUCCEEDED, Phase.RECOVERED}
            assert play.executed & set(known) == of(plan, Decision.EXECUTE)
            assert play.executed.isdisjoint(recovered(rows))
            assert recovered(rows) == of(plan, Decision.REUSE)
            assert set(rows).isdisjoint(of(plan, Decision.COVERED))
        finally:
            await play.close()

    asyncio.run(story())


@pytest.fixture
def play() -> Iterator[Play]:
    return Play(Forest({"a0": ["t", "b", "c"], "b": ["d"]}, {"t"}, {"c"}))


async def test_the_outputs_are_those_of_whoever_made_them(play: Play) -> None:
    first = await play.run("first")
    second = await play.run("second", Recovery(first.id))
    play.forest.failing.clear()
    third = await play.run("third", Recovery(second.id), project="q")
    before, rows = await play.actions(first), await play.actions(third)
    makers = {name: row.recovered_from for name, row in rows.items() if row.recovered_from}
    assert makers == {"t": "p/development/first/t", "b": "p/development/first/b"}
    assert (await play.actions(second))["b"].recovered_from == "first/b"
    assert rows["b"].output_uri == before["b"].output_uri
    assert play.executed == {"a0", "c"}
    await play.close()


async def test_a_run_that_goes_on_is_not_recovered(play: Play) -> None:
    first, _ = await play.plane.engine.create_run(new_run("first"))
    with pytest.raises(Conflict, match=r"1 of its actions have not ended \(such as a0, queued\)"):
        await play.plan(first)
    await play.plane.engine.apply(AbortRequested(ActionKey(first.id, "a0"), "enough"))
    (step,) = (await play.plan(first)).steps
    assert step.why.startswith("aborted")
    await play.close()


async def test_outputs_that_vanish_after_the_plan_are_made_again(play: Play) -> None:
    first = await play.run("first")
    play.outputs.gone = {"b/"}
    assert [step.action.name for step in (await play.plan(first)).missing] == ["b"]
    await play.run("second", Recovery(first.id))
    assert play.executed == {"a0", "b", "c"}
    await play.close()


async def test_a_recovery_survives_the_control_plane(play: Play) -> None:
    first = await play.run("first")
    second, _ = await play.plane.engine.create_run(
        NewRun(
            "p",
            "development",
            b"",
            new_run("second").root,
            "second",
            recovery=Recovery(first.id, ("a0",)),
        )
    )
    stored = await play.plane.database.read(runs.by_id, second.id)
    assert stored is not None
    assert stored.recovery == Recovery(first.id, ("a0",))
    await play.close()


async def test_without_its_source_a_run_executes(play: Play) -> None:
    """Retention may have removed the earlier run: nothing is lost but time."""
    await play.run("second", Recovery(12345))
    assert play.executed == {"a0", "t", "b", "d", "c"}
    await play.close()
