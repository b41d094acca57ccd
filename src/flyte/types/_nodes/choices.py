"""Nodes of fixed values: enumerations and `Literal`."""

import contextlib
import enum
import typing
from typing import Any

from flyte.types._nodes import hints, trees
from flyte.types._nodes.base import Build, Definitions, Fit, Node, Schema


class LiteralNode(Node):
    """One of some fixed values: `Literal["a", 1]`, or the members of an enumeration.

    Args:
        name: the hint as messages show it.
        pairs: each allowed value, and the tree that stands for it.
    """

    def __init__(self, name: str, tag: str, pairs: list[tuple[Any, Any]]) -> None:
        self.name = name
        self.tag = tag
        self.trees = [tree for _, tree in pairs]
        self.kinds = frozenset(trees.kind(tree) for tree in self.trees)
        # The type belongs to the key because 1 == True == 1.0 in Python.
        self._tree_of = {(type(value), value): tree for value, tree in pairs}
        self._value_of = {(type(tree), tree): value for value, tree in pairs}

    def pack(self, value: Any) -> Any:
        if self.fit(value) is Fit.NO:
            raise self.mismatch(value, f"use one of {self._choices()}")
        return self._tree_of[type(value), value]

    def unpack(self, tree: Any) -> Any:
        if (
            isinstance(tree, str | int | float | bytes | None)
            and (type(tree), tree) in self._value_of
        ):
            return self._value_of[type(tree), tree]
        return self._other(tree)

    def _other(self, tree: Any) -> Any:
        raise self.mismatch(tree, f"use one of {self._choices()}")

    def _choices(self) -> str:
        return ", ".join(map(repr, self.trees))

    def fit(self, value: Any) -> Fit:
        try:
            return Fit.EXACT if (type(value), value) in self._tree_of else Fit.NO
        except TypeError:  # unhashable, so none of ours
            return Fit.NO

    def schema(self, definitions: Definitions) -> Schema:
        schema: Schema = {"title": self.name}
        if len(self.kinds) == 1 and (kind := next(iter(self.kinds))) in _JSON_TYPES:
            schema["type"] = _JSON_TYPES[kind]
        return {**schema, "enum": self.trees} if trees.is_json(self.trees) else schema


_JSON_TYPES: dict[str, str] = {"str": "string", "int": "integer", "float": "number"}


class EnumNode(LiteralNode):
    """Members of an enumeration, by value; by name when the values themselves are no plain scalars."""

    def __init__(self, cls: type[enum.Enum]) -> None:
        self._cls = cls
        members = list(cls)
        by_value = all(
            type(member.value) in (str, int, float, bool) and member.value == member.value
            for member in members
        )
        pairs = [(member, member.value if by_value else member.name) for member in members]
        super().__init__(cls.__name__, "DefaultEnumTransformer", pairs)

    def pack(self, value: Any) -> Any:
        if isinstance(value, enum.Flag) and isinstance(value, self._cls):
            return value.value  # a combination of flags is no member of its own
        return super().pack(value)

    def fit(self, value: Any) -> Fit:
        return Fit.EXACT if isinstance(value, self._cls) else Fit.NO

    def _other(self, tree: Any) -> Any:
        if issubclass(self._cls, enum.Flag) and type(tree) is int:
            with contextlib.suppress(ValueError):  # a bit that is none of its flags: refused below
                return self._cls(tree)
        if isinstance(tree, str) and tree in self._cls.__members__:
            return self._cls[tree]
        return super()._other(tree)

    def schema(self, definitions: Definitions) -> Schema:
        def own() -> Schema:
            if issubclass(self._cls, enum.Flag):
                return {"title": self.name, "type": "integer"}  # any combination will do
            return super(EnumNode, self).schema(definitions)

        return definitions.reference(self._cls, self.name, own)


def build(hint: Any, build: Build) -> Node | None:
    """The node of a hint for fixed values; None for others."""
    if typing.get_origin(hint) is typing.Literal:
        return LiteralNode(hints.show(hint), "Literal", _fixed(typing.get_args(hint)))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return EnumNode(hint)
    return None


def _fixed(values: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    """The values of a `Literal` with their trees: a member of an enumeration by its value, if that is not taken."""
    taken = {(type(value), value) for value in values}
    pairs: list[tuple[Any, Any]] = []
    for value in values:
        if isinstance(value, enum.Enum):
            free = (type(value.value), value.value) not in taken
            pairs.append((value, value.value if free else str(value)))
        else:
            pairs.append((value, value))
    return pairs
