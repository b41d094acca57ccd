"""Records literals as this version writes them, so that later versions are held to read them.

    python -m tests.histories.literals.record

Each line of `CASES` becomes `<name>.json`: the hint and the value as Python expressions, the literal and its type as
base64.  Of those in `HASHED` the identity goes into `input_hashes.json`.  What is recorded already is left alone: a
literal that lies in somebody's store is not written anew either.  To add a kind of value, add a line at the end and run
the script; never edit or delete a line or a file.
"""

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import json
import typing
import uuid
import zoneinfo
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pydantic
from flyteidl2.core import identifier_pb2
from flyteidl2.task import common_pb2
from google.protobuf import timestamp_pb2

from flyte._kit.aio import drive
from flyte._wire import identities
from flyte.types import FlytePickle, _engine

FOLDER = Path(__file__).parent
HASHES = FOLDER.parent / "input_hashes.json"
T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


class Odd(enum.Enum):
    PAIR = (1, 2)


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.5


@dataclasses.dataclass
class Box(Generic[T]):
    value: T


@dataclasses.dataclass
class Tree:
    name: str
    children: "list[Tree]" = dataclasses.field(default_factory=list)


class Pair(typing.NamedTuple):
    a: int
    b: str | None = None


class Options(typing.TypedDict):
    name: str
    size: typing.NotRequired[int]


class Model(pydantic.BaseModel):
    n: int
    when: dt.datetime | str = "never"
    inner: "Model | None" = None


class Numbers(pydantic.RootModel[list[int]]):
    pass


CASES: dict[str, tuple[str, str]] = {
    "none": ("None", "None"),
    "bool": ("bool", "True"),
    "int": ("int", "-5"),
    "int-beyond-64-bits": ("int", "2**200"),
    "float": ("float", "-0.0"),
    "float-infinite": ("float", "float('-inf')"),
    "str": ("str", "'Zürich 🏔'"),
    "str-half-a-surrogate-pair": ("str", "'\\ud800'"),
    "bytes": ("bytes", "b'\\x00\\xff'"),
    "decimal": ("decimal.Decimal", "decimal.Decimal('1.10')"),
    "uuid": ("uuid.UUID", "uuid.UUID(int=7)"),
    "datetime-naive": ("dt.datetime", "dt.datetime(2026, 1, 2, 3, 4, 5, 6)"),
    "datetime-utc": ("dt.datetime", "dt.datetime(2026, 1, 2, tzinfo=dt.UTC)"),
    "datetime-in-a-zone": (
        "dt.datetime",
        "dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin'))",
    ),
    "datetime-naive-second-fold": ("dt.datetime", "dt.datetime(2026, 1, 2, fold=1)"),
    "date": ("dt.date", "dt.date(2026, 1, 2)"),
    "time": ("dt.time", "dt.time(1, 2, 3, tzinfo=dt.UTC)"),
    "timedelta": ("dt.timedelta", "dt.timedelta(days=-1, microseconds=1)"),
    "timedelta-largest": ("list[dt.timedelta]", "[dt.timedelta.max]"),
    "enum": ("Color", "Color.GREEN"),
    "enum-of-ints": ("Level", "Level.LOW"),
    "enum-of-flags": ("Mode", "Mode.READ | Mode.WRITE"),
    "enum-of-tuples": ("Odd", "Odd.PAIR"),
    "literal": ("Literal['a', 1, None]", "1"),
    "list": ("list[int]", "[1, 2, 3]"),
    "list-empty": ("list[str]", "[]"),
    "list-of-optionals": ("list[int | None]", "[1, None]"),
    "list-untyped": ("list", "[1, 'a', (2,), {3}, None, 2**70, 1.5]"),
    "dict": ("dict[str, float]", "{'b': 1.0, 'a': 2.0}"),
    "dict-of-int-keys": ("dict[int, str]", "{1: 'a', -2: 'b'}"),
    "dict-of-tuple-keys": ("dict[tuple[int, Color], int]", "{(1, Color.RED): 3}"),
    "dict-of-record-keys": ("dict[Point, int]", "{Point(1): 3}"),
    "dict-untyped": (
        "dict",
        "{'when': dt.datetime(2026, 1, 1), 5: decimal.Decimal('1.5'), 't': (1, frozenset({2}))}",
    ),
    "tuple": ("tuple[int, str, None]", "(1, 'a', None)"),
    "tuple-long": ("tuple[int, ...]", "(1, 2, 3)"),
    "set": ("set[str]", "{'b', 'a'}"),
    "frozenset": ("frozenset[dt.date]", "frozenset({dt.date(2026, 1, 1)})"),
    "optional": ("int | None", "None"),
    "union": ("int | float | bool", "True"),
    "union-of-records": ("Point | Box[int]", "Box(5)"),
    "union-in-a-tree": (
        "tuple[str | dt.date, str | dt.date]",
        "('2026-01-01', dt.date(2026, 1, 1))",
    ),
    "dataclass": ("Point", "Point(1, -0.0)"),
    "dataclass-generic": ("Box[list[Point]]", "Box([Point(1)])"),
    "dataclass-recursive": ("Tree", "Tree('a', [Tree('b')])"),
    "dataclass-in-a-map": ("dict[str, list[Point]]", "{'k': [Point(1)]}"),
    "named-tuple": ("list[Pair]", "[Pair(1), Pair(2, 'b')]"),
    "typed-dict": ("Options", "{'name': 'n'}"),
    "pydantic": ("Model", "Model(n=1, when=dt.datetime(2026, 1, 1), inner=Model(n=2))"),
    "pydantic-root": ("Numbers", "Numbers([1, 2])"),
    "message": (
        "identifier_pb2.Identifier",
        "identifier_pb2.Identifier(project='p', version='v')",
    ),
    "message-without-a-struct": ("timestamp_pb2.Timestamp", "timestamp_pb2.Timestamp(seconds=5)"),
    "message-in-a-tree": (
        "dict",
        "{'m': identifier_pb2.Identifier(project='p')}",
    ),
    "array": ("np.ndarray", "np.arange(6, dtype='>i2').reshape(2, 3)"),
    "array-in-fortran-order": ("np.ndarray", "np.asfortranarray(np.ones((2, 3)))"),
    "array-in-a-tree": ("tuple[npt.NDArray[np.float64], int]", "(np.array([0.5]), 1)"),
    "array-scalar": ("np.float32", "np.float32(0.1)"),
    "array-scalars-in-a-tree": ("list", "[np.int8(5), np.str_('a'), np.datetime64('2026-01-01')]"),
    "pickle": ("FlytePickle", "{'a': (1, 2)}"),
    "any": ("Any", "{'a': [1, (2, {3})], 4: None}"),
}

