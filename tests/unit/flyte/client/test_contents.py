"""What is sent, in pieces and again."""

import hashlib
import random
from pathlib import Path

import pytest

from flyte import errors
from flyte._client import contents
from flyte._client.contents import BufferContent, Content, FileContent

SIZE = 3 * contents.PIECE_BYTES + 5


async def pieces(content: Content) -> list[bytes]:
    return [piece async for piece in content.pieces()]


@pytest.fixture
def data() -> bytes:
    return random.Random(1).randbytes(SIZE)


async def test_a_file_comes_in_pieces_as_often_as_it_takes(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    content = FileContent(tmp_path / "file")
    assert content.size == SIZE
    for _ in range(2):
        found = await pieces(content)
        assert b"".join(found) == data
        assert max(map(len, found)) == contents.PIECE_BYTES
    assert await contents.md5(content) == hashlib.md5(data).digest()


async def test_buffers_of_any_kind_are_not_joined(data: bytes) -> None:
    given = [data[:3], bytearray(data[3:10]), memoryview(data)[10:], b""]
    content = BufferContent(given)
    assert content.size == SIZE
    assert b"".join(await pieces(content)) == data
    words = memoryview(bytes(16)).cast("Q")
    assert BufferContent([words]).size == 16


@pytest.mark.parametrize("now", [SIZE - 1, SIZE + 1])
async def test_a_file_that_changes_meanwhile_is_refused(
    tmp_path: Path, data: bytes, now: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    content = FileContent(path)
    with path.open("r+b") as file:
        file.truncate(now)
    with pytest.raises(errors.StorageError, match=f"had {SIZE} bytes and has {now} now"):
        await pieces(content)


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.StorageNotFoundError, match="nothing"):
        FileContent(tmp_path / "nothing")
    with pytest.raises(errors.StorageError, match="directory"):
        await pieces(FileContent(tmp_path))
