"""Some work at a time, and none left behind when one fails."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def together(works: Iterable[Callable[[], Awaitable[T]]], *, at_once: int) -> list[T]:
    """Do all works, up to `at_once` at a time; their results in order.

    The first failure ends the others and is raised by itself, not in a group.  Works are taken from the iterable one
    by one, so it may be long.

    Example:
        >>> await together((partial(fetch, uri) for uri in uris), at_once=8)
    """
    results: dict[int, T] = {}
    waiting = enumerate(works)

    async def worker() -> None:
        for number, work in waiting:
            results[number] = await work()

    workers = [asyncio.ensure_future(worker()) for _ in range(at_once)]
    try:
        await asyncio.gather(*workers)
    finally:
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [results[number] for number in sorted(results)]
