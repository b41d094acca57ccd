"""Cached tasks: what is executed how often must be the same in every mode."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from marking import mark, until_there

import flyte
from flyte import Cache
from flyte.io import File

env = flyte.TaskEnvironment("cached")
IGNORED = ("marks",)


class Unheard:
    """A class without a transformer."""


class Twice:
    """A policy that is asked for its version and cannot tell it."""

    def get_version(self, salt: str, params: Any) -> str:
        raise LookupError("no version today")


@env.task(cache=Cache("auto", ignored_inputs=IGNORED))
async def square(marks: str, x: int) -> int:
    mark(marks, f"square-{x}")
    return x * x


@env.task(cache=Cache("auto", ignored_inputs=IGNORED))
def ordered(marks: str, counts: dict[str, int]) -> list[str]:
    mark(marks, "ordered")
    return list(counts)


@env.task(cache=Cache("auto", ignored_inputs=IGNORED, serialize=True))
async def alone(marks: str, x: int) -> int:
    mark(marks, f"alone-{x}")
    await asyncio.sleep(0.1)
    return -x


@env.task(cache=Cache("override", ignored_inputs=IGNORED))
async def always(marks: str) -> int:
    mark(marks, "always")
    return 1


@env.task(cache=Cache("auto", ignored_inputs=IGNORED, policies=Twice()))
async def without_version(marks: str) -> int:
    mark(marks, "without-version")
    return 2


@env.task(cache=Cache("auto", ignored_inputs=IGNORED))
async def pickled(marks: str, model: Unheard) -> int:
    mark(marks, "pickled")
    return 3


@env.task(cache=Cache("auto", ignored_inputs=IGNORED))
async def length(marks: str, file: File) -> int:
    mark(marks, "length")
    return await _length(file)


async def _length(file: File) -> int:
    async with file.open("rb") as opened:
        return len(await opened.read())


async def stored(content: str) -> File:
    with tempfile.TemporaryDirectory() as folder:
        return await File.from_local(str(put(Path(folder, "x.txt"), content)))


def put(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


@env.task(cache=Cache("auto", ignored_inputs=IGNORED))
async def written(marks: str) -> File:
    mark(marks, "written")
    return await stored("kept")


@env.task
async def main(marks: str) -> dict[str, Any]:
    files = [await stored("content") for _ in range(2)]  # equal content at two random addresses
    return {
        "squares": [await square(marks, x) for x in (2, 3, 2)],
        "ordered": [
            await ordered.aio(marks, {"b": 1, "a": 2}),
            await ordered.aio(marks, {"a": 2, "b": 1}),
        ],
        "alone": await asyncio.gather(*(alone(marks, x) for x in (1, 1, 1, 2))),
        "always": [await always(marks) for _ in range(2)],
        "without_version": [await without_version(marks) for _ in range(2)],
        "pickled": [await pickled(marks, Unheard()) for _ in range(2)],
        "length": [await length(marks, file) for file in files],
        "written": await _length(await written(marks)),
    }


@env.task(cache=Cache("auto", ignored_inputs=IGNORED, serialize=True))
async def in_flight(marks: str, x: int) -> int:
    mark(marks, "in-flight")
    await until_there(marks, "go")
    return x
