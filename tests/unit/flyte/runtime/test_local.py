"""Tasks in the caller's process: values, errors, retries and limits of a control plane."""

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

import flyte._context as context
from flyte import errors
from flyte._group import custom_context, group
from flyte._map import map as flyte_map
from flyte._policies import Backoff, RetryStrategy, Timeout
from flyte._runtime.local import LocalRuntime
from flyte._runtime.sequencer import Sequencer
from flyte._task_environment import TaskEnvironment
from flyte._trace import trace
from flyte._wire import identities, task_spec, values

env = TaskEnvironment("env", env_vars={"FROM_ENV": "yes"})


@dataclass
class Point:
    x: int
    tags: list[str]


@env.task
async def add(x: int, y: int = 1) -> int:
    return x + y


@env.task
def double(x: int) -> int:
    return 2 * x


@env.task
async def fails(message: str) -> int:
    raise ValueError(message)


@env.task
def where() -> str:
    here = context.ctx()
    return f"{here.action.name} {here.attempt_number} {threading.current_thread().name}"


def run(task: Any, **arguments: Any) -> Any:
    bound = task.interface.bind((), arguments, what=task.name)
    return LocalRuntime().run_root(task, bound)


# --- values


def test_async_and_plain_roots_give_their_value() -> None:
    assert run(add, x=2) == 3
    assert run(double, x=2) == 4


def test_children_run_together() -> None:
    @env.task
    async def main(n: int) -> list[int]:
        sums = await asyncio.gather(*(add(x=i, y=i) for i in range(n)))
        doubles = await asyncio.gather(*(double.aio(x=i) for i in range(n)))
        assert sums == doubles
        return sums

    assert run(main, n=50) == [2 * i for i in range(50)]


def test_plain_tasks_call_plain_tasks() -> None:
    @env.task
    def main(n: int) -> int:
        return sum(double(x=i) for i in range(n))

    assert run(main, n=10) == 90


def test_a_plain_task_maps_over_async_ones() -> None:
    @env.task
    def main(n: int) -> list[Any]:
        return list(flyte_map(add, range(n), range(n)))

    assert run(main, n=10) == [2 * i for i in range(10)]


def test_values_are_copies_as_they_are_elsewhere() -> None:
    @env.task
    async def change(point: Point) -> Point:
        point.tags.append("changed")
        return point

    @env.task
    async def main() -> tuple[Point, Point]:
        mine = Point(1, ["a"])
        return mine, await change(point=mine)

    mine, changed = run(main)
    assert mine == Point(1, ["a"])
    assert changed == Point(1, ["a", "changed"])


def test_a_wrong_input_is_refused_at_the_call() -> None:
    @env.task
    async def main() -> int:
        with pytest.raises(errors.BaseRuntimeError, match=r"inputs\.x"):
            await add(x="three")
        return 1

    assert run(main) == 1


def test_a_wrong_output_fails_the_task_that_gave_it() -> None:
    @env.task
    async def wrong() -> int:
        return "three"  # type: ignore[return-value]

    with pytest.raises(errors.RuntimeUserError, match=r"outputs\.o0"):
        run(wrong)


# --- errors


def test_an_exception_arrives_by_its_class_name_with_its_cause() -> None:
    @env.task
    async def main() -> str:
        with pytest.raises(errors.RuntimeUserError) as caught:
            await fails(message="no rows")
        assert isinstance(caught.value.__cause__, ValueError)
        return f"{caught.value.code}: {caught.value}"

    assert run(main) == "ValueError: no rows"


def test_an_uncaught_failure_of_a_child_is_the_failure_of_its_parent() -> None:
    @env.task
    async def main() -> int:
        return await fails(message="no rows")

    with pytest.raises(errors.RuntimeUserError, match="no rows") as caught:
        run(main)
    assert caught.value.code == "ValueError"


def test_leaving_the_interpreter_fails_the_task_only() -> None:
    @env.task
    def leaves() -> int:
        raise SystemExit(3)

    with pytest.raises(errors.RuntimeUserError) as caught:
        run(leaves)
    assert caught.value.code == "SystemExit"


def test_a_failed_gather_cancels_as_asyncio_does() -> None:
    cancelled: list[str] = []

    @env.task
    async def sleeps() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("sleeps")
            raise
        return 1

    @env.task
    async def main() -> int:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sleeps())
            tasks.create_task(fails(message="no"))
        return 1

    with pytest.raises(errors.RuntimeUserError):
        run(main)
    assert cancelled == ["sleeps"]


# --- retries and limits


def flaky(times: int, error: Callable[[], Exception], **settings: Any) -> tuple[Any, list[int]]:
    """A task that fails `times` times, and the attempt numbers that it saw."""
    seen: list[int] = []

    @env.task(**settings)
    async def task() -> int:
        seen.append(context.ctx().attempt_number)
        if len(seen) <= times:
            raise error()
        return 42

    return task, seen


def test_a_failed_attempt_is_followed_by_another() -> None:
    task, seen = flaky(2, ValueError, retries=2)
    assert run(task) == 42
    assert seen == [0, 1, 2]


def test_the_last_failure_is_the_error() -> None:
    task, seen = flaky(9, lambda: ValueError("again"), retries=2)
    with pytest.raises(errors.RuntimeUserError, match="again"):
        run(task)
    assert seen == [0, 1, 2]


