"""Dataclasses of every build: nested, generic, recursive, frozen, with a constructor that does more than set fields."""

import dataclasses
import typing
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import pytest

from flyte._kit.aio import drive
from flyte.types import TypeTransformerFailedError, _engine
from flyte.types._nodes import trees

T = TypeVar("T")
U = TypeVar("U")


def travelled(value: Any, hint: Any) -> Any:
    return drive(_engine.to_python(drive(_engine.to_literal(value, hint)), hint))


def tree_of(value: Any, hint: Any) -> Any:
    """What a reader without the class sees."""
    return trees.unpack(drive(_engine.to_literal(value, hint)).scalar.binary.value)


def from_tree(tree: Any, hint: Any) -> Any:
    """What arrives when another client wrote the map."""
    literal = _engine.Literal()
    literal.scalar.binary.tag = trees.TAG
    literal.scalar.binary.value = trees.pack(tree)
    return drive(_engine.to_python(literal, hint, "inputs.p"))


@dataclass
class Base(Generic[T]):
    value: T


@dataclass
class Both(Base[T], Generic[T, U]):
    other: U


@dataclass
class IntAndText(Both[int, str]):
    pass


def test_generic_classes_know_their_parameters() -> None:
    assert travelled(Both(1, "a"), Both[int, str]) == Both(1, "a")
    assert travelled(IntAndText(1, "a"), IntAndText) == IntAndText(1, "a")
    with pytest.raises(TypeTransformerFailedError, match=r"value: expected int, found str 'x'"):
        travelled(Both("x", "a"), Both[int, str])
    with pytest.raises(TypeTransformerFailedError, match="other: expected str"):
        travelled(IntAndText(1, 2), IntAndText)


@dataclass
class Tree:
    name: str
    children: "list[Tree]" = field(default_factory=list)
    parent: "Tree | None" = None


def test_a_class_may_contain_itself() -> None:
    tree = Tree("a", [Tree("b", [Tree("c")])], parent=Tree("p"))

    assert travelled(tree, Tree) == tree
    schema = _engine.literal_type(Tree).metadata
    assert schema["properties"]["children"]["items"]["$ref"] == "#/$defs/Tree"
    assert schema["$defs"]["Tree"]["type"] == "object"


@dataclass
class Doubling:
    """Not idempotent: constructing it from its own fields would give another value."""

    amount: int
    cached: list[int] = field(init=False)
    label: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.amount *= 2
        self.cached = [self.amount]
        self.helper = object()


def test_the_fields_arrive_as_they_were_whatever_the_constructor_does() -> None:
    value = Doubling(4)
    value.label = "changed"

    arrived = travelled(value, Doubling)

    assert arrived == value
    assert (arrived.amount, arrived.cached, arrived.label) == (8, [8], "changed")
    assert hasattr(arrived, "helper")  # the constructor ran: it sets more than fields


@dataclass
class WithInitVar:
    size: int
    seed: dataclasses.InitVar[int]
    made: int = 0

    def __post_init__(self, seed: int) -> None:
        self.made = seed


@dataclass(init=False)
class OwnConstructor:
    a: int

    def __init__(self, *, start: int) -> None:
        self.a = start + 1


@dataclass(frozen=True, kw_only=True)
class Keywords:
    a: int
    b: str = "b"


@pytest.mark.parametrize("value", [WithInitVar(1, seed=5), OwnConstructor(start=1), Keywords(a=1)])
def test_unusual_constructors(value: Any) -> None:
    assert travelled(value, type(value)) == value


def test_a_subclass_keeps_everything() -> None:
    @dataclass
    class Leaf(Tree):
        weight: int = 0

    value = Leaf("a", weight=3)

    arrived = travelled([value, Tree("b")], list[Tree])

    assert arrived == [value, Tree("b")]
    assert type(arrived[0]) is Leaf


def test_others_see_a_map_of_plain_values() -> None:
    assert tree_of(Tree("a"), Tree) == {"name": "a", "children": [], "parent": None}


def test_defaults_fill_what_another_client_left_out() -> None:
    assert from_tree({"name": "a"}, Tree) == Tree("a")
    assert from_tree({"a": 1}, Keywords) == Keywords(a=1)


class Pair(typing.NamedTuple):
    a: int
    b: str = "b"


class Options(typing.TypedDict):
    name: str
    size: typing.NotRequired[int]


@pytest.mark.parametrize(
    ("hint", "tree", "message"),
    [
        (
            Tree,
            {"nam": "a"},
            r"inputs\.p: expected Tree, found unknown field 'nam'; its fields are name, ",
        ),
        (Tree, {}, r"inputs\.p: expected Tree, found no field 'name'"),
        (
            Tree,
            {"name": "a", "children": [{"name": 5}]},
            r"inputs\.p\.children\[0\]\.name: expected str, found int 5",
        ),
        (Tree, [], r"inputs\.p: expected Tree, found list"),
        (Pair, [1, "b", 3], r"inputs\.p: expected Pair, found 3 items"),
        (Pair, {"b": "x"}, r"inputs\.p: expected Pair, found no field 'a'"),
        (Options, {"size": 1}, r"inputs\.p: expected Options, found no field 'name'"),
        (Options, {"name": "a", "x": 1}, r"inputs\.p: expected Options, found unknown field 'x'"),
    ],
)
def test_a_wrong_map_is_refused_with_its_place(hint: Any, tree: Any, message: str) -> None:
    with pytest.raises(TypeTransformerFailedError, match=message):
        from_tree(tree, hint)


def test_a_named_tuple_is_read_from_a_list_and_from_a_map() -> None:
    assert from_tree([1], Pair) == Pair(1)
    assert from_tree({"a": 1, "b": "c"}, Pair) == Pair(1, "c")


def test_what_the_constructor_refuses_is_a_conversion_error() -> None:
    @dataclass
    class Positive:
        n: int

        def __post_init__(self) -> None:
            if self.n < 0:
                raise ValueError("n must be positive")

    with pytest.raises(TypeTransformerFailedError, match="ValueError: n must be positive"):
        from_tree({"n": -1}, Positive)


def test_a_hint_that_cannot_be_resolved_names_the_class() -> None:
    @dataclass
    class Broken:
        x: "NoSuchType"  # noqa: F821  # pyright: ignore[reportUndefinedVariable]

    with pytest.raises(TypeTransformerFailedError, match=r"Broken.*NoSuchType.*top level"):
        _engine.literal_type(Broken)
