"""Local runs that go on from an earlier one: executed is what the plan says, wherever the earlier one broke off."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flyte
from flyte import errors
from flyte._runtime.inprocess import journal
from flyte._runtime.inprocess.journal import Ended
from flyte._runtime.inprocess.recovery import Earlier, Plan
from flyte.io import File

env = flyte.TaskEnvironment(name="forest")
_runs = count(1)


@dataclass
class Forest:
    """A tree of calls, and what happened in it.  A node's name is its path from the root."""

    children: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    traced: set[str] = field(default_factory=set[str])
    together: set[str] = field(default_factory=set[str])
    """Nodes that call their children at the same time."""
    failing: set[str] = field(default_factory=set[str])
    executed: list[str] = field(default_factory=list[str])
    """Names of actions, in the order of their execution; traces by their paths."""

    def total(self, path: str = "r") -> int:
        return 1 + sum(map(self.total, self.children.get(path, [])))


FOREST = Forest()


@env.task
async def node(path: str) -> int:
    context = flyte.ctx()
    assert context is not None
    FOREST.executed.append(context.action.name)
    below = FOREST.children.get(path, [])
    if path in FOREST.together:
        done = await asyncio.gather(*map(called, below))
    else:
        done = [await called(each) for each in below]
    if path in FOREST.failing:
        raise ValueError(f"{path} fails")
    return 1 + sum(done)


async def called(path: str) -> int:
    return await (leaf(path=path) if path in FOREST.traced else node(path=path))


@flyte.trace
async def leaf(path: str) -> int:
    FOREST.executed.append(path)
    if path in FOREST.failing:
        raise ValueError(f"{path} fails")
    return 1


@st.composite
def forests(draw: st.DrawFn) -> Forest:
    forest = Forest()
    paths = ["r"]
    for _ in range(draw(st.integers(0, 10))):
        parent = draw(st.sampled_from([path for path in paths if path not in forest.traced]))
        below = forest.children.setdefault(parent, [])
        path = f"{parent}.{len(below)}"
        below.append(path)
        paths.append(path)
        if draw(st.booleans()) and draw(st.booleans()):
            forest.traced.add(path)
    forest.together = draw(st.sets(st.sampled_from(paths)))
    forest.failing = draw(st.sets(st.sampled_from(paths), min_size=1, max_size=3))
    return forest


@contextmanager
def planted(forest: Forest) -> Iterator[None]:
    global FOREST  # noqa: PLW0603 - what a task sees of its test
    before, FOREST = FOREST, forest
    try:
        yield
    finally:
        FOREST = before


def start(**options: Any) -> tuple[str, int]:
    """A run of the tree: its name and its result."""
    name = f"run{next(_runs)}"
    run = flyte.with_runcontext("local", name=name, **options)
    given = {} if "recover_from" in options else {"path": "r"}
    return name, run.run(node, **given).outputs().o0


def names(plan: Plan, decision: str) -> set[str]:
    return {step.action for step in plan.steps if step.decision == decision}


def taken_over(run: str) -> set[str]:
    ended = journal.load(run).ended.values()
    return {each.name for each in ended if each.phase == "recovered"}


def executed(forest: Forest) -> set[str]:
    """Tasks that were executed since the last look, each once."""
    found = [name for name in forest.executed if name not in forest.traced]
    assert len(found) == len(set(found))
    forest.executed.clear()
    return set(found)


@given(forests())
def test_executed_is_what_the_plan_says(forest: Forest) -> None:
    with planted(forest):
        with pytest.raises(errors.RuntimeUserError, match="fails"):
            start()
        failed = f"run{next(_runs) - 1}"
        executed(forest)
        forest.failing.clear()
        plan = Earlier(journal.load(failed)).plan()
        recovered, total = start(recover_from=failed)
        assert total == forest.total()
        tasks = executed(forest)
        known = {step.action for step in plan.steps}
        traces = {step.action for step in plan.steps if step.kind == "trace"}
        assert tasks & known == names(plan, "execute") - traces
        assert taken_over(recovered) == names(plan, "reuse")


@settings(max_examples=100)
@given(forests(), st.data())
def test_wherever_the_process_died_the_result_is_the_same(
    forest: Forest, data: st.DataObject
) -> None:
    """The journal is cut at any byte, as a killed process leaves it."""
    forest.failing.clear()
    with planted(forest):
        whole, total = start()
        content = journal.path_of(whole).read_bytes()
        first = len(journal.MAGIC + journal.framed(next(journal.records(content))))
        torn = content[: data.draw(st.integers(first, len(content)))]
        killed = f"run{next(_runs)}"
        journal.path_of(killed).parent.mkdir(parents=True)
        journal.path_of(killed).write_bytes(torn)
        told = journal.load(killed)
        plan = Earlier(told).plan()
        all_tasks = executed(forest)
        recovered, again = start(recover_from=killed)
        assert again == total
        assert executed(forest) == all_tasks - covered_or_reused(plan)
        assert taken_over(recovered) == names(plan, "reuse")


def covered_or_reused(plan: Plan) -> set[str]:
    return names(plan, "reuse") | names(plan, "covered")


# --- single cases


def chain(*failing: str) -> Forest:
    return Forest({"r": ["r.0", "r.1"], "r.1": ["r.1.0"]}, {"r.1.0"}, failing=set(failing))


