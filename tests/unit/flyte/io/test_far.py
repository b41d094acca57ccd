"""Files of another machine are read in pieces: what is asked for is fetched, and no more."""

from types import SimpleNamespace
from typing import Any

from flyte import storage
from flyte.io._opened.far import FarFile

MEGABYTE = 1024 * 1024


class Recorded:
    """A download whose byte at each place is known, and which remembers what was asked for."""

    def __init__(self, size: int) -> None:
        self.link = SimpleNamespace(size=size)
        self.asked: list[tuple[int, int]] = []

    async def part(self, first: int, end: int) -> bytearray:
        self.asked.append((first, end))
        return bytearray(place % 251 for place in range(first, end))


def opened(size: int) -> tuple[Recorded, storage.Reader]:
    download: Any = Recorded(size)
    return download, storage.Reader("/far/file", FarFile(download))


async def test_only_the_piece_around_the_place_is_fetched() -> None:
    download, reader = opened(20 * MEGABYTE)
    await reader.seek(10 * MEGABYTE)
    first = await reader.read(8)
    assert first == bytes(place % 251 for place in range(10 * MEGABYTE, 10 * MEGABYTE + 8))
    assert len(await reader.read(1000)) == 1000
    assert download.asked == [(10 * MEGABYTE, 14 * MEGABYTE)]


async def test_the_last_piece_ends_with_the_file() -> None:
    download, reader = opened(5 * MEGABYTE)
    assert len(await reader.read()) == 5 * MEGABYTE
    assert download.asked == [(0, 5 * MEGABYTE)]
    assert await reader.read(1) == b""


async def test_lines_are_not_asked_for_one_by_one() -> None:
    download, reader = opened(MEGABYTE)
    lines = [line async for line in reader]
    assert sum(map(len, lines)) == MEGABYTE
    assert len(lines) > 4000
    assert len(download.asked) == 1
