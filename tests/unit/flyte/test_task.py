"""Tasks: called as functions outside of tasks, through the runtime inside; and the three levels of
settings.
"""

import asyncio
import functools
import inspect
from typing import Any

import cloudpickle
import pytest
from tests.fakes.runtime import FakeRuntime

import flyte
from flyte import errors

env = flyte.TaskEnvironment("sums", resources=flyte.Resources(cpu=1), env_vars={"A": "1"})


@env.task
async def add(x: int, y: int = 1) -> int:
    """Adds two numbers."""
    return x + y


@env.task(retries=3)
def double(x: int) -> int:
    return 2 * x


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


# --- calls -------------------------------------------------------------------------------------


async def test_outside_of_tasks_a_task_is_its_function() -> None:
    assert double(2) == 4
    assert await double.aio(2) == 4
    assert await add(2) == 3
    assert await add.aio(2, y=5) == 7


async def test_inside_a_task_the_runtime_is_asked(runtime: FakeRuntime) -> None:
    with runtime.task():
        assert await add(2) == 3
    (call,) = runtime.calls
    assert call.callee is add
    assert call.arguments == {"x": 2, "y": 1}
    assert not call.blocking


def test_plain_task_in_blocking_code(runtime: FakeRuntime) -> None:
    with runtime.task():
        assert double(4) == 8
    assert runtime.calls[0].blocking


async def test_plain_task_in_coroutines_is_awaited_through_aio(runtime: FakeRuntime) -> None:
    with runtime.task():
        assert await double.aio(4) == 8
        assert not runtime.calls[0].blocking
        with pytest.raises(
            errors.SyncTaskCallInAsyncContextError, match=r"'sums.double'.*await double.aio"
        ):
            double(4)


async def test_forward_never_asks_the_runtime(runtime: FakeRuntime) -> None:
    with runtime.task():
        assert double.forward(4) == 8
        assert await add.forward(1) == 2
    assert runtime.calls == []


async def test_arguments_are_checked_at_the_call(runtime: FakeRuntime) -> None:
    call: Any = add
    with runtime.task():
        with pytest.raises(errors.TaskInputError, match=r"task 'sums.add' has no input 'z'.*x, y"):
            call(1, z=2)
        with pytest.raises(errors.TaskInputError, match=r"task 'sums.add' needs a value for 'x'"):
            await call.aio()


async def test_group_of_the_moment_of_the_call_counts(runtime: FakeRuntime) -> None:
    with runtime.task():
        with flyte.group("outer"):
            with flyte.group("inner"):
                inner = add(1)
            outer = add(2)
        await asyncio.gather(inner, outer, add(3))
    assert [call.group for call in runtime.calls] == ["inner", "outer", None]


async def test_no_tasks_inside_a_trace(runtime: FakeRuntime) -> None:
    @flyte.trace
    async def helper() -> int:
        return await add(1)

    with (
        runtime.task(),
        pytest.raises(
            errors.TraceDoesNotAllowNestedTasksError,
            match=r"'sums.add'.*traced function '.*helper'",
        ),
    ):
        await helper()
    assert await helper() == 2


async def test_wrapped_function_is_as_async_as_what_it_wraps(runtime: FakeRuntime) -> None:
    async def inner(x: int) -> int:
        return x

    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    task = flyte.TaskEnvironment("e").task(outer)
    assert task.is_async
    assert task.interface.inputs.keys() == {"x"}
    with runtime.task():
        assert await task(3) == 3


# --- override ----------------------------------------------------------------------------------


def test_three_levels_of_settings() -> None:
    assert add.resources == flyte.Resources(cpu=1)
    changed = add.override(
        resources=flyte.Resources(cpu=4), retries=5, cache="auto", env_vars={"B": "2"}
    )
    assert changed.resources == flyte.Resources(cpu=4)
    assert changed.retries == flyte.RetryStrategy(5)
    assert changed.cache == flyte.Cache("auto")
    assert changed.env_vars == {"B": "2"}
    assert add.resources == flyte.Resources(cpu=1)
    assert (changed.name, changed.func) == (add.name, add.func)
    assert changed.override(queue="q").retries == flyte.RetryStrategy(5)


