"""Tasks whose values and errors are large; run as a script, a client that sends and gets such values."""

import json
import sys
from pathlib import Path

import flyte
import flyte.errors

env = flyte.TaskEnvironment(name="sizes")

MB = 1_000_000


def mark(marks: str, name: str) -> None:
    with (Path(marks) / name).open("a") as lines:
        lines.write("executed\n")


@env.task
async def turned(text: str, data: bytes, items: list[str]) -> tuple[str, bytes, list[str]]:
    return text[::-1], data[::-1], items[::-1]


@env.task
async def through(text: str, data: bytes, items: list[str]) -> tuple[str, bytes, list[str]]:
    """There and back again: a child turns the values round, a second child turns them back."""
    return await turned(*await turned(text, data, items))


@env.task
async def grown(megabytes: int) -> bytes:
    return b"\xa5" * (megabytes * MB)


@env.task
async def plenty() -> tuple[str, list[int]]:
    return "x" * (5 * MB), list(range(MB // 2))


@env.task
async def many(count: int) -> list[int]:
    """Lengths of many values that are too large together for one message, each of them below the threshold."""
    return await spread(*["x" * (MB // 2)] * count) if count == 24 else []


@env.task
async def spread(
    a: str, b: str, c: str, d: str, e: str, f: str, g: str, h: str, i: str, j: str, k: str, l: str,  # noqa: E741
    m: str, n: str, o: str, p: str, q: str, r: str, s: str, t: str, u: str, v: str, w: str, x: str,
) -> list[int]:  # fmt: skip
    return [
        len(each)
        for each in (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x)
    ]


@env.task(retries=3, max_inline_io_bytes=100)
async def over_the_limit(marks: str) -> str:
    mark(marks, "over_the_limit")
    return "x" * 5000


@env.task
async def catches_over_the_limit(marks: str) -> str:
    try:
        return await over_the_limit(marks)
    except flyte.errors.RuntimeUserError as error:
        return f"{error.code}: {error}"


@env.task
async def complains(megabytes: int) -> int:
    raise ValueError("begin " + "e" * (megabytes * MB) + " end")


@env.task
async def hears(megabytes: int) -> tuple[str, int, str]:
    """What a parent sees of its child's large error: its begin, its length, its end."""
    try:
        await complains(megabytes)
    except flyte.errors.RuntimeUserError as error:
        return str(error)[:7], len(str(error)), str(error)[-4:]
    return "", 0, ""


@env.task
async def falls_deep(frames: int) -> int:
    """An error whose traceback is long: two functions call each other, so that nothing is folded."""
    sys.setrecursionlimit(2 * frames + 1000)
    return ping(frames)


def ping(frames: int) -> int:
    return 1 // 0 if frames == 0 else pong(frames - 1)


def pong(frames: int) -> int:
    return ping(frames - 1)


@env.task(cache=flyte.Cache(behavior="override", version_override="1"))
async def remembered(marks: str) -> bytes:
    mark(marks, "remembered")
    return b"r" * (3 * MB)


@env.task
async def twice(marks: str) -> int:
    return len(await remembered(marks))


@env.task(cache=flyte.Cache(behavior="override", version_override="1", ignored_inputs=("marks",)))
async def counted(data: bytes, marks: str) -> int:
    mark(marks, "counted")
    return len(data)


@env.task
async def counts(megabytes: int, marks: str) -> int:
    """The value that `again` sends by itself, here made in a task."""
    return await counted(b"\xa5" * (megabytes * MB), marks)


@env.task
async def measured(data: bytes) -> int:
    return len(data)


def change(folder: Path) -> None:
    [kept] = folder.iterdir()
    with kept.open("r+b") as file:
        file.seek(1000)
        file.write(b"\x00")


@env.task
async def tampered() -> str:
    """A value whose file is changed between the task that made it and the task that takes it."""
    data = await grown(3)
    here = flyte.ctx()
    assert here is not None
    change(Path(here.run_base_dir, "large"))
    try:
        return str(await measured(data))
    except flyte.errors.DataCorruptionError as error:
        return f"{error.code}: {error}"


def client() -> None:
    """Ten megabytes of each kind from here through the tasks, and back."""
    flyte.init(endpoint="local")
    given = {
        "text": "täglich " * (10 * MB // 8),
        "data": bytes(range(250)) * (10 * MB // 250),
        "items": [f"{number:04d} " * 20 for number in range(100_000)],
    }
    run = flyte.run(through, **given)
    run.wait()
    print(json.dumps({"run": run.name, "same": tuple(run.outputs()) == tuple(given.values())}))


def again(marks: str) -> None:
    """The same large input twice from here, and once more in a task: one execution."""
    flyte.init(endpoint="local")
    for task, first in ((counted, b"\xa5" * (3 * MB)), (counted, b"\xa5" * (3 * MB)), (counts, 3)):
        run = flyte.run(task, first, marks)
        run.wait()
        assert run.outputs()[0] == 3 * MB


if __name__ == "__main__":
    again(*sys.argv[1:]) if len(sys.argv) > 1 else client()
