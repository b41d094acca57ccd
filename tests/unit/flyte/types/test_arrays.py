"""NumPy arrays and scalars: exact, without copies where they are large, refused where `.npy` would lose something."""

import mmap
import typing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from flyteidl2.core import literals_pb2, types_pb2
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import Sample, same, samples

from flyte._kit.aio import drive
from flyte.types import TypeTransformerFailedError, _engine, literal_string_repr


def travelled(value: Any, hint: Any) -> Any:
    literal = drive(_engine.to_literal(value, hint))
    arrived = literals_pb2.Literal.FromString(literal.SerializeToString())
    return drive(_engine.to_python(arrived, hint))


def refusal(value: Any, hint: Any) -> str:
    with pytest.raises(TypeTransformerFailedError) as caught:
        drive(_engine.to_literal(value, hint, "outputs.o0"))
    return str(caught.value)


def mapped(data: bytes) -> memoryview:
    """As a carrier hands it over: a private, writable mapping."""
    memory = mmap.mmap(-1, len(data))
    memory[:] = data
    return memoryview(memory)


@dataclass
class Layer:
    weights: npt.NDArray[np.float32]
    rate: np.float64
    more: dict[str, np.ndarray] = field(default_factory=dict)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 3)),
        np.array(3),
        np.array("x"),
        np.array(["a", "bcd"]),
        np.array([b"x", b"yz"]),
        np.array(["2020-01-01", "NaT"], dtype="M8[D]"),
        np.array([1 + 2j]),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", ">f8")]),
        np.zeros(2, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
        np.zeros((0, 3)),
        np.zeros(3, ">i2"),
        np.zeros(2, np.longdouble),
        np.array([], dtype="U0"),
        np.array([np.nan, np.inf, -0.0]),
    ],
)
@pytest.mark.parametrize("hint", [np.ndarray, Any, npt.NDArray[Any], np.ndarray | str | None])
def test_an_array_comes_back_as_it_was(array: Any, hint: Any) -> None:
    assert same(travelled(array, hint), array)
    assert same(travelled({"k": [array]}, dict[str, list[hint]]), {"k": [array]})
    assert same(travelled((array, 1), tuple[hint, int]), (array, 1))


def test_arrays_and_scalars_in_records() -> None:
    layer = Layer(np.ones((2, 2), np.float32), np.float64(0.1), {"b": np.arange(3)})

    arrived = travelled(layer, Layer)

    assert same(arrived, layer)
    arrived.weights[0, 0] = 5  # what arrives is the receiver's own
    assert type(arrived.rate) is np.float64


@pytest.mark.parametrize(
    "array", [np.arange(10)[::2], np.arange(12).reshape(3, 4)[:, 1:3], np.arange(5)[::-1]]
)
def test_a_view_arrives_as_an_array_of_its_own(array: Any) -> None:
    arrived = travelled(array, np.ndarray)

    assert (arrived == array).all()
    assert arrived.flags.c_contiguous


@given(samples("arrays"), st.booleans())
def test_the_pieces_are_the_serialized_literal(sample: Sample, optional: bool) -> None:
    hint = typing.Union[sample.hint, None] if optional else sample.hint  # noqa: UP007
    literal = drive(_engine.to_literal(sample.value, hint))
    data = literal.SerializeToString(deterministic=True)

    pieces = _engine.pieces(sample.value, hint)
    assert pieces is None or b"".join(pieces) == data
    assert same(drive(_engine.from_buffer(mapped(data), hint)), sample.value)
    assert same(drive(_engine.from_buffer(memoryview(data), hint)), sample.value)


@pytest.mark.parametrize("dtype", ["f8", ">i2", "M8[s]", "U3", [("a", "i1"), ("b", "f8")]])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_large_array_is_neither_copied_on_its_way_out_nor_in(dtype: Any, order: Any) -> None:
    array = np.zeros((500, 700), dtype, order=order)

    pieces = _engine.pieces(array, np.ndarray)
    assert pieces is not None
    assert any(np.shares_memory(np.frombuffer(piece, np.uint8), array) for piece in pieces)
    literal = drive(_engine.to_literal(array, np.ndarray))
    data = b"".join(pieces)
    assert data == literal.SerializeToString(deterministic=True)

    memory = mapped(data)
    arrived = drive(_engine.from_buffer(memory, np.ndarray))
    assert same(arrived, array)
    assert np.shares_memory(arrived, np.frombuffer(memory, np.uint8))
    assert arrived.ctypes.data % 64 == 0
    arrived.flat[0] = array.flat[1]  # writable
    shared = drive(_engine.from_buffer(memoryview(data), np.ndarray))
    assert not np.shares_memory(shared, np.frombuffer(data, np.uint8))
    assert shared.flags.writeable


