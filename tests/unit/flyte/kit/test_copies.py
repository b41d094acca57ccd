"""Copies are equal, independent and ordinary, whatever their size."""

import pickle

import pytest

from flyte._kit import copies


@pytest.mark.parametrize("size", [0, 1, 4096, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1, 20_000_001])
def test_a_copy_is_like_any_other_bytes(size: int) -> None:
    content = bytearray(b"\x01\x02\x03" * (size // 3 + 1))[:size]
    copy = copies.to_bytes(memoryview(content))

    assert type(copy) is bytes
    assert copy == bytes(content)
    assert hash(copy) == hash(bytes(content))
    assert pickle.loads(pickle.dumps(copy)) == copy
    content[:1] = b"\xff"[:size]
    assert copy[:1] == b"\x01"[:size]


def test_a_part_of_a_read_only_buffer() -> None:
    content = bytes(range(250)) * 80_000
    assert copies.to_bytes(memoryview(content)[7:]) == content[7:]
