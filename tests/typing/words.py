"""What a type checker must see of the words: `basedpyright tests/typing`; nobody runs it."""

from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, assert_type

import flyte

env = flyte.TaskEnvironment("typed")


@env.task
def plain(x: int) -> str:
    return str(x)


@env.task(retries=3)
async def waiting(x: int, y: float = 1.0) -> float:
    return x * y


@flyte.trace
def traced(x: int) -> str:
    return str(x)


@flyte.trace
async def traced_stream(x: int) -> AsyncIterator[int]:
    yield x


async def calls() -> None:
    assert_type(plain(1), str)
    assert_type(await plain.aio(1), str)
    started: Coroutine[Any, Any, float] = waiting(1)
    assert_type(await started, float)
    assert_type(await waiting(1, y=2), float)
    assert_type(await waiting.aio(1), float)
    assert_type(plain.override(retries=1)(2), str)
    assert_type(await waiting.override(cache="auto")(2), float)
    assert_type(plain.forward(1), str)
    assert_type(traced(1), str)
    async for item in traced_stream(1):
        assert_type(item, int)
    assert_type(flyte.map(plain, [1]), Iterator[Any])


def mistakes() -> None:
    plain("1")  # pyright: ignore[reportArgumentType]
    plain()  # pyright: ignore[reportCallIssue]
    waiting(1, z=2)  # pyright: ignore[reportCallIssue]
    traced(None)  # pyright: ignore[reportArgumentType]
    env.task(retrys=1)  # pyright: ignore[reportCallIssue]
    flyte.Resources(cpus=1)  # pyright: ignore[reportCallIssue]
    flyte.GPU("T5", 1)  # pyright: ignore[reportArgumentType]


def settings() -> None:
    assert_type(env.clone_with("other"), flyte.TaskEnvironment)
    assert_type(flyte.Image.from_debian_base().with_pip_packages("a"), flyte.Image)
    assert_type(flyte.Resources().get_device(), flyte.Device | None)
