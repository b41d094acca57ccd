"""Nodes of records: dataclasses, NamedTuples and TypedDicts, field by field."""

import dataclasses
import functools
import inspect
import typing
from typing import Any

from flyte.types._nodes import hints
from flyte.types._nodes.base import Build, Definitions, Fit, Kind, Mismatch, Node, Schema, step

_SCALARS = str | int | float | bool | None


class RecordNode(Node):
    """What the kinds of records share: named fields whose nodes are built at the first use.

    At the first use, because a record may contain itself.
    """

    kinds: frozenset[Kind] = frozenset({"map"})

    def __init__(self, hint: Any, build: Build) -> None:
        self.type: Any = typing.get_origin(hint) or hint
        self.name = hints.show(hint)
        self._hint = hint
        self._build = build

    @functools.cached_property
    def fields(self) -> dict[str, Node]:
        """Node of each field."""
        return {name: self._build(hint) for name, hint in self._field_hints().items()}

    def _field_hints(self) -> dict[str, Any]:
        return hints.fields(self._hint)

    def required(self) -> list[str]:
        """Fields that a tree must have."""
        return list(self.fields)

    def fit(self, value: Any) -> Fit:
        if type(value) is self.type:
            return Fit.EXACT
        return Fit.NEAR if isinstance(value, self.type) else Fit.NO

    def unpacked(self, tree: Any) -> dict[str, Any]:
        """The values of the fields that a map has; raises Mismatch for unknown and missing ones."""
        if not isinstance(tree, dict):
            raise self.mismatch(tree)
        fields = self.fields
        for name in tree:
            if name not in fields:
                raise Mismatch(
                    self.name,
                    f"unknown field {name!r}",
                    f"its fields are {', '.join(fields) or 'none'}",
                )
        for name in self.required():
            if name not in tree:
                raise Mismatch(
                    self.name, f"no field {name!r}", "give it a value, or a default in the class"
                )
        values: dict[str, Any] = {}
        for name, item in tree.items():
            with step(f".{name}"):
                values[name] = fields[name].unpack(item)
        return values

    def schema(self, definitions: Definitions) -> Schema:
        return definitions.reference(self._hint, self.name, lambda: self._object(definitions))

    def _object(self, definitions: Definitions) -> Schema:
        properties = {name: node.schema(definitions) for name, node in self.fields.items()}
        schema: Schema = {"title": self.name, "type": "object", "properties": properties}
        required = self.required()
        return {**schema, "required": required} if required else schema


class DataclassNode(RecordNode):
    """A dataclass: a map of its fields, as every Flyte SDK writes it."""

    tag = "Object-Dataclass-Transformer"

    def _field_hints(self) -> dict[str, Any]:
        known = hints.fields(self._hint)
        return {field.name: known[field.name] for field in dataclasses.fields(self.type)}

    @functools.cached_property
    def _defaults(self) -> dict[str, Any]:
        return {
            field.name: field.default
            for field in dataclasses.fields(self.type)
            if field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING
            or not field.init
        }

    def required(self) -> list[str]:
        return [name for name in self.fields if name not in self._defaults]

    def pack(self, value: Any) -> Any:
        if type(value) is not self.type:
            if isinstance(value, self.type):
                return value  # a subclass has more than our fields: it travels as a pickle, whole
            raise self.mismatch(value)
        tree: dict[str, Any] = {}
        for name, node in self.fields.items():
            if hasattr(value, name):  # a field without init and default may never have been set
                with step(f".{name}"):
                    tree[name] = node.pack(getattr(value, name))
        return tree

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, self.type):
            return tree
        values = self.unpacked(tree)
        if self._plain and len(values) == len(self.fields):
            return self._constructed(values)
        return self._restored(values)

    @functools.cached_property
    def _init_names(self) -> set[str]:
        return {field.name for field in dataclasses.fields(self.type) if field.init}

    @functools.cached_property
    def _constructible(self) -> bool:
        """Whether the constructor takes the fields and needs nothing else (no `InitVar`, no constructor of its own)."""
        parameters = inspect.signature(self.type).parameters.values()
        needed = {p.name for p in parameters if p.default is p.empty}
        return needed <= self._init_names <= {p.name for p in parameters}

    @functools.cached_property
    def _plain(self) -> bool:
        """Whether the constructor does nothing but set the fields."""
        generated = "__init__" in self.type.__dict__ and self.type.__dataclass_params__.init
        return (
            generated
            and self._constructible
            and not hasattr(self.type, "__post_init__")
            and self._init_names == set(self.fields)
        )

    def _restored(self, values: dict[str, Any]) -> Any:
        """An instance with exactly these fields, whatever `__post_init__` makes of them.

        The constructor runs, since it may set more than fields; but a complete tree is the state of an instance that
        went through it once, so its values win.
        """
        if self._constructible:
            given = {name: value for name, value in values.items() if name in self._init_names}
            instance = self._constructed(given)
        else:
            instance = self.type.__new__(self.type)
        if len(values) == len(self.fields) or not self._constructible:
            for name, value in values.items():
                object.__setattr__(instance, name, value)
        return instance

    def _constructed(self, given: dict[str, Any]) -> Any:
        try:
            return self.type(**given)
        except (TypeError, ValueError, AssertionError) as error:
            raise Mismatch(
                self.name, "fields that its constructor refuses", f"{type(error).__name__}: {error}"
            ) from error

    def _object(self, definitions: Definitions) -> Schema:
        schema = super()._object(definitions)
        for name, default in self._defaults.items():
            if isinstance(default, _SCALARS) and type(default) in (
                str,
                int,
                float,
                bool,
                type(None),
            ):
                schema["properties"][name] = {**schema["properties"][name], "default": default}
        return schema


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
        packed: list[Any] = []
        for (name, node), item in zip(self.fields.items(), value, strict=True):
            with step(f".{name}"):
                packed.append(node.pack(item))
        return packed

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, list):
            if len(tree) > len(self.fields):
                raise Mismatch(self.name, f"{len(tree)} items", f"it has {len(self.fields)} fields")
            tree = dict(zip(self.fields, tree, strict=False))
        return self.type(**self.unpacked(tree))

    def fit(self, value: Any) -> Fit:
        return Fit.EXACT if type(value) is self.type else Fit.NO

    def _object(self, definitions: Definitions) -> Schema:
        items = [node.schema(definitions) for node in self.fields.values()]
        return {"title": self.name, "type": "array", "prefixItems": items, "maxItems": len(items)}


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
        tree: dict[str, Any] = {}
        for name, item in value.items():
            if name not in self.fields:
                raise Mismatch(
                    self.name, f"unknown key {name!r}", f"its keys are {', '.join(self.fields)}"
                )
            with step(f"[{name!r}]"):
                tree[name] = self.fields[name].pack(item)
        return tree

    def unpack(self, tree: Any) -> Any:
        return self.unpacked(tree)

    def fit(self, value: Any) -> Fit:
        # Nothing in a dictionary says which TypedDict it is.
        try:
            self.pack(value)
        except Mismatch:
            return Fit.NO
        return Fit.EXACT if type(value) is dict else Fit.NEAR


def build(hint: Any, build: Build) -> Node | None:
    """The node of a record's hint; None for others."""
    cls = typing.get_origin(hint) or hint
    if not isinstance(cls, type):
        return None
    if dataclasses.is_dataclass(cls):
        return DataclassNode(hint, build)
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return NamedTupleNode(hint, build)
    if issubclass(cls, dict) and hasattr(cls, "__required_keys__"):
        return TypedDictNode(hint, build)
    return None