_NAMES = {
    "Any": Any,
    "FlytePickle": FlytePickle,
    "Literal": Literal,
    "decimal": decimal,
    "dt": dt,
    "identifier_pb2": identifier_pb2,
    "np": np,
    "npt": npt,
    "timestamp_pb2": timestamp_pb2,
    "uuid": uuid,
    "zoneinfo": zoneinfo,
}
"""What expressions may name, beside the classes of this module."""

HASHED = (
    "int",
    "int-beyond-64-bits",
    "float",
    "str",
    "bytes",
    "datetime-in-a-zone",
    "dict",
    "set",
    "union",
    "dataclass-recursive",
    "dict-of-record-keys",
    "pydantic",
    "message",
    "array",
)
"""Names of cases whose identity is recorded."""


def evaluated(expression: str) -> Any:
    """The hint or value that an expression means here."""
    return eval(expression, {**globals(), **_NAMES})


def main() -> None:
    """Write what is not there yet."""
    for name, (hint, value) in CASES.items():
        path = FOLDER / f"{name}.json"
        if path.exists():
            continue
        literal = drive(_engine.to_literal(evaluated(value), evaluated(hint)))
        record = {
            "hint": hint,
            "value": value,
            "literal": _text(literal.SerializeToString(deterministic=True)),
            "type": _text(
                _engine.literal_type(evaluated(hint)).SerializeToString(deterministic=True)
            ),
        }
        path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")

    hashes: dict[str, str] = json.loads(HASHES.read_text()) if HASHES.exists() else {}
    hashes |= {name: input_hash(name) for name in HASHED if name not in hashes}
    HASHES.write_text(json.dumps(hashes, indent=2) + "\n")


def input_hash(name: str) -> str:
    """The identity of a case as the only input, `x`, of a task."""
    hint, value = (evaluated(expression) for expression in CASES[name])
    inputs = common_pb2.Inputs()
    drive(_engine.write(value, hint, inputs.literals.add(name="x").value))
    return identities.input_hash(inputs)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


if __name__ == "__main__":
    main()