async def test_overridden_task_is_called_like_the_task(runtime: FakeRuntime) -> None:
    assert double.override(resources=flyte.Resources(cpu=4))(x=10) == 20
    with runtime.task():
        assert await add.override(short_name="sum")(x=10) == 11
    assert getattr(runtime.calls[0].callee, "short_name") == "sum"  # noqa: B009


def test_what_is_not_given_stays_and_zero_counts() -> None:
    assert double.override().retries == flyte.RetryStrategy(3)
    assert double.override(retries=0).retries == flyte.RetryStrategy(0)
    limited = double.override(timeout=60)
    assert limited.override(queue="q").timeout == flyte.Timeout(60)
    assert limited.override(timeout=0).timeout is None


@pytest.mark.parametrize("name", ["resource", "name", "image", "func", "interface"])
def test_unknown_setting_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(
        errors.DefinitionError,
        match=rf"'sums.add': override\(\) cannot change '{name}'; it can change: cache, .*timeout",
    ):
        add.override(**{name: 1})


@pytest.mark.parametrize(
    "setting",
    [{"resources": flyte.Resources(cpu=4)}, {"env_vars": {"A": "2"}}, {"secrets": "key"}],
    ids=lambda setting: next(iter(setting)),
)
def test_reusable_task_keeps_what_its_processes_have(setting: dict[str, Any]) -> None:
    warm = flyte.TaskEnvironment("warm", reusable=flyte.ReusePolicy(replicas=2))

    @warm.task
    async def task() -> None: ...

    with pytest.raises(errors.DefinitionError, match=rf'{next(iter(setting))}.*reusable="off"'):
        task.override(**setting)
    cold = task.override(reusable="off", **setting)
    assert cold.reusable is None
    assert task.override(retries=2).reusable == warm.reusable
    assert cold.override(**setting)


def test_wrong_override_is_named_like_the_declaration() -> None:
    with pytest.raises(errors.DefinitionError, match=r"task 'sums.add': resources must be"):
        add.override(resources="4Gi")  # pyright: ignore
    with pytest.raises(errors.DefinitionError, match="retries must be at least 0"):
        add.override(retries=-1)


# --- the rest ----------------------------------------------------------------------------------


def test_a_task_looks_like_its_function() -> None:
    assert add.__doc__ == "Adds two numbers."
    assert str(inspect.signature(add)) == "(x: int, y: int = 1) -> int"
    assert add.source_file == __file__
    assert repr(add) == "<task sums.add>"
    assert (add.is_async, double.is_async) == (True, False)


def test_a_task_travels_by_pickle() -> None:
    again = cloudpickle.loads(cloudpickle.dumps(double.override(retries=7)))
    assert again(3) == 6
    assert (again.name, again.retries, again.parent_env_name) == (
        "sums.double", flyte.RetryStrategy(7), "sums",
    )  # fmt: skip


async def test_template_without_work_says_so() -> None:
    template = flyte.TaskTemplate(
        name="sql", interface=flyte.models.NativeInterface({}, {}), task_type="sql"
    )
    with pytest.raises(errors.RuntimeUserError, match=r"'sql' of type 'sql'"):
        await template.forward()


def test_names_that_the_wire_cannot_carry() -> None:
    interface = flyte.models.NativeInterface({}, {})
    with pytest.raises(errors.DefinitionError, match="1 to 255"):
        flyte.TaskTemplate(name="", interface=interface)
    with pytest.raises(errors.DefinitionError, match="short_name may have 63"):
        flyte.TaskTemplate(name="x", interface=interface, short_name="n" * 64)
