"""Local runs with the boundary between processes forced: everything crosses as bytes, with a control plane's errors."""

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.core.execution_pb2 import ErrorDocument
from flyteidl2.task import common_pb2

import flyte
import flyte._context as context
from flyte import errors
from flyte._cache import Cache
from flyte._runtime.local import LocalRuntime
from flyte._task_environment import TaskEnvironment
from flyte._trace import trace

env = TaskEnvironment("forced")
LARGE = 2_000_000


class Fragile:
    """Can be pickled, and not be read again."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        return _break, (repr(self.value),)


def _break(what: str) -> Any:
    raise ValueError(f"{what} does not come back")


@dataclass
class Point:
    x: int
    data: bytes


@env.task
async def moved(point: Point) -> Point:
    return Point(point.x + 1, point.data * 2)


@env.task
def plain(x: int) -> int:
    return x * 2


@env.task
def plain_parent(x: int) -> int:
    return plain(x=x) + plain(x=x + 1)


@env.task
async def large(data: bytes) -> bytes:
    return data[::-1]


@env.task
async def unreadable() -> Fragile:
    return Fragile(1)


@env.task
async def locked() -> Any:
    return threading.Lock()


@env.task(retries=2)
async def flaky() -> int:
    here = context.ctx()
    assert here is not None
    if here.attempt_number < 2:
        raise ConnectionError("not yet")
    return here.attempt_number


@env.task(cache=Cache(behavior="override", version_override="1"))
async def remembered() -> bytes:
    return os.urandom(LARGE)


@env.task
async def fails() -> int:
    raise KeyError("nothing there")


@env.task
async def catches() -> str:
    try:
        await fails()
    except errors.RuntimeUserError as error:
        notes = "".join(getattr(error, "__notes__", ()))
        return f"{error.code} {error} {error.kind} {error.__cause__} {'in fails' in notes}"
    return ""


@trace
async def step(data: bytes) -> bytes:
    return data + b"!"


@trace
async def unkept() -> Fragile:
    return Fragile(2)


@env.task
async def traces(data: bytes) -> int:
    return len(await step(data))


@env.task
async def keeps_what_cannot_be_kept() -> int:
    await unkept()
    return 1


def forced(task: Any, name: str, **arguments: Any) -> Any:
    return LocalRuntime().run_root(
        task,
        task.interface.bind((), arguments, what=task.name),
        name=name,
        force_serialization=True,
    )


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLYTE_HOME", str(tmp_path))
    return tmp_path / "local"


def test_inputs_and_outputs_are_files(base: Path) -> None:
    assert forced(moved, "r1", point=Point(1, b"a")) == Point(2, b"aa")

    inputs = common_pb2.Inputs.FromString((base / "r1/a0/inputs.pb").read_bytes())
    outputs = common_pb2.Outputs.FromString((base / "r1/a0/1/outputs.pb").read_bytes())
    assert [each.name for each in inputs.literals] == ["point"]
    assert [each.name for each in outputs.literals] == ["o0"]


def test_without_the_switch_nothing_is_written(base: Path) -> None:
    assert LocalRuntime().run_root(large, {"data": b"x" * LARGE}, name="r1") == b"x" * LARGE
    assert LocalRuntime().run_root(plain_parent, {"x": 1}, name="r1") == 6
    assert not base.exists()


def test_children_of_a_plain_task_cross_it_too(base: Path) -> None:
    assert forced(plain_parent, "r1", x=3) == 14
    assert len(list(base.glob("r1/*/1/outputs.pb"))) == 3


def test_large_values_go_through_the_store(base: Path) -> None:
    value = bytes(range(250)) * (LARGE // 250)
    assert forced(large, "r1", data=value) == value[::-1]
    assert len(list(base.glob("r1/large/*"))) == 2
    assert (base / "r1/a0/inputs.pb").stat().st_size < 1024


def test_a_value_that_does_not_come_back_fails_here(base: Path) -> None:
    with pytest.raises(errors.BaseRuntimeError, match="does not come back"):
        forced(unreadable, "r1")


def test_a_value_that_cannot_be_written_fails_with_its_path(base: Path) -> None:
    with pytest.raises(errors.BaseRuntimeError, match=r"outputs\.o0"):
        forced(locked, "r1")


def test_each_attempt_leaves_its_error(base: Path) -> None:
    assert forced(flaky, "r1") == 2

    for attempt in (1, 2):
        data = (base / f"r1/a0/{attempt}/error.pb").read_bytes()
        assert ErrorDocument.FromString(data).error.code == "ConnectionError"
    assert (base / "r1/a0/3/outputs.pb").exists()


def test_a_cached_large_value_is_found_whatever_the_boundary(base: Path) -> None:
    first = forced(remembered, "r1")
    assert LocalRuntime().run_root(remembered, {}, name="r2") == first
    assert forced(remembered, "r3") == first


def test_an_error_crosses_as_code_message_and_kind(base: Path) -> None:
    assert forced(catches, "r1") == "KeyError 'nothing there' user None True"

    with pytest.raises(errors.RuntimeUserError) as caught:
        forced(fails, "r2")
    assert (caught.value.code, caught.value.kind, caught.value.__cause__) == (
        "KeyError",
        "user",
        None,
    )


def test_traced_calls_are_written_and_read(base: Path) -> None:
    assert forced(traces, "r1", data=b"x" * LARGE) == LARGE + 1
    [folder] = [path.parent for path in base.glob("r1/*/outputs.pb")]
    assert (folder / "inputs.pb").exists()

    with pytest.raises(errors.BaseRuntimeError, match="does not come back"):
        forced(keeps_what_cannot_be_kept, "r2")


def test_the_switch_of_with_runcontext(base: Path) -> None:
    run = flyte.with_runcontext(mode="local", force_serialization=True, name="r9").run(plain, 4)

    assert run.outputs()[0] == 8
    assert (base / "r9/a0/1/outputs.pb").exists()


async def test_the_switch_on_a_running_loop(base: Path) -> None:
    runner = flyte.with_runcontext(mode="local", force_serialization=True, name="r9")

    assert (await runner.run.aio(large, b"x" * LARGE)).outputs()[0] == b"x" * LARGE
    assert (await runner.run.aio(plain, 4)).outputs()[0] == 8


def test_the_root_is_in_scope_while_its_inputs_are_converted(base: Path) -> None:
    assert forced(plain, "r1", x=1) == 2
    seen = forced(tells_where, "r1", noted=Noting())
    assert seen == [f"{base}/r1/raw", f"{base}/r1/raw"]


class Noting:
    """Notes at its conversion where files would go."""

    def __init__(self, seen: list[str] | None = None) -> None:
        self.seen = seen or []

    def __reduce__(self) -> Any:
        here = context.ctx()
        return Noting, ([*self.seen, here.raw_data_path.path if here else "nowhere"],)


@env.task
async def tells_where(noted: Noting) -> list[str]:
    here = context.ctx()
    return [*noted.seen, here.raw_data_path.path if here else "nowhere"]
