"""Which bytes a request asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyte_server.services.http import ranges
from flyte_server.services.http.ranges import Part, Unsatisfiable


def part(wanted: str, size: int = 100, condition: str = "") -> Part | None:
    return ranges.part(wanted, size=size, condition=condition, etag='"now"')


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("bytes=0-0", Part(0, 1)),
        ("bytes=10-19", Part(10, 20)),
        ("bytes=10-", Part(10, 100)),
        ("bytes=90-1000", Part(90, 100)),
        ("bytes=-5", Part(95, 100)),
        ("bytes=-1000", Part(0, 100)),
        ("bytes= 1 - 2 ", Part(1, 3)),
        ("", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
    ],
)
def test_a_range_is_read_and_anything_else_is_the_whole(wanted: str, found: Part | None) -> None:
    assert part(wanted) == found


@pytest.mark.parametrize("wanted", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_of_nothing_cannot_be_given(wanted: str) -> None:
    with pytest.raises(Unsatisfiable):
        part(wanted)


@pytest.mark.parametrize("wanted", ["bytes=0-", "bytes=-1"])
def test_an_empty_file_has_no_ranges(wanted: str) -> None:
    with pytest.raises(Unsatisfiable):
        part(wanted, size=0)


def test_a_range_of_another_content_is_the_whole_of_this_one() -> None:
    assert part("bytes=0-1", condition='"now"') == Part(0, 2)
    assert part("bytes=0-1", condition='"then"') is None
    assert part("bytes=100-", condition='"then"') is None


@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 150))
def test_a_part_lies_within_the_content(first: int, last: int, size: int) -> None:
    try:
        found = part(f"bytes={first}-{last}", size=size)
    except Unsatisfiable:
        assert first >= size
        return
    if found is not None:
        assert bytes(range(200))[:size][first : last + 1] == bytes(range(found.first, found.end))
