"""When values count as equal: on both sides of the wire, in every process, wherever a value stands."""

import dataclasses
import subprocess
import sys
import typing
from typing import Any

import pytest
from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2
from hypothesis import given
from hypothesis import strategies as st

from flyte._interface import NativeInterface
from flyte._kit.aio import drive
from flyte._wire import identities, values
from flyte_server.services.wire import identities as server

Literal = literals_pb2.Literal


@dataclasses.dataclass
class Bag:
    counts: dict[str, int]
    anything: Any = None


class Unheard:
    """A class without a transformer."""

    def __init__(self, n: int) -> None:
        self.n = n


def converted(value: Any, hint: Any) -> common_pb2.Inputs:
    of = NativeInterface.from_types({"a": (hint, NativeInterface.no_default)}, {})
    return drive(values.inputs(of, {"a": value}))


def hashed(value: Any, hint: Any = dict[str, int]) -> str:
    """The identity of a value, which is the same on both sides."""
    inputs = converted(value, hint)
    assert identities.input_hash(inputs) == server.input_hash(inputs)
    return identities.input_hash(inputs)


def file(uri: str, hash_: str = "") -> Literal:
    literal = Literal(hash=hash_)
    literal.scalar.blob.uri = uri
    return literal


def listed(*items: Literal) -> Literal:
    return Literal(collection=literals_pb2.LiteralCollection(literals=items))


def mapped(**items: Literal) -> Literal:
    return Literal(map=literals_pb2.LiteralMap(literals=items))


def chosen(item: Literal) -> Literal:
    literal = Literal()
    literal.scalar.union.value.CopyFrom(item)
    return literal


def identity(literal: Literal) -> str:
    assert identities.identity(literal) == server.identity(literal)
    return identities.identity(literal)


@pytest.mark.parametrize(
    ("one", "other", "hint"),
    [
        ({"x": 1, "y": 2}, {"y": 2, "x": 1}, dict[str, int]),
        ([{"x": 1, "y": 2}], [{"y": 2, "x": 1}], list[dict[str, int] | None]),
        (Bag({"x": 1, "y": 2}), Bag({"y": 2, "x": 1}), Bag),
        ({2: "b", 1: "a"}, {1: "a", 2: "b"}, dict[int, str]),
        ({"z": ({"b": 1, "a": 2},), "y": 0}, {"y": 0, "z": ({"a": 2, "b": 1},)}, dict),
        (Bag({}, {(1, 2): {"b": 1, "a": 2}}), Bag({}, {(1, 2): {"a": 2, "b": 1}}), Bag),
    ],
    ids=["map", "in a list", "in a record", "int keys", "untyped", "below tuples"],
)
def test_the_order_of_a_dictionary_does_not_count(one: Any, other: Any, hint: Any) -> None:
    assert hashed(one, hint) == hashed(other, hint)


def test_values_that_differ_have_other_hashes() -> None:
    assert hashed({"x": 1}) != hashed({"x": 2})
    assert hashed(1, int) != hashed(1, float)
    assert hashed(["a", "b"], list[str]) != hashed(["b", "a"], list[str])
    assert hashed(Bag({"x": 1}), Bag) != hashed(Bag({"x": 2}), Bag)


def test_the_custom_context_and_ignored_inputs_do_not_count() -> None:
    inputs = converted(1, int)
    with_context = converted(1, int)
    with_context.context.add(key="k", value="v")
    assert identities.input_hash(inputs) == identities.input_hash(with_context)
    assert identities.input_hash(converted(2, int)) != identities.input_hash(inputs)
    assert identities.input_hash(converted(2, int), ["a"]) == identities.input_hash(inputs, ["a"])
    assert server.input_hash(converted(2, int), ["a"]) == server.input_hash(inputs, ["a"])


@pytest.mark.parametrize("around", [lambda x: x, listed, lambda x: mapped(k=x), chosen])
def test_a_hash_stands_for_its_literal_wherever_it_is(around: Any) -> None:
    assert identity(around(file("/a", "same"))) == identity(around(file("/b", "same")))
    assert identity(around(file("/a", "same"))) != identity(around(file("/a", "other")))
    assert identity(around(file("/a"))) != identity(around(file("/b")))
    deep = listed(mapped(k=chosen(around(file("/a", "same")))))
    assert identity(deep) == identity(listed(mapped(k=chosen(around(file("/b", "same"))))))


def test_a_value_by_reference_is_known_by_its_hash() -> None:
    def reference(uri: str, hash_: str) -> Literal:
        literal = Literal(hash=hash_)
        literal.offloaded_metadata.uri = uri
        return literal

    assert identity(reference("/r1/x", "h")) == identity(reference("/r2/x", "h")) == "h"
    assert identities.has_identity(reference("/r1/x", "h"))
    assert not identities.has_identity(reference("/r1/x", ""))


def test_a_large_value_has_one_identity_inline_and_by_reference() -> None:
    inline = converted("text", str).literals[0].value
    reference = Literal(hash=identities.identity(inline))
    reference.offloaded_metadata.uri = "/x"
    assert identity(inline) == identity(reference)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (Unheard(1), Unheard),
        ([Unheard(1)], list[Unheard]),
        ({"k": Unheard(1)}, dict[str, Unheard]),
        (Unheard(1), Unheard | None),
        (Bag({}, Unheard(1)), Bag),
        (Bag({}, [({"k": Unheard(1)},)]), Bag),
    ],
)
def test_nothing_identifies_a_pickle(value: Any, hint: Any) -> None:
    inputs = converted(value, hint)
    assert identities.without_identity(inputs) == server.without_identity(inputs) == ["a"]
    assert (
        identities.without_identity(inputs, ["a"]) == server.without_identity(inputs, ["a"]) == []
    )
    assert not server.is_known(server.input_hash(inputs))
    inputs.literals[0].value.hash = "known"
    assert identities.without_identity(inputs) == server.without_identity(inputs) == []


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=12,
)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(item) for key, item in reversed(value.items())}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(value=trees)
def test_both_sides_agree_and_order_never_counts(value: Any) -> None:
    assert hashed(value, typing.Any) == hashed(reordered(value), typing.Any)


_SCRIPT = """
import typing
from flyte._interface import NativeInterface
from flyte._kit.aio import drive
from flyte._wire import identities, values
hints = {"s": set[str], "d": typing.Any}
of = NativeInterface.from_types({n: (h, NativeInterface.no_default) for n, h in hints.items()}, {})
given = {"s": {f"k{i}" for i in range(40)}, "d": {"z": frozenset("abc"), "a": 1.5}}
print(identities.input_hash(drive(values.inputs(of, given))))
"""


def test_the_hash_is_the_same_in_every_process() -> None:
    hashes = {
        subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(hashes) == 1


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x81", b"\xc7\x02\x15\xff\xff", b"\x91" * 3000])
def test_bytes_that_are_no_tree_count_as_they_are(data: bytes) -> None:
    literal = Literal()
    literal.scalar.binary.tag = "msgpack"
    literal.scalar.binary.value = data
    other = Literal()
    other.CopyFrom(literal)
    other.scalar.binary.value = data + b"\x00"
    assert identity(literal) != identity(other)
    assert identities.has_identity(literal) == server.has_identity(literal)
