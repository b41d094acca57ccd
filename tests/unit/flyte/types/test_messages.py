"""Protobuf messages: as every Flyte client reads them, and exact."""

from dataclasses import dataclass
from typing import Any

import pytest
from flyteidl2.core import identifier_pb2, literals_pb2
from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2
from tests.strategies import same

from flyte._kit.aio import drive
from flyte.types import TypeTransformerFailedError, _engine, literal_string_repr

NAME = identifier_pb2.Identifier(project="p", version="v")


@dataclass
class Holder:
    name: identifier_pb2.Identifier
    when: timestamp_pb2.Timestamp | None = None


def travelled(value: Any, hint: Any) -> Any:
    literal = drive(_engine.to_literal(value, hint))
    arrived = literals_pb2.Literal.FromString(literal.SerializeToString())
    return drive(_engine.to_python(arrived, hint))


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (NAME, identifier_pb2.Identifier),
        ([NAME], list[identifier_pb2.Identifier]),
        (NAME, identifier_pb2.Identifier | None),
        ((NAME, 1), tuple[identifier_pb2.Identifier, int]),
        ({"n": NAME, "t": timestamp_pb2.Timestamp(seconds=5)}, dict),
        (Holder(NAME, timestamp_pb2.Timestamp(seconds=5)), Holder),
        (duration_pb2.Duration(seconds=3), duration_pb2.Duration),
        (struct_pb2.Struct(), struct_pb2.Struct),
    ],
)
def test_a_message_comes_back_as_it_was(value: Any, hint: Any) -> None:
    assert same(travelled(value, hint), value)


def test_it_is_a_struct_that_every_client_reads() -> None:
    literal_type = _engine.literal_type(identifier_pb2.Identifier)
    literal = drive(_engine.to_literal(NAME, identifier_pb2.Identifier))

    assert literal_type.metadata["pb_type"] == "flyteidl2.core.identifier_pb2.Identifier"
    assert literal_string_repr({"x": literal}) == {"x": {"project": "p", "version": "v"}}
    assert _engine.guess(literal_type) is identifier_pb2.Identifier
    assert _engine.guess(_engine.literal_type(Holder)).__dataclass_fields__["name"].type is (
        identifier_pb2.Identifier
    )


def test_what_a_struct_would_lose_travels_as_bytes() -> None:
    unknown = identifier_pb2.Identifier.FromString(NAME.SerializeToString() + b"\xfa\x3f\x01x")
    for value in (unknown, timestamp_pb2.Timestamp(seconds=1), struct_pb2.Value(number_value=-0.0)):
        literal = drive(_engine.to_literal(value, type(value)))

        assert literal.scalar.binary.tag == "protobuf"
        assert same(drive(_engine.to_python(literal, type(value))), value)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(
        TypeTransformerFailedError, match=r"outputs\.o0\.name: expected Identifier, found"
    ):
        drive(_engine.to_literal(Holder(duration_pb2.Duration()), Holder, "outputs.o0"))  # type: ignore[arg-type]
    struct = struct_pb2.Struct()
    struct.update({"no_such_field": 1})
    literal = literals_pb2.Literal(scalar=literals_pb2.Scalar(generic=struct))
    with pytest.raises(TypeTransformerFailedError, match=r"inputs\.x: .*no_such_field"):
        drive(_engine.to_python(literal, identifier_pb2.Identifier, "inputs.x"))
    literal = drive(_engine.to_literal(timestamp_pb2.Timestamp(seconds=1), timestamp_pb2.Timestamp))
    literal.scalar.binary.value = b"\xff"
    with pytest.raises(TypeTransformerFailedError, match="they cannot be read"):
        drive(_engine.to_python(literal, timestamp_pb2.Timestamp))
