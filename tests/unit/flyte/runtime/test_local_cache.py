"""Cached tasks of local runs: the decisions of a control plane, in files that many processes may use at once."""

import asyncio
import dataclasses
import logging
import multiprocessing
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support import eventually

import flyte
from flyte import errors
from flyte._kit import aio, clock
from flyte._runtime.caching import shelf, turns
from flyte._runtime.local import LocalRuntime
from flyte._wire.caching import keys

env = flyte.TaskEnvironment("env")

done: list[Any] = []
"""What was executed, in its order."""


@dataclasses.dataclass
class Point:
    x: int
    tags: dict[str, list[int]]


class Unheard:
    """A class without a transformer."""


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    done.clear()
    keys.warn.cache_clear()


@env.task(cache="auto")
async def point(x: int, note: str = "") -> Point:
    done.append(x)
    return Point(x, {"b": [x], "a": []})


@env.task(cache="auto")
def plain(x: int) -> tuple[int, str]:
    done.append(x)
    return x, "x"


@env.task(cache="auto")
async def fails(x: int) -> int:
    done.append(x)
    raise ValueError("no")


@env.task(cache=flyte.Cache("auto", serialize=True))
async def alone(x: int) -> int:
    done.append(x)
    await asyncio.sleep(0.02)
    return x


@env.task(cache=flyte.Cache("auto", serialize=True))
def alone_in_a_thread(x: int) -> int:
    done.append(x)
    return x


def run(task: Any, /, *args: Any, **options: Any) -> Any:
    return LocalRuntime().run_root(task, task.interface.bind(args, {}, what="it"), **options)


def files(home: Path) -> list[Path]:
    return [path for path in (home / "local-cache").glob("*/*/*/*") if not path.suffix]


def decisions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage().partition(") ")[2]
        for record in caplog.records
        if record.name == "flyte.cache" and record.levelno == logging.INFO
    ]


def test_a_hit_is_not_executed_and_has_the_same_value_and_types() -> None:
    first, second = run(point, 3), run(point, 3)
    assert done == [3]
    assert first == second == Point(3, {"b": [3], "a": []})
    assert list(second.tags) == ["b", "a"]
    assert run(point, 4).x == 4
    assert done == [3, 4]


def test_plain_tasks_and_children_are_cached_too() -> None:
    @env.task
    def parent() -> list[tuple[int, str]]:
        return [plain(1), plain(2), plain(1)]

    @env.task
    async def main() -> list[tuple[int, str]]:
        return [await plain.aio(1), *await parent.aio()]

    assert run(main) == [(1, "x"), (1, "x"), (2, "x"), (1, "x")]
    assert done == [1, 2]


def test_a_failure_is_not_kept() -> None:
    for _ in range(2):
        with pytest.raises(errors.RuntimeUserError, match="no"):
            run(fails, 1)
    assert done == [1, 1]


def test_force_serialization_makes_no_difference() -> None:
    run(point, 3, force_serialization=True)
    assert run(point, 3) == run(point, 3, force_serialization=True) == Point(3, {"b": [3], "a": []})
    assert done == [3]


def test_the_run_may_overwrite_or_disable_the_cache(flyte_home: Path) -> None:
    run(point, 1)
    (file,) = files(flyte_home)
    before = file.read_bytes()
    run(point, 1, disable_run_cache=True)
    assert file.read_bytes() == before
    run(point, 1, overwrite_cache=True)
    assert file.read_bytes() != before
    run(point, 1)
    assert done == [1, 1, 1]


def test_behaviors() -> None:
    run(point, 1)
    run(point.override(cache=flyte.Cache("override")), 1)
    run(point.override(cache="disable"), 1)
    assert done == [1, 1, 1]
    run(point, 1)
    versioned = point.override(cache=flyte.Cache("override", version_override="v"))
    for _ in range(2):
        run(versioned, 1)
    assert done == [1, 1, 1, 1]


def test_another_project_counts_unless_the_run_says_otherwise() -> None:
    run(point, 1, project="p", domain="d")
    run(point, 1, project="q", domain="d")
    assert done == [1]
    run(point, 1, project="q", domain="d", cache_lookup_scope="project-domain")
    assert done == [1, 1]
    run(point, 1, project="q", domain="d", cache_lookup_scope="project-domain")
    assert done == [1, 1]


