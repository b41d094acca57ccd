"""Large values by reference: what goes, what stays, what arrives, and what is noticed."""

from collections.abc import Sequence
from typing import Any

import pytest
from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2

from flyte import errors
from flyte._interface import NativeInterface
from flyte._kit.aio import drive
from flyte._wire import carriers, identities, interfaces, values
from flyte._wire.failing import codes
from flyte.storage import digests
from flyte.types import _engine

MIB = 1024 * 1024
LARGE = 3 * MIB


class Shelf:
    """Implements `Carrier` in memory, and counts."""

    def __init__(self) -> None:
        self.kept: dict[str, bytearray] = {}
        self.put_pieces: list[Sequence[Any]] = []

    async def put(self, pieces: Sequence[Any], digest: str) -> str:
        self.put_pieces.append(pieces)
        self.kept[f"shelf:{digest}"] = bytearray(b"".join(pieces))
        return f"shelf:{digest}"

    async def get(self, uri: str, size: int) -> memoryview:
        return memoryview(self.kept[uri])


def of(hint: Any) -> NativeInterface:
    return NativeInterface({"x": (hint, NativeInterface.no_default)}, {"o0": hint})


def given(
    value: Any, hint: Any, shelf: Shelf | None, limit: int | None = None
) -> common_pb2.Inputs:
    message = drive(values.inputs(of(hint), {"x": value}, carrier=shelf, limit=limit))
    return common_pb2.Inputs.FromString(message.SerializeToString(deterministic=True))