@pytest.mark.parametrize("cls", [np.int8, np.float32, np.bool_])
def test_a_plain_number_becomes_a_scalar_where_it_is_the_same(cls: Any) -> None:
    assert same(travelled(1 if cls is not np.bool_ else True, cls), cls(1))


@pytest.mark.parametrize(("value", "cls"), [(300, np.int8), (0.1, np.float32), ("1", np.int64)])
def test_a_plain_number_that_would_change_is_refused(value: Any, cls: Any) -> None:
    assert refusal(value, cls).startswith(f"outputs.o0: expected {cls.__name__}, found ")


def test_a_scalar_for_a_plain_number_has_to_be_converted() -> None:
    assert same(travelled(np.float64(0.5), float), 0.5)  # it is a float
    assert "convert it with int()" in refusal(np.int64(1), int)


@pytest.mark.parametrize(
    ("value", "hint", "message"),
    [
        (np.array([object()]), np.ndarray, "dtype object"),
        (np.array([{}]), Any, "dtype object"),
        (np.array(["a"], dtype=np.dtypes.StringDType()), np.ndarray, "to 'U' for text"),
        (np.ma.masked_array([1], [True]), np.ndarray, "masked array"),
        (np.ma.masked_array([1], [True]), Any, "masked array"),
        (np.zeros(1, [("a", "i4")]).view(np.recarray), np.ndarray, "its subclass recarray"),
        (np.zeros(3), npt.NDArray[np.int8], "an array of float64 with 1 axes"),
        (np.zeros((2, 2)), np.ndarray[tuple[int], np.dtype[np.float64]], "with 2 axes"),
        ([1.0], np.ndarray, "expected ndarray, found list"),
    ],
)
def test_what_npy_cannot_hold_is_refused(value: Any, hint: Any, message: str) -> None:
    assert message in refusal(value, hint)
    assert refusal([{"a": value}], list[dict[str, hint]]).startswith("outputs.o0[0]['a']: ")


def test_masked_arrays_are_refused_where_they_are_declared() -> None:
    with pytest.raises(TypeTransformerFailedError, match=r"array\.data, array\.mask"):
        _engine.literal_type(np.ma.MaskedArray)


def test_a_memory_map_arrives_as_an_array(tmp_path: Any) -> None:
    array = np.memmap(tmp_path / "a", np.int16, "w+", shape=(3,))

    assert same(travelled(array, np.ndarray), np.zeros(3, np.int16))


def test_the_wire_says_what_it_is() -> None:
    array, scalar = _engine.literal_type(np.ndarray), _engine.literal_type(np.float32)

    assert array.blob.format == "NumpyArray"
    assert (scalar.simple, scalar.structure.tag) == (types_pb2.FLOAT, "numpy.float32")
    literal = drive(_engine.to_literal(np.arange(3), np.ndarray))
    assert literal.scalar.binary.tag == "npy"
    assert literal.scalar.binary.value.startswith(b"\x93NUMPY")
    assert same(literal_string_repr({"x": literal})["x"], np.arange(3))


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"no array at all"])
def test_bytes_that_are_no_array_are_refused(damage: bytes) -> None:
    literal = literals_pb2.Literal()
    literal.scalar.binary.tag = "npy"
    literal.scalar.binary.value = damage

    with pytest.raises(TypeTransformerFailedError, match=r"inputs\.x: expected an array"):
        drive(_engine.to_python(literal, np.ndarray, "inputs.x"))


def test_a_truncated_array_is_refused() -> None:
    literal = drive(_engine.to_literal(np.arange(100), np.ndarray))
    literal.scalar.binary.value = literal.scalar.binary.value[:-8]

    with pytest.raises(TypeTransformerFailedError, match="expected an array"):
        drive(_engine.to_python(literal, np.ndarray))
