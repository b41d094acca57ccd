"""Values of every supported type, each with its hint; for round trips in every mode.

`samples(family)` draws from one family, `everything()` from all of them, nested.  All classes are of this module, so
that another process can import them.
"""

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import operator
import typing
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pydantic
from flyteidl2.core import identifier_pb2, literals_pb2
from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.message import Message
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

T = TypeVar("T")
Values = st.SearchStrategy[Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A hint, and a strategy for its values."""

    hint: Any
    values: Values

    def __repr__(self) -> str:
        return f"Kind({self.hint})"  # that of the strategy fills pages


@dataclass(frozen=True, slots=True)
class Sample:
    """A value with its hint."""

    hint: Any
    value: Any


# Equality


def same(a: Any, b: Any) -> bool:
    """Equal in value, type and order of keys, all the way down; NaN is the same as NaN, -0.0 is not 0.0."""
    return _signature(a) == _signature(b)


def _signature(value: Any) -> Any:
    return type(value), _content(value)


def _content(value: Any) -> Any:
    found = (content(value) for cls, content in _CONTENTS if isinstance(value, cls))
    if dataclasses.is_dataclass(value):
        return [_signature(getattr(value, each.name)) for each in dataclasses.fields(value)]
    return next(found, value)


def _items(values: Any) -> Any:
    return [_signature(item) for item in values]


def _model_content(model: Any) -> Any:
    return _items((model.__dict__, model.__pydantic_extra__, model.__pydantic_private__))


def _array_content(value: Any) -> Any:
    order = value.flags.f_contiguous and not value.flags.c_contiguous
    return value.dtype.str, value.dtype.descr, value.shape, value.tobytes(), order


_CONTENTS: list[tuple[Any, Callable[[Any], Any]]] = [
    (enum.Enum, lambda value: value),
    (np.ndarray | np.generic, _array_content),
    (float, lambda value: repr(float(value))),  # tells -0.0 from 0.0
    (decimal.Decimal, lambda value: value.as_tuple()),
    (list | tuple, _items),
    (set | frozenset, lambda values: sorted(_items(values), key=repr)),
    (dict, lambda values: _items(values.items())),
    (
        dt.datetime | dt.time,
        lambda value: (value.isoformat(), value.fold, value.utcoffset(), str(value.tzinfo)),
    ),
    (Message, lambda value: value.SerializeToString(deterministic=True)),
    (pydantic.BaseModel, _model_content),
]
"""What makes two values of a type the same; other values are compared as they are."""


# Fixed values as classes


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Suit(enum.StrEnum):
    HEARTS = "hearts"
    SPADES = "spades"


class Mode(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 4


class Bits(enum.IntFlag):
    LOW = 1
    HIGH = 8


class Odd(enum.Enum):
    PAIR = (1, 2)
    NOTHING = None


class Ratio(enum.Enum):
    HALF = 0.5
    ONE = 1.0


# Records as classes


@dataclass
class Point:
    x: int
    y: float = 0.5


@dataclass
class Twin:
    x: int
    y: float = 0.5


@dataclass(frozen=True, slots=True, order=True)
class Key:
    name: str
    number: int = 0


@dataclass
class Box(Generic[T]):
    value: T
    more: list[T] = field(default_factory=list)


@dataclass
class Tree:
    name: str
    children: "list[Tree]" = field(default_factory=list)
    parent: "Tree | None" = None


@dataclass(kw_only=True)
class Shape:
    points: list[Point]
    tags: set[str] = field(default_factory=set)
    when: dt.datetime | str | None = None
    blob: bytes = b""
    pair: tuple[int, str] = (0, "")
    color: Color = Color.RED
    by_key: dict[Key, decimal.Decimal] = field(default_factory=dict)


@dataclass
class Seeded:
    size: int
    seed: dataclasses.InitVar[int]
    made: int = 0

    def __post_init__(self, seed: int) -> None:
        self.made = seed


@dataclass
class Doubling:
    amount: int
    cached: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.amount *= 2
        self.cached = [self.amount]


class Pair(typing.NamedTuple):
    a: int
    b: str | None = None


class Settings(typing.TypedDict, total=False):
    name: typing.Required[str]
    size: int
    spans: list[dt.timedelta]


# Models as classes


class Inner(pydantic.BaseModel):
    when: str | dt.datetime
    data: bytes = b"\xff"
    pair: tuple[int, str] = (1, "a")


class Outer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)

    n: Annotated[int, pydantic.Field(gt=0, alias="N")]
    items: list[Inner] = []
    choice: Inner | dict[str, int] | None = None

    @pydantic.computed_field
    @property
    def size(self) -> int:
        return len(self.items)


class Wrapper(pydantic.BaseModel, Generic[T]):
    value: T


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    a: int


class Cat(pydantic.BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(pydantic.BaseModel):
    kind: Literal["dog"] = "dog"
    name: str = ""


class House(pydantic.BaseModel):
    pet: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]
    keys: dict[int, Color] = {}


class Numbers(pydantic.RootModel[list[int]]):
    pass


class Growing(pydantic.BaseModel):
    n: int

    @pydantic.field_validator("n")
    @classmethod
    def one_more(cls, n: int) -> int:
        return n + 1


class Stripped(pydantic.BaseModel):
    text: str

    @pydantic.field_validator("text", mode="before")
    @classmethod
    def strip(cls, text: Any) -> Any:
        return text.strip() if isinstance(text, str) else text


class Branch(pydantic.BaseModel):
    name: str
    children: list["Branch"] = []


UserId = typing.NewType("UserId", int)

# One strategy for each family

_int64 = st.integers(-(2**63), 2**63 - 1)
_names = st.text("abcxyz_", min_size=1, max_size=5)
_moments = st.builds(
    lambda value, fold: value.replace(fold=fold),
    st.datetimes(timezones=st.none() | st.timezones() | st.just(dt.UTC)),
    st.integers(0, 1),
)
_times = st.builds(
    lambda value, fold: value.replace(fold=fold),
    st.times(timezones=st.none() | st.timezones()),
    st.integers(0, 1),
)


def _kinds(*pairs: tuple[Any, Values]) -> st.SearchStrategy[Kind]:
    return st.sampled_from([Kind(hint, values) for hint, values in pairs])


SCALARS = _kinds(
    (None, st.none()),
    (bool, st.booleans()),
    (int, st.integers()),
    (float, st.floats()),
    (str, st.text(st.characters())),
    (bytes, st.binary()),
    (decimal.Decimal, st.decimals()),
    (uuid.UUID, st.uuids()),
    (UserId, st.integers()),
    (Annotated[int, "a comment"], st.integers()),
)
TIMES = _kinds(
    (dt.datetime, _moments),
    (dt.date, st.dates()),
    (dt.time, _times),
    (dt.timedelta, st.timedeltas()),
)
_MIXED = Literal["a", 1, True, None, b"b", Color.RED, "red"]
CHOICES = _kinds(
    (Color, st.sampled_from(Color)),
    (Level, st.sampled_from(Level)),
    (Suit, st.sampled_from(Suit)),
    (Mode, st.integers(0, 7).map(Mode)),
    (Bits, st.sampled_from([Bits(0), Bits.LOW, Bits.HIGH, Bits.LOW | Bits.HIGH])),
    (Odd, st.sampled_from(Odd)),
    (Ratio, st.sampled_from(Ratio)),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
    (Literal[1, 2**70, -3], st.sampled_from([1, 2**70, -3])),
    (_MIXED, st.sampled_from(typing.get_args(_MIXED))),
)

_points = st.builds(Point, _int64, st.floats())
_keys = st.builds(Key, st.text(max_size=5), _int64)
_trees = st.recursive(
    st.builds(Tree, _names),
    lambda inner: st.builds(Tree, _names, st.lists(inner, max_size=3), st.none() | inner),
    max_leaves=5,
)
_shapes = st.builds(
    Shape,
    points=st.lists(_points, max_size=3),
    tags=st.sets(st.text(max_size=5), max_size=3),
    when=st.none() | st.text(max_size=5) | _moments,
    blob=st.binary(max_size=5),
    pair=st.tuples(st.integers(), st.text(max_size=5)),
    color=st.sampled_from(Color),
    by_key=st.dictionaries(_keys, st.decimals(allow_nan=False), max_size=3),
)
_settings = st.fixed_dictionaries(
    {"name": st.text()},
    optional={"size": st.integers(), "spans": st.lists(st.timedeltas(), max_size=3)},
)


def _boxes(kind: Kind) -> Kind:
    hint = kind.hint or type(None)
    return Kind(Box[hint], st.builds(Box, kind.values, st.lists(kind.values, max_size=2)))


RECORDS = _kinds(
    (Point, _points),
    (Key, _keys),
    (Tree, _trees),
    (Shape, _shapes),
    (Seeded, st.builds(Seeded, st.integers(), st.integers())),
    (Doubling, st.builds(Doubling, st.integers())),
    (Pair, st.builds(Pair, st.integers(), st.none() | st.text())),
    (Settings, _settings),
) | st.one_of(SCALARS, TIMES, CHOICES).map(_boxes)

_inners = st.builds(
    Inner,
    when=st.text() | _moments,
    data=st.binary(),
    pair=st.tuples(st.integers(), st.text()),
)
_branches = st.recursive(
    st.builds(Branch, name=_names),
    lambda inner: st.builds(Branch, name=_names, children=st.lists(inner, max_size=3)),
    max_leaves=5,
)
MODELS = _kinds(
    (Inner, _inners),
    (
        Outer,
        st.builds(
            Outer,
            N=st.integers(min_value=1),
            items=st.lists(_inners, max_size=2),
            choice=st.none() | _inners | st.dictionaries(st.text(), st.integers(), max_size=2),
        ),
    ),
    (Wrapper[int], st.builds(Wrapper[int], value=st.integers())),
    (Wrapper[list[Point]], st.builds(Wrapper[list[Point]], value=st.lists(_points, max_size=2))),
    (Open, st.builds(Open, a=st.integers(), b=st.text(), c=st.lists(st.integers(), max_size=2))),
    (
        House,
        st.builds(
            House,
            pet=st.builds(Cat, lives=st.integers()) | st.builds(Dog, name=st.text()),
            keys=st.dictionaries(st.integers(), st.sampled_from(Color), max_size=2),
        ),
    ),
    (Numbers, st.lists(st.integers(), max_size=5).map(Numbers)),
    (Growing, st.builds(Growing, n=st.integers())),
    (Stripped, st.builds(Stripped, text=st.text())),
    (Branch, _branches),
)

_identifiers = st.builds(
    identifier_pb2.Identifier,
    project=st.text(max_size=5),
    version=st.text(max_size=5),
    resource_type=st.integers(0, 3),
)
_stamps = st.builds(
    timestamp_pb2.Timestamp,
    seconds=st.integers(-62135596800, 253402300799),
    nanos=st.integers(0, 999_999_999),
)


def _primitive(number: float, text: str) -> literals_pb2.Literal:
    literal = literals_pb2.Literal(hash=text)
    literal.scalar.primitive.float_value = number
    return literal


MESSAGES = _kinds(
    (identifier_pb2.Identifier, _identifiers),
    (timestamp_pb2.Timestamp, _stamps),
    (duration_pb2.Duration, st.builds(duration_pb2.Duration, seconds=st.integers(-999, 999))),
    (wrappers_pb2.Int64Value, st.builds(wrappers_pb2.Int64Value, value=_int64)),
    (struct_pb2.Value, st.builds(struct_pb2.Value, number_value=st.floats())),
    (literals_pb2.Literal, st.builds(_primitive, st.floats(), st.text(max_size=5))),
)

_dtypes = st.one_of(
    st_numpy.boolean_dtypes(),
    st_numpy.integer_dtypes(),
    st_numpy.unsigned_integer_dtypes(),
    st_numpy.floating_dtypes(),
    st_numpy.complex_number_dtypes(),
    st_numpy.datetime64_dtypes(),
    st_numpy.timedelta64_dtypes(),
    st_numpy.byte_string_dtypes(max_len=4),
    st_numpy.unicode_string_dtypes(max_len=4),
    st.just(np.dtype([("a", "<i4"), ("b", ">f8", (2,))])),
)
_shapes_of_arrays = st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
_arrays = st.builds(
    lambda array, fortran: np.asfortranarray(array) if fortran else array,
    st_numpy.arrays(_dtypes, _shapes_of_arrays),
    st.booleans(),
)


def _numpy_scalars(cls: Any) -> tuple[Any, Values]:
    return cls, st_numpy.from_dtype(np.dtype(cls))


ARRAYS = _kinds(
    (np.ndarray, _arrays),
    (npt.NDArray[np.float64], st_numpy.arrays(np.float64, _shapes_of_arrays)),
    (np.ndarray[tuple[int], np.dtype[np.int16]], st_numpy.arrays(np.int16, 3)),
    *map(_numpy_scalars, (np.bool_, np.int8, np.int64, np.uint64, np.float16, np.float32)),
    *map(_numpy_scalars, (np.float64, np.complex64, np.complex128)),
    (np.datetime64, st_numpy.from_dtype(np.dtype("M8[us]"))),
    (np.timedelta64, st_numpy.from_dtype(np.dtype("m8[ns]"))),
    (np.str_, st.text(st.characters(codec="utf-8")).map(np.str_)),
    (np.bytes_, st.binary().map(np.bytes_)),
)

_hashable = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.binary(), st.dates(), st.uuids()
)
_anything = st.recursive(
    _hashable
    | st.floats()
    | _moments
    | _times
    | st.timedeltas()
    | st.decimals()
    | st.binary().map(bytearray)
    | _arrays
    | _identifiers,
    lambda items: (
        st.lists(items, max_size=4)
        | st.tuples(items, items)
        | st.dictionaries(_hashable | st.tuples(_hashable, _hashable), items, max_size=4)
        | st.frozensets(_hashable, max_size=4)
        | st.sets(_hashable, max_size=4)
    ),
    max_leaves=10,
)
ANY = _kinds(
    (Any, _anything),
    (object, _anything),
    (list, st.lists(_anything, max_size=4)),
    (dict, st.dictionaries(_hashable, _anything, max_size=4)),
    (tuple, st.lists(_anything, max_size=4).map(tuple)),
    (set, st.sets(_hashable, max_size=4)),
    (frozenset, st.frozensets(_hashable, max_size=4)),
)

# Nested values

_KEYS = st.one_of(
    _kinds(
        (str, st.text()),
        (int, st.integers()),
        (float, st.floats()),
        (bool, st.booleans()),
        (bytes, st.binary()),
        (uuid.UUID, st.uuids()),
        (dt.datetime, _moments),
        (dt.timedelta, st.timedeltas()),
        (Key, _keys),
        (Pair, st.builds(Pair, st.integers(), st.none() | st.text())),
        (tuple[int, Color], st.tuples(st.integers(), st.sampled_from(Color))),
        (int | str, st.integers() | st.text()),
        (int | bool | float | None, st.integers() | st.booleans() | st.floats() | st.none()),
    ),
    CHOICES,
)


def _lists(kind: Kind) -> Kind:
    return Kind(list[kind.hint], st.lists(kind.values, max_size=4))


def _tuples(kinds: list[Kind]) -> Kind:
    hints = [kind.hint for kind in kinds]
    return Kind(tuple[*hints] if hints else tuple[()], st.tuples(*(k.values for k in kinds)))


def _long_tuples(kind: Kind) -> Kind:
    return Kind(tuple[kind.hint, ...], st.lists(kind.values, max_size=4).map(tuple))


def _dicts(key: Kind, value: Kind) -> Kind:
    return Kind(dict[key.hint, value.hint], st.dictionaries(key.values, value.values, max_size=4))


def _unions(kinds: list[Kind]) -> Kind:
    hints = tuple(kind.hint for kind in kinds)
    union = functools.reduce(operator.or_, hints, typing.Never)
    return Kind(union, st.one_of([kind.values for kind in kinds]))


def _containers(kinds: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    return st.one_of(
        kinds.map(_lists),
        kinds.map(_long_tuples),
        st.lists(kinds, max_size=3).map(_tuples),
        st.builds(_dicts, st.just(Kind(str, st.text(st.characters()))), kinds),
        st.builds(_dicts, _KEYS, kinds),
        _KEYS.map(lambda kind: Kind(set[kind.hint], st.sets(kind.values, max_size=4))),
        _KEYS.map(lambda kind: Kind(frozenset[kind.hint], st.frozensets(kind.values, max_size=4))),
    )


_FLAT = st.one_of(SCALARS, TIMES, CHOICES, RECORDS, MODELS)
CONTAINERS = st.recursive(_FLAT, _containers, max_leaves=4).filter(
    lambda kind: typing.get_origin(kind.hint) in (list, tuple, dict, set, frozenset)
)
UNIONS = st.lists(
    _kinds((Twin, st.builds(Twin, _int64))) | _FLAT | _containers(_FLAT), min_size=2, max_size=4
).map(_unions)

FAMILIES: dict[str, st.SearchStrategy[Kind]] = {
    "scalars": SCALARS,
    "times": TIMES,
    "choices": CHOICES,
    "containers": CONTAINERS,
    "unions": UNIONS,
    "records": RECORDS,
    "models": MODELS,
    "messages": MESSAGES,
    "arrays": ARRAYS,
    "any": ANY,
}


def samples(family: str) -> st.SearchStrategy[Sample]:
    """Values of one family, each with its hint."""
    return FAMILIES[family].flatmap(_drawn)


def everything() -> st.SearchStrategy[Sample]:
    """Values of all families, nested."""
    flat = st.one_of(list(FAMILIES.values()))
    nested = st.one_of(
        _containers(flat),
        flat.map(_boxes),
        st.lists(flat, min_size=2, max_size=3).map(_unions),
    )
    return (flat | nested).flatmap(_drawn)


def _drawn(kind: Kind) -> st.SearchStrategy[Sample]:
    return kind.values.map(functools.partial(Sample, kind.hint))