def test_a_failure_that_says_so_is_final() -> None:
    task, seen = flaky(9, lambda: errors.NonRecoverableError("bad data"), retries=5)
    with pytest.raises(errors.RuntimeUserError, match="bad data"):
        run(task)
    assert seen == [0]


@pytest.mark.looptime
async def test_attempts_wait_for_the_backoff() -> None:
    pauses = Backoff(timedelta(seconds=10), factor=2)
    task, seen = flaky(3, ValueError, retries=RetryStrategy(3, pauses))
    started = asyncio.get_running_loop().time()
    assert await LocalRuntime().run_root_aio(task, {}) == 42
    assert asyncio.get_running_loop().time() - started == pytest.approx(70)
    assert seen == [0, 1, 2, 3]


def test_an_attempt_that_takes_too_long_is_ended_and_tried_again() -> None:
    seen: list[int] = []

    @env.task(timeout=Timeout(max_runtime=timedelta(milliseconds=10)), retries=1)
    async def slow() -> int:
        seen.append(1)
        await asyncio.Event().wait()
        return 1

    with pytest.raises(errors.MaxRuntimeExceededError, match=r"env\.slow .*0\.01 s"):
        run(slow)
    assert len(seen) == 2


def test_a_deadline_counts_all_attempts() -> None:
    limits = Timeout(deadline=timedelta(milliseconds=20))

    @env.task(timeout=limits, retries=1000)
    async def slow() -> int:
        await asyncio.Event().wait()
        return 1

    with pytest.raises(errors.DeadlineExceededError):
        run(slow)


def test_a_plain_task_is_interrupted_too() -> None:
    @env.task(timeout=Timeout(max_runtime=timedelta(milliseconds=20)))
    def spins() -> int:
        while True:
            pass

    with pytest.raises(errors.MaxRuntimeExceededError):
        run(spins)


# --- surroundings


def test_roots_run_in_the_calling_thread() -> None:
    @env.task
    async def main() -> str:
        return threading.current_thread().name

    here = threading.current_thread().name
    assert run(where) == f"a0 0 {here}"
    assert run(main) == here


async def test_a_loop_that_runs_already_is_not_needed() -> None:
    @env.task
    async def main() -> int:
        return await add(x=1)

    assert run(main) == 2, "as in a notebook"
    assert await LocalRuntime().run_root_aio(main, {}) == 2
    assert await LocalRuntime().run_root_aio(double, {"x": 4}) == 8


def test_actions_have_the_names_that_a_control_plane_would_see() -> None:
    names: list[str] = []

    @env.task
    async def child(x: int) -> int:
        names.append(context.ctx().action.name)
        return x

    @env.task
    async def main() -> int:
        with group("folds"):
            await child(x=1)
            await child(x=1)
        return await child(x=1)

    bound: dict[str, Any] = {}
    LocalRuntime().run_root(main, bound, name="r1")
    inputs = asyncio.run(values.inputs(child.interface, {"x": 1}))
    expected = Sequencer(context.ActionID(name="a0", run_name="r1"))
    hash_ = identities.input_hash(inputs)
    assert names == [
        expected.child(task_spec.task_hash(child), hash_, in_group).name
        for in_group in ("folds", "folds", None)
    ]


def test_the_context_says_where_the_task_runs() -> None:
    seen: list[context.TaskContext] = []

    @env.task
    async def child() -> None:
        seen.append(context.ctx())

    @env.task
    async def main() -> None:
        seen.append(context.ctx())
        with custom_context(step="2"):
            await child()

    LocalRuntime().run_root(
        main, {}, name="r1", project="p", domain="d", custom_context={"tenant": "acme"}
    )
    root, inner = seen
    assert (root.mode, root.action.unique_id_str(), root.task_name) == (
        "local",
        "p-d-r1-a0",
        "env.main",
    )
    assert root.custom_context == {"tenant": "acme"}
    assert inner.custom_context == {"tenant": "acme", "step": "2"}
    assert inner.action.run_name == "r1"
    assert inner.action.name != "a0"
    assert not root.is_in_cluster()
    assert context.ctx() is None, "nothing is left around the caller"


def test_variables_last_as_long_as_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIVEN", "before")

    @env.task
    def reads() -> str:
        return f"{os.environ['FROM_ENV']} {os.environ['GIVEN']}"

    assert LocalRuntime().run_root(reads, {}, env_vars={"GIVEN": "run"}) == "yes run"
    assert os.environ["GIVEN"] == "before"
    assert "FROM_ENV" not in os.environ


def test_traced_functions_just_run() -> None:
    calls: list[int] = []

    @trace
    async def step(x: int) -> int:
        calls.append(x)
        return x + 1

    @trace
    def plain_step(x: int) -> int:
        return x + 1

    @env.task
    async def main() -> int:
        return await step(1) + await step(1) + plain_step(1)

    assert run(main) == 6
    assert calls == [1, 1]


@pytest.mark.parametrize(("given", "path"), [("text", r"inputs\.x"), (1, r"outputs\.o0")])
def test_a_step_that_could_not_be_kept_is_refused_here_too(given: Any, path: str) -> None:
    @trace
    async def step(x: int) -> int:
        return "no number"  # type: ignore[return-value]

    @env.task
    async def main() -> int:
        with pytest.raises(errors.BaseRuntimeError, match=path):
            await step(given)
        return 1

    assert run(main) == 1