def test_ignored_inputs_and_salt() -> None:
    ignoring = point.override(cache=flyte.Cache("auto", ignored_inputs="note"))
    run(ignoring, 1, "a")
    run(ignoring, 1, "b")
    run(ignoring.override(cache=flyte.Cache("auto", ignored_inputs="note", salt="s")), 1, "b")
    assert done == [1, 1]


def test_why_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "flyte.cache")
    run(point, 1, name="r1")
    run(point, 1, name="r2")
    run(point, 2, name="r3")
    run(point.override(cache=flyte.Cache("auto", salt="s")), 1, name="r4")
    run(point, 1, name="r5", overwrite_cache=True)
    assert decisions(caplog) == [
        "miss: the first call of the task",
        "hit: the outputs of r1/a0, 0 s old",
        "miss: input x changed since r1/a0",
        "miss: salt changed since r1/a0",
        "executed to replace what was kept: the run overwrites the cache",
    ]


def aged(file: Path, seconds: float) -> None:
    """Make a result older."""
    head, _, data = file.read_bytes().partition(b"\n")
    before = clock.now().timestamp() - seconds
    head = head.replace(b'"created_at": ', b'"created_at": %f, "was": ' % before)
    file.write_bytes(head + b"\n" + data)


def test_a_result_that_is_too_old_is_replaced(
    flyte_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flyte.cache")
    limited = point.override(cache=flyte.Cache("auto", max_age=timedelta(hours=1)))
    run(limited, 1, name="r1")
    (file,) = files(flyte_home)
    aged(file, 3500)
    run(limited, 1)
    assert done == [1]
    aged(file, 3700)
    run(limited, 1)
    run(limited, 1)
    assert done == [1, 1]
    assert decisions(caplog)[2:] == [
        "miss: expired, the outputs of r1/a0 are older than max_age, 1 h old",
        f"hit: the outputs of {decision_source(file)}, 0 s old",
    ]


def decision_source(file: Path) -> str:
    kept = aio.drive(shelf.load(file, home=Path("/")))
    assert kept is not None
    return kept.source


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: b"\x00" * 20,
        lambda data: b"{}\n",
    ],
    ids=["empty", "cut", "flipped", "zeros", "no head"],
)
def test_a_damaged_result_is_a_miss_with_a_warning(
    flyte_home: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    run(point, 1)
    (file,) = files(flyte_home)
    file.write_bytes(damage(file.read_bytes()))
    assert run(point, 1) == Point(1, {"b": [1], "a": []})
    assert done == [1, 1]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    run(point, 1)
    assert done == [1, 1]


def test_a_result_whose_data_is_gone_is_a_miss_with_a_warning(
    flyte_home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = flyte_home / "local" / "r" / "raw" / "data.bin"
    data.parent.mkdir(parents=True)

    @env.task(cache="auto")
    async def write() -> dict[str, Any]:
        done.append("write")
        data.write_bytes(b"x")
        return {"path": {"deep": [str(data)]}}

    run(write)
    run(write)
    assert done == ["write"]
    data.unlink()
    run(write)
    assert done == ["write", "write"]
    assert f"{data} is gone" in caplog.text


def test_a_result_that_no_longer_fits_the_task_is_a_miss_with_a_warning(
    flyte_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(point, 1)
    run(plain, 1)
    of_point, of_plain = (
        path for path in sorted(files(flyte_home), key=lambda path: "plain" in str(path))
    )
    of_point.write_bytes(of_plain.read_bytes())
    assert run(point, 1) == Point(1, {"b": [1], "a": []})
    assert "cannot be used and is made again" in caplog.text


def test_a_disk_that_refuses_is_no_reason_to_fail(
    flyte_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flyte_home.mkdir(parents=True)
    (flyte_home / "local-cache").write_text("not a folder")
    assert run(point, 1).x == 1
    assert run(alone, 2) == 2
    assert "could not be kept" in caplog.text


def test_an_input_that_nothing_identifies_is_executed(caplog: pytest.LogCaptureFixture) -> None:
    @env.task(cache="auto")
    async def use(model: Unheard) -> int:
        done.append(1)
        return 1

    for _ in range(2):
        assert run(use, Unheard()) == 1
    assert done == [1, 1]
    assert caplog.text.count("env.use is executed and not cached") == 1


def test_clearing_forgets_results(flyte_home: Path) -> None:
    for x in range(3):
        run(point, x)
    assert shelf.clear() == 3
    assert shelf.clear() == 0
    run(point, 1)
    assert done == [0, 1, 2, 1]


# turns


def test_of_equal_calls_one_is_executed() -> None:
    @env.task
    async def main() -> list[int]:
        return await asyncio.gather(*(alone(1) for _ in range(5)), alone(2))

    assert run(main) == [1] * 5 + [2]
    assert sorted(done) == [1, 2]


def test_of_equal_plain_calls_one_is_executed() -> None:
    @env.task
    async def main() -> list[int]:
        return await asyncio.gather(*(alone_in_a_thread.aio(1) for _ in range(5)))

    assert run(main) == [1] * 5
    assert done == [1]


def test_after_a_failure_the_next_one_is_executed() -> None:
    @env.task(cache=flyte.Cache("auto", serialize=True))
    async def second_try(x: int) -> int:
        done.append(x)
        await asyncio.sleep(0.01)
        if len(done) == 1:
            raise ValueError("no")
        return x

    @env.task
    async def main() -> list[Any]:
        calls = (second_try(1) for _ in range(3))
        return [type(r).__name__ for r in await asyncio.gather(*calls, return_exceptions=True)]

    assert sorted(run(main)) == ["RuntimeUserError", "int", "int"]
    assert done == [1, 1]


def test_runs_in_other_threads_wait_as_well() -> None:
    threads = [threading.Thread(target=run, args=(alone, 1)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [1]


def test_a_call_below_an_equal_one_does_not_wait_for_it() -> None:
    @env.task(cache=flyte.Cache("auto", serialize=True, ignored_inputs="depth"))
    async def down(x: int, depth: int) -> int:
        done.append(depth)
        return 0 if depth == 0 else 1 + await down(x, depth - 1)

    assert run(down, 7, 2) == 2
    assert done == [2, 1, 0]


def test_calls_that_would_wait_for_each_other_do_not() -> None:
    both = asyncio.Event()

    async def meet() -> None:
        if len(done) >= 2:
            both.set()
        await both.wait()

    @env.task(cache=flyte.Cache("auto", serialize=True, ignored_inputs="depth"))
    async def left(depth: int) -> int:
        done.append(f"left {depth}")
        if depth == 0:
            return 0
        await meet()
        return 1 + await right(depth - 1)

    @env.task(cache=flyte.Cache("auto", serialize=True, ignored_inputs="depth"))
    async def right(depth: int) -> int:
        done.append(f"right {depth}")
        if depth == 0:
            return 0
        await meet()
        return 1 + await left(depth - 1)

    @env.task
    async def main() -> list[int]:
        return await asyncio.gather(left(1), right(1))

    run(main)
    assert sorted(done[:2]) == ["left 1", "right 1"]
    assert 3 <= len(done) <= 4, "one of them at least was executed beside its equal"


async def test_a_turn_is_free_when_its_process_has_died(tmp_path: Path) -> None:
    lock = tmp_path / "key.lock"
    context = multiprocessing.get_context("fork")
    held = context.Event()
    process = context.Process(target=hold, args=(lock, held))
    process.start()
    await eventually(held.is_set)
    waiting = asyncio.create_task(turns.take(lock))
    await asyncio.sleep(0)
    assert not waiting.done()
    process.kill()
    process.join()
    turn = await waiting
    assert turn is not None
    turn.release()


def hold(lock: Path, held: Any) -> None:
    aio.run_main(turns.take(lock))
    held.set()
    threading.Event().wait()


async def test_a_turn_survives_that_its_folder_is_deleted(tmp_path: Path) -> None:
    lock = tmp_path / "folder" / "key.lock"
    first = await turns.take(lock)
    assert first is not None
    lock.unlink()
    second = await turns.take(lock)
    assert second is not None
    first.release()
    third = asyncio.create_task(turns.take(lock))
    await asyncio.sleep(0)
    assert not third.done()
    second.release()
    last = await third
    assert last is not None
    last.release()
