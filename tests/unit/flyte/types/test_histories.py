"""What older versions wrote is still read: recorded literals give the values that were recorded with them."""

import base64
import json
from typing import Any

import pytest
from flyteidl2.core import literals_pb2, types_pb2
from tests.histories.literals import record
from tests.strategies import same

from flyte._kit.aio import drive
from flyte.types import _engine, literal_string_repr

RECORDED = sorted(record.FOLDER.glob("*.json"))
HASHES: dict[str, str] = json.loads(record.HASHES.read_text())


@pytest.fixture(params=RECORDED, ids=lambda path: path.stem)
def recorded(request: pytest.FixtureRequest) -> dict[str, Any]:
    return json.loads(request.param.read_text())


def literal_of(recorded: dict[str, Any]) -> literals_pb2.Literal:
    return literals_pb2.Literal.FromString(base64.b64decode(recorded["literal"]))


def test_a_recorded_literal_gives_its_value(recorded: dict[str, Any]) -> None:
    value, hint = record.evaluated(recorded["value"]), record.evaluated(recorded["hint"])

    assert same(drive(_engine.to_python(literal_of(recorded), hint)), value)


def test_a_recorded_literal_is_read_without_its_class(recorded: dict[str, Any]) -> None:
    literal_type = types_pb2.LiteralType.FromString(base64.b64decode(recorded["type"]))
    literal, hint = literal_of(recorded), _engine.guess(literal_type)

    drive(_engine.to_python(literal, hint))
    assert "x" in literal_string_repr({"x": literal})


def test_every_kind_is_recorded() -> None:
    assert {path.stem for path in RECORDED} == record.CASES.keys()


@pytest.mark.parametrize("name", HASHES)
def test_the_identity_of_a_value_stays(name: str) -> None:
    """A new identity makes every cache forget, and an interrupted run start its children again."""
    assert record.input_hash(name) == HASHES[name]