def received(message: common_pb2.Inputs, hint: Any, shelf: Shelf | None) -> Any:
    return drive(values.arguments(of(hint), message, carrier=shelf))["x"]


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (b"\x00\xff" * LARGE, bytes),
        ("täglich " * (LARGE // 8), str),
        ("\ud800" + "x" * LARGE, str),
        (b"x" * LARGE, bytes | None),
        ("y" * LARGE, int | str),
        (["word"] * (LARGE // 8), list[str]),
        ({"b": "x" * LARGE, "a": "y"}, dict[str, str]),
        (list(range(LARGE // 4)), list[int]),
        ({"any": ["x" * LARGE, 1, None]}, Any),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_a_large_value_goes_by_reference_and_comes_back_exactly(value: Any, hint: Any) -> None:
    shelf = Shelf()
    message = given(value, hint, shelf)

    reference = message.literals[0].value
    [(uri, content)] = shelf.kept.items()
    assert message.ByteSize() < 1024
    assert reference.offloaded_metadata.uri == uri
    assert reference.offloaded_metadata.size_bytes == len(content)
    assert reference.metadata[carriers.CHECKSUM] == digests.digest([content])
    arrived = received(message, hint, shelf)
    assert (arrived, type(arrived)) == (value, type(value))


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (b"\x00\xff" * LARGE, bytes),
        ("ü" * LARGE, str),
        (b"x" * LARGE, bytes | None),
        ({"b": "x" * LARGE, "a": "y"}, dict[str, str]),
        ([b"x"] * (LARGE // 8), list[bytes]),
    ],
)
def test_it_is_known_by_the_same_identity_as_inline(value: Any, hint: Any) -> None:
    shelf = Shelf()

    assert identities.input_hash(given(value, hint, shelf)) == identities.input_hash(
        given(value, hint, None)
    )


def test_what_is_stored_is_the_literal_that_everybody_reads() -> None:
    shelf = Shelf()
    given(b"x" * LARGE, bytes, shelf)

    [content] = shelf.kept.values()
    assert literals_pb2.Literal.FromString(bytes(content)) == drive(
        _engine.to_literal(b"x" * LARGE, bytes)
    )


def test_bytes_are_handed_on_without_a_copy() -> None:
    shelf, value = Shelf(), b"x" * LARGE
    given(value, bytes, shelf)

    assert any(piece is value for piece in shelf.put_pieces[0])


def test_small_values_stay_inline() -> None:
    shelf = Shelf()
    message = given(b"x" * (carriers.THRESHOLD - 100), bytes, shelf)

    assert not shelf.kept
    assert message.literals[0].value.scalar.binary.value
    assert received(message, bytes, shelf) == b"x" * (carriers.THRESHOLD - 100)


def test_a_reference_names_a_short_type_and_leaves_a_long_one_to_the_interface() -> None:
    shelf = Shelf()
    reference = given(b"x" * LARGE, bytes, shelf).literals[0].value

    assert reference.offloaded_metadata.inferred_type == _engine.literal_type(bytes)


def test_outputs_go_by_reference_too() -> None:
    shelf, interface = Shelf(), of(str)
    message = drive(values.outputs(interface, "x" * LARGE, carrier=shelf))

    assert message.ByteSize() < 1024
    assert drive(values.returned(interface, message, carrier=shelf)) == "x" * LARGE


@pytest.mark.parametrize("carrier", [None, Shelf()])
def test_any_number_of_middling_values_fits_the_limit(carrier: Shelf | None) -> None:
    names = [f"v{i}" for i in range(20)]
    interface = NativeInterface(dict.fromkeys(names, (str, NativeInterface.no_default)), {})
    arguments = {name: name * (carriers.THRESHOLD // 4) for name in names}

    message = drive(values.inputs(interface, arguments, limit=10 * MIB, carrier=carrier))

    assert drive(values.arguments(interface, message, carrier=carrier)) == arguments
    if carrier is not None:
        assert message.ByteSize() <= 10 * MIB


def test_the_largest_go_first_and_only_as_many_as_needed() -> None:
    sizes = {"a": 900_000, "b": 800_000, "c": 700_000, "d": 100}

    assert carriers.chosen(sizes, 2_000_000, "inputs") == {"a"}
    assert carriers.chosen(sizes, 1_000_000, "inputs") == {"a", "b"}
    assert carriers.chosen(sizes, None, "inputs") == frozenset()
    assert carriers.chosen({"a": carriers.THRESHOLD + 1}, None, "inputs") == {"a"}


@pytest.mark.parametrize("carrier", [None, Shelf()])
def test_what_cannot_fit_is_refused_with_field_size_and_limit(carrier: Shelf | None) -> None:
    with pytest.raises(errors.InlineIOMaxBytesBreached) as caught:
        given("x" * 5000, str, carrier, limit=100)

    assert "inputs.x, has 5,00" in str(caught.value)
    assert "max_inline_io_bytes is 100" in str(caught.value)
    assert not codes.to_code(caught.value).recoverable


def test_what_no_message_can_hold_is_refused_with_the_way_out() -> None:
    with pytest.raises(
        errors.InlineIOMaxBytesBreached,
        match=r"outputs\.o0 has 3,000,000,000 bytes, .* at most 2,147,483,647 .*flyte\.io\.File",
    ):
        carriers.chosen({"o0": 3_000_000_000}, None, "outputs")


def test_nothing_is_stored_for_a_call_that_cannot_be_made() -> None:
    shelf = Shelf()
    interface = NativeInterface(
        {"a": (bytes, NativeInterface.no_default), "b": (int, NativeInterface.no_default)}, {}
    )

    with pytest.raises(errors.RuntimeDataValidationError, match=r"inputs\.b"):
        drive(values.inputs(interface, {"a": b"x" * LARGE, "b": "no"}, carrier=shelf))
    assert not shelf.kept


def test_a_flipped_bit_is_noticed() -> None:
    shelf = Shelf()
    message = given(b"x" * LARGE, bytes, shelf)
    [(uri, content)] = shelf.kept.items()
    expected = digests.digest([content])
    content[LARGE // 2] ^= 1

    with pytest.raises(errors.DataCorruptionError) as caught:
        received(message, bytes, shelf)
    said = str(caught.value)
    assert all(part in said for part in ("inputs.x", uri, expected, digests.digest([content])))
    assert not codes.to_code(caught.value).recoverable


def test_a_cut_end_is_noticed() -> None:
    shelf = Shelf()
    message = given(b"x" * LARGE, bytes, shelf)
    [content] = shelf.kept.values()
    size = len(content)
    del content[-1:]

    with pytest.raises(errors.DataCorruptionError, match=rf"should have {size:,} bytes, but has"):
        received(message, bytes, shelf)


def test_a_reference_of_another_sdk_has_no_checksum() -> None:
    shelf = Shelf()
    message = given(b"x" * LARGE, bytes, shelf)
    message.literals[0].value.metadata.clear()

    assert received(message, bytes, shelf) == b"x" * LARGE


def test_without_a_carrier_a_reference_cannot_be_read() -> None:
    message = given(b"x" * LARGE, bytes, Shelf())

    with pytest.raises(errors.RuntimeDataValidationError, match=r"inputs\.x: .*shelf:"):
        received(message, bytes, None)


def test_a_reader_who_only_looks_is_shown_the_address() -> None:
    shelf = Shelf()
    message = given(b"x" * LARGE, bytes, shelf)
    [uri] = shelf.kept

    shown = drive(values.shown({"x": bytes}, message.literals, "inputs"))

    assert shown == {
        "x": carriers.Reference(
            uri, message.literals[0].value.offloaded_metadata.size_bytes, "bytes"
        )
    }
    assert str(shown["x"]) == f"<bytes, 3.1 MB at {uri}>"


def test_an_opaque_value_stays_without_identity() -> None:
    shelf = Shelf()
    reference = given(Opaque(), Opaque, shelf).literals[0].value

    assert reference.HasField("offloaded_metadata")
    assert not identities.has_identity(reference)
    assert received(given(Opaque(), Opaque, shelf), Opaque, shelf).load == "x" * LARGE


class Opaque:
    """Nothing knows how to convert it, so it is pickled."""

    def __init__(self) -> None:
        self.load = "x" * LARGE


def test_a_large_default_stays_in_the_code() -> None:
    interface = NativeInterface({"small": (str, "x"), "large": (str, "x" * LARGE)}, {})

    defaults = drive(interfaces.defaults(interface))
    assert [each.name for each in defaults] == ["small"]
    assert drive(values.arguments(interface, common_pb2.Inputs())) == {
        "small": "x",
        "large": "x" * LARGE,
    }