def failed_run(forest: Forest) -> str:
    with planted(forest), pytest.raises(errors.RuntimeUserError):
        start()
    forest.failing.clear()
    forest.executed.clear()
    return f"run{next(_runs) - 1}"


def test_a_recovery_of_a_recovery_knows_whose_outputs_it_has() -> None:
    forest = chain("r")
    first = failed_run(forest)
    with planted(forest):
        second, _ = start(recover_from=first)
        third, _ = start(recover_from=second)
    sources = {
        each.recovered_from.partition("/")[0] for each in ends(second) if each.recovered_from
    }
    assert sources == {first}
    (root,) = ends(third)
    assert (root.phase, root.recovered_from) == ("recovered", f"{second}/a0")


def ends(run: str) -> list[Ended]:
    return list(journal.load(run).ended.values())


def test_forced_actions_are_executed_and_unknown_ones_refused() -> None:
    forest = chain("r")
    run = failed_run(forest)
    trace = next(each.name for each in ends(run) if each.kind == "trace")
    with planted(forest):
        start(recover_from=run, force_rerun_actions=[trace])
        assert len(forest.executed) == 3, "the root, its second child, and the trace"
        with pytest.raises(errors.DefinitionError, match="no action 'nope' that could be forced"):
            start(recover_from=run, force_rerun_actions=["nope"])


def test_a_run_of_another_task_is_not_recovered() -> None:
    run = failed_run(chain("r"))

    @env.task
    async def other() -> int:
        return 1

    with pytest.raises(errors.DefinitionError, match=r"ran forest\.node, so forest\.other cannot"):
        flyte.with_runcontext("local", recover_from=run).run(other)
    with pytest.raises(errors.DefinitionError, match="cannot recover itself"):
        flyte.with_runcontext("local", name=run, recover_from=run).run(node)


@env.task
async def written(text: str) -> File:
    FOREST.executed.append("written")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text")
        path.write_text(text)  # noqa: ASYNC240 - a few bytes
        return await File.from_local(str(path))


@env.task
async def read(text: str) -> int:
    file = await written(text=text)
    FOREST.executed.append("read")
    if "read" in FOREST.failing:
        raise ValueError("cannot read")
    async with file.open() as opened:
        return len(await opened.read())


def test_a_file_that_is_gone_refuses_the_recovery_before_anything_starts(flyte_home: Path) -> None:
    forest = Forest(failing={"read"})
    with planted(forest):
        with pytest.raises(errors.RuntimeUserError, match="cannot read"):
            flyte.with_runcontext("local", name="first").run(read, text="abc")
        forest.failing.clear()
        forest.executed.clear()
        again = flyte.with_runcontext("local", recover_from="first")
        assert again.run(read).outputs().o0 == 3
        assert forest.executed == ["read"]

        (file,) = [path for path in flyte_home.glob("local/first/**/*") if path.name == "text"]
        file.unlink()
        forest.executed.clear()
        with pytest.raises(
            errors.RuntimeUserError, match=f"{file}, to which its outputs refer"
        ) as raised:
            again.run(read)
        assert raised.value.code == "MissingOutputs"
        assert not forest.executed
        allowed = flyte.with_runcontext(
            "local", recover_from="first", allow_missing_source_outputs=True
        )
        assert allowed.run(read).outputs().o0 == 3
        assert forest.executed == ["written", "read"]


@env.task
async def scaled(n: int, by: int = 2) -> int:
    FOREST.executed.append("scaled")
    return n * by


def test_inputs_are_those_of_the_earlier_run_unless_others_are_given() -> None:
    with planted(Forest()) as _:
        flyte.with_runcontext("local", name="first").run(scaled, n=5, by=3)
        forest = FOREST
        forest.executed.clear()
        again = flyte.with_runcontext("local", recover_from="first")
        assert again.run(scaled).outputs().o0 == 15
        assert again.run(scaled, n=5).outputs().o0 == 15
        assert not forest.executed, "the same inputs: the result is reused"
        assert again.run(scaled, n=6).outputs().o0 == 18
        assert forest.executed == ["scaled"], "other inputs: it is executed"
        with pytest.raises(errors.TaskInputError, match="has no input 'm'"):
            again.run(scaled, m=1)


def test_a_run_that_was_interrupted_goes_on() -> None:
    @env.task
    async def interrupted() -> int:
        await scaled(n=1)
        if "stop" in FOREST.failing:
            raise KeyboardInterrupt
        return await scaled(n=2)

    forest = Forest(failing={"stop"})
    with planted(forest):
        with pytest.raises(KeyboardInterrupt):
            flyte.with_runcontext("local", name="first").run(interrupted)
        forest.failing.clear()
        forest.executed.clear()
        run = flyte.with_runcontext("local", recover_from="first").run(interrupted)
        assert run.outputs().o0 == 4
        assert forest.executed == ["scaled"]
    phases = {each.task: each.phase for each in ends("first")}
    assert phases == {"forest.scaled": "succeeded", "forest.interrupted": "aborted"}


@env.task(cache="auto")
async def cached(n: int) -> int:
    FOREST.executed.append("cached")
    return n


def test_a_hit_of_the_cache_is_in_the_journal_too() -> None:
    with planted(Forest()):
        first = flyte.with_runcontext("local", name="first").run(cached, n=1)
        second = flyte.with_runcontext("local", name="second").run(cached, n=1)
        assert first.outputs() == second.outputs()
        assert FOREST.executed == ["cached"]
    assert [each.outputs for each in ends("first")] == [each.outputs for each in ends("second")]
