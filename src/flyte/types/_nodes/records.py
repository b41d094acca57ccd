"""Nodes of records: dataclasses, NamedTuples and TypedDicts, field by field."""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Iterable
from typing import Any

from flyte.types._nodes import hints, trees
from flyte.types._nodes.base import Build, Definitions, Fit, Kind, Mismatch, Node, Schema


class Unset:
    """In the place of a field that has no value: it does not travel, so the reader's own default counts."""

    def __repr__(self) -> str:
        return "<unset>"


UNSET = Unset()
_FACTORIES: tuple[Any, ...] = (list, dict, set, frozenset, tuple)
"""Those whose result is the same each time: a schema must not change from process to process."""


def ordered(schema: Schema) -> Schema:
    """A record's schema that names the order of its fields: the map that holds them on the wire has none."""
    names = list(schema.get("properties", ()))
    return {**schema, "propertyOrder": names} if len(names) > 1 else schema


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
        self._is_generic = bool(typing.get_args(hint))

    @functools.cached_property
    def fields(self) -> dict[str, Node]:
        """Node of each field."""
        nodes: dict[str, Node] = {}
        for name, hint in self._field_hints().items():
            try:
                nodes[name] = self._build(hint)
            except Mismatch as mismatch:
                raise mismatch.at(f".{name}") from None
        return nodes

    def _field_hints(self) -> dict[str, Any]:
        return hints.fields(self._hint)

    def parts(self) -> Iterable[Node]:
        return self.fields.values()

    def required(self) -> list[str]:
        """Fields that a tree must have."""
        return list(self.fields)

    def fit(self, value: Any) -> Fit:
        if type(value) is self.type:
            return self._fit_of_fields(value) if self._is_generic else Fit.EXACT
        return Fit.NEAR if isinstance(value, self.type) else Fit.NO

    def _fit_of_fields(self, value: Any) -> Fit:
        """How well the fields fit: an instance does not know whether it is a `Box[int]` or a `Box[str]`."""
        fits = (node.fit(getattr(value, name, UNSET)) for name, node in self.fields.items())
        return min(fits, default=Fit.EXACT)

    def unpacked(self, tree: Any) -> dict[str, Any]:
        """The values of the fields that a map has; raises Mismatch for unknown and missing ones."""
        if not isinstance(tree, dict):
            raise self.mismatch(tree)
        fields = self.fields
        if len(tree) != len(fields) or tree.keys() != fields.keys():
            self._check_names(tree)
        values: dict[str, Any] = {}
        together: trees.Waiting | None = None
        for name, item in tree.items():
            try:
                values[name] = fields[name].unpack(item)
            except Mismatch as mismatch:
                mismatch.steps.append(f".{name}")
                raise
            except trees.Waiting as asked:
                together = asked.at(tree, name, f".{name}", others=together)
        if together is not None:
            raise together
        return values

    def _check_names(self, tree: dict[Any, Any]) -> None:
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

    def packed(self, items: Iterable[tuple[str, Any]], step: str = ".{}") -> dict[str, Any]:
        """The trees of the fields that have a value."""
        tree: dict[str, Any] = {}
        fields = self.fields
        for name, item in items:
            try:
                tree[name] = fields[name].pack(item)
            except Mismatch as mismatch:
                mismatch.steps.append(step.format(name))
                raise
        return tree

    def schema(self, definitions: Definitions) -> Schema:
        return definitions.reference(self._hint, self.name, lambda: self._object(definitions))

    def _object(self, definitions: Definitions) -> Schema:
        properties = {name: node.schema(definitions) for name, node in self.fields.items()}
        schema: Schema = {"title": self.name, "type": "object", "properties": properties}
        if required := self.required():
            schema["required"] = required
        return ordered(schema)


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
            item = getattr(value, name, UNSET)
            if item is UNSET:
                continue  # a field without init and default may never have been set
            try:
                tree[name] = node.pack(item)
            except Mismatch as mismatch:
                mismatch.steps.append(f".{name}")
                raise
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
        for field in dataclasses.fields(self.type):
            for default in self._constant(field):
                schema["properties"][field.name] |= {"default": default}
        return schema

    def _constant(self, field: "dataclasses.Field[Any]") -> list[Any]:
        """The default of a field as JSON; nothing if it has none, or JSON no word for it."""
        factory: Any = field.default_factory
        default = factory() if factory in _FACTORIES else field.default
        try:
            tree = (
                UNSET if default is dataclasses.MISSING else self.fields[field.name].pack(default)
            )
        except Mismatch:
            return []
        return [tree] if trees.is_json(tree) else []


def build(hint: Any, build: Build) -> Node | None:
    """The node of a dataclass; None for other hints."""
    cls = typing.get_origin(hint) or hint
    if isinstance(cls, type) and dataclasses.is_dataclass(cls):
        return DataclassNode(hint, build)
    return None
