"""Nodes of records whose values are tuples or dictionaries: NamedTuple and TypedDict."""

import typing
from typing import Any

from flyte.types._nodes import hints, trees
from flyte.types._nodes.base import Build, Definitions, Fit, Kind, Mismatch, Node, Schema
from flyte.types._nodes.records import RecordNode


class NamedTupleNode(RecordNode):
    """A NamedTuple: a list of its values; a map is accepted too."""

    kinds: frozenset[Kind] = frozenset({"list"})
    tag = "NamedTuple"

    def _field_hints(self) -> dict[str, Any]:
        known = hints.fields(self._hint)
        return {name: known.get(name, Any) for name in self.type._fields}

    def required(self) -> list[str]:
        return [name for name in self.fields if name not in self.type._field_defaults]

    def pack(self, value: Any) -> Any:
        if type(value) is not self.type:
            raise self.mismatch(value)
        return list(self.packed(zip(self.fields, value, strict=True)).values())

    def unpack(self, tree: Any) -> Any:
        if type(tree) is self.type:
            return tree
        if not isinstance(tree, list):
            return self.type(**self.unpacked(tree))
        if len(tree) > len(self.fields):
            raise Mismatch(self.name, f"{len(tree)} items", f"it has {len(self.fields)} fields")
        by_name = dict(zip(self.fields, tree, strict=False))
        try:
            return self.type(**self.unpacked(by_name))
        except trees.Waiting as asked:
            for wait in asked.waits:
                if wait.place and wait.place[0] is by_name:
                    wait.place = (tree, list(by_name).index(wait.place[1]))
            raise

    def fit(self, value: Any) -> Fit:
        return Fit.EXACT if type(value) is self.type else Fit.NO

    def _object(self, definitions: Definitions) -> Schema:
        items = [node.schema(definitions) for node in self.fields.values()]
        return {
            "title": self.name,
            "type": "array",
            "prefixItems": items,
            "minItems": len(self.required()),
            "maxItems": len(items),
            "names": list(self.fields),
        }


class TypedDictNode(RecordNode):
    """A TypedDict: a dictionary with known keys."""

    tag = "TypedDict"

    def required(self) -> list[str]:
        return [name for name in self.fields if name in self.type.__required_keys__]

    def pack(self, value: Any) -> Any:
        if not isinstance(value, dict):
            raise self.mismatch(value)
        for name in self.required():
            if name not in value:
                raise Mismatch(self.name, f"no key {name!r}", "add it, or declare it NotRequired")
        for name in value:
            if name not in self.fields:
                raise Mismatch(
                    self.name, f"unknown key {name!r}", f"its keys are {', '.join(self.fields)}"
                )
        return self.packed(value.items(), "[{!r}]")

    def unpack(self, tree: Any) -> Any:
        return self.unpacked(tree)

    def _object(self, definitions: Definitions) -> Schema:
        return {**super()._object(definitions), "format": "typed-dict"}

    def fit(self, value: Any) -> Fit:
        # Nothing in a dictionary says which TypedDict it is.
        try:
            self.pack(value)
        except Mismatch:
            return Fit.NO
        return Fit.EXACT if type(value) is dict else Fit.NEAR


def build(hint: Any, build: Build) -> Node | None:
    """The node of a NamedTuple or TypedDict; None for other hints."""
    cls = typing.get_origin(hint) or hint
    if not isinstance(cls, type):
        return None
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return NamedTupleNode(hint, build)
    if issubclass(cls, dict) and hasattr(cls, "__required_keys__"):
        return TypedDictNode(hint, build)
    return None
