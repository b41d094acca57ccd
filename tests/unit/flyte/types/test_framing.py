"""Pieces of a literal are what protobuf itself would write, and are read without it."""

from typing import Any

import pytest
from flyteidl2.core import literals_pb2
from hypothesis import given
from hypothesis import strategies as st

from flyte._kit.aio import drive
from flyte.types import _engine, _framing

Literal = literals_pb2.Literal

sizes = st.one_of(
    st.integers(1, 300), st.sampled_from([127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
)


@given(size=sizes, tag=st.sampled_from(["", "npy", "t" * 200]))
def test_a_binary_is_framed_as_protobuf_does(size: int, tag: str) -> None:
    payload = b"\x07" * size
    joined = b"".join(_framing.binary([payload[:10], payload[10:]], tag))

    literal = Literal()
    literal.scalar.binary.value = payload
    literal.scalar.binary.tag = tag
    assert joined == literal.SerializeToString(deterministic=True)
    assert _framing.binary_payload(memoryview(joined), tag) == payload
    assert joined[_framing.binary_offset(size, tag) :].startswith(payload)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_text_is_framed_as_protobuf_does(text: str) -> None:
    joined = b"".join(_framing.text(text.encode()))

    literal = Literal()
    literal.scalar.primitive.string_value = text
    assert joined == literal.SerializeToString(deterministic=True)
    assert _framing.text_payload(memoryview(joined)) == text.encode()


_framed = st.binary(max_size=200).map(lambda payload: b"".join(_framing.binary([payload])))
_cut = st.tuples(_framed, st.integers(0, 210)).map(lambda drawn: drawn[0][: drawn[1]])


@given(data=st.binary(max_size=200) | _framed | _cut)
def test_what_is_read_here_is_what_protobuf_reads(data: bytes) -> None:
    payload = _framing.binary_payload(memoryview(data))
    if payload is not None:
        assert Literal.FromString(data).scalar.binary.value == payload


@given(data=st.binary(max_size=200))
def test_foreign_bytes_are_left_to_protobuf(data: bytes) -> None:
    foreign = b"\x7a" + data  # begins with a field that no literal of ours has
    for read in (_framing.binary_payload, _framing.text_payload, _framing.union_payload):
        assert read(memoryview(foreign)) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda literal: literal.metadata.update({"a": "b"}),
        lambda literal: setattr(literal, "hash", "h"),
        lambda literal: setattr(literal.scalar.binary, "tag", "msgpack"),
    ],
)
def test_a_literal_that_says_more_is_left_to_protobuf(change: Any) -> None:
    literal = Literal()
    literal.scalar.binary.value = b"x" * 100
    change(literal)

    assert _framing.binary_payload(memoryview(literal.SerializeToString())) is None


LONG = 2 * _framing.WORTHWHILE


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (b"\xff" * LONG, bytes),
        ("ß" * LONG, str),
        (b"\xff" * LONG, bytes | None),
        ("x" * LONG, int | str | bytes),
        (b"x" * LONG, int | str | bytes),
    ],
)
def test_pieces_are_the_literal(value: Any, hint: Any) -> None:
    pieces = _engine.pieces(value, hint)

    assert pieces is not None
    joined = b"".join(pieces)
    literal = drive(_engine.to_literal(value, hint))
    assert joined == literal.SerializeToString(deterministic=True)
    arrived = drive(_engine.from_buffer(memoryview(joined), hint))
    assert (arrived, type(arrived)) == (value, type(value))


@pytest.mark.parametrize(
    ("value", "hint"), [(b"small", bytes), ("small", str), (["x" * LONG], list[str]), (1, int)]
)
def test_small_and_composed_values_go_through_protobuf(value: Any, hint: Any) -> None:
    assert _engine.pieces(value, hint) is None
    literal = drive(_engine.to_literal(value, hint)).SerializeToString()
    assert drive(_engine.from_buffer(memoryview(literal), hint)) == value


def test_a_value_of_another_type_is_refused_with_its_path() -> None:
    with pytest.raises(
        _engine.TypeTransformerFailedError, match=r"outputs\.o0: expected bytes, found str"
    ):
        _engine.pieces("x" * LONG, bytes, path="outputs.o0")


def test_bytes_that_are_no_literal_are_refused() -> None:
    with pytest.raises(
        _engine.TypeTransformerFailedError, match=r"inputs\.x: expected a serialized literal"
    ):
        drive(_engine.from_buffer(memoryview(b"\xff\xff\xff"), list[int], path="inputs.x"))
