"""Nodes of pydantic models.

A plain model travels field by field like a dataclass, so that types come back exactly (pydantic's own JSON form cannot
tell a string from a date in a union, or keep a subclass).  A model whose author says how it is read or written keeps
that form.
"""

import functools
import pathlib
import typing
from typing import Any

from flyte._kit import optional
from flyte.types._nodes import hints, pickles, scalars, waiting
from flyte.types._nodes.base import Build, Definitions, Fit, Kind, Mismatch, Node, Schema
from flyte.types._nodes.containers import DictNode
from flyte.types._nodes.records import RecordNode, ordered

_KINDS: frozenset[Kind] = frozenset({"nil", "bool", "int", "float", "str", "bin", "list", "map"})
_TAG = "Pydantic Transformer"
_OWN = "__get_pydantic_core_schema__"


class ModelNode(RecordNode):
    """A plain model: a map of its fields.

    Receiving validates, since a client in another language may have written the map.
    """

    tag = _TAG

    def _field_hints(self) -> dict[str, Any]:
        return {name: _as_written(field) for name, field in self.type.model_fields.items()}

    def required(self) -> list[str]:
        return [name for name, field in self.type.model_fields.items() if field.is_required()]

    def pack(self, value: Any) -> Any:
        if type(value) is not self.type:
            if isinstance(value, self.type):
                return value  # a subclass has more than our fields: it travels as a pickle, whole
            raise self.mismatch(value)
        tree = self.packed((name, getattr(value, name)) for name in self.fields)
        return {**tree, **(value.model_extra or {})}

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, self.type):
            return tree
        if self.type.model_config.get("extra") != "allow" or not isinstance(tree, dict):
            return self._restored(self.unpacked(tree), {})
        known = {name: item for name, item in tree.items() if name in self.fields}
        extra = {name: item for name, item in tree.items() if name not in self.fields}
        return self._restored(self.unpacked(known), extra)

    def _restored(self, values: dict[str, Any], extra: dict[str, Any]) -> Any:
        """The validated model; a complete tree is the state of one that was validated once, so its values win.

        (A validator that changes values would change them again.)
        """
        model = _validated(self.type.model_validate, {**extra, **values}, self.name)
        if len(values) == len(self.fields):
            model.__dict__.update(values)
        return model

    def schema(self, definitions: Definitions) -> Schema:
        tuple(self.fields)  # a hint that cannot travel is told now, not with the first value
        return _schema(self.type, self.name, definitions, self)

    def own(self, definitions: Definitions) -> Schema:
        """The schema of its fields without pydantic's help."""
        return self._object(definitions)

    def corrected(self, schema: Schema, definitions: Definitions) -> Schema:
        """Pydantic's schema, in our words where its own do not tell the type."""
        properties = dict(schema.get("properties", {}))
        for name, node in self.fields.items():
            if any(map(_is_beyond_pydantic, waiting.whole(node))):
                properties[name] = {"title": name, **node.schema(definitions)}
        return {**schema, "properties": properties} if properties else schema


class OwnFormNode(Node):
    """A model in the form that its author gave it: own serializers or validators, a RootModel, special field types."""

    kinds: frozenset[Kind] = _KINDS
    tag = _TAG

    def __init__(self, cls: Any) -> None:
        self._type = cls
        self.name = cls.__name__

    def pack(self, value: Any) -> Any:
        if self.fit(value) is Fit.NO:
            raise self.mismatch(value)
        tree = self._own_form(value) if type(value) is self._type else None
        if tree is None:
            pickles.warn(self.name)
            return value
        return tree

    def _own_form(self, value: Any) -> Any:
        """What the model writes; None if it could not read that again (it hides a secret, holds a foreign object)."""
        try:
            tree = value.model_dump(mode="json", round_trip=True, warnings=False)
            return tree if self.unpack(tree) == value else None
        except (Mismatch, ValueError, TypeError):
            return None

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, self._type):
            return tree
        return _validated(self._type.model_validate, tree, self.name)

    def fit(self, value: Any) -> Fit:
        if type(value) is self._type:
            return Fit.EXACT
        return Fit.NEAR if isinstance(value, self._type) else Fit.NO

    def schema(self, definitions: Definitions) -> Schema:
        for name, field in self._type.model_fields.items():
            if hints.mentions(field.annotation, pathlib.PurePath):
                raise scalars.no_path(field.annotation).at(f".{name}")
        return _schema(self._type, self.name, definitions)


def _as_written(field: Any) -> Any:
    """A field's hint with its extras, of which pydantic has taken what concerns itself."""
    extras = tuple(field.metadata)
    return typing.Annotated[(field.annotation, *extras)] if extras else field.annotation


def build(hint: Any, build: Build) -> Node | None:
    """The node of a pydantic model; None for others.  Pydantic is not imported to find out."""
    if not isinstance(hint, type) or not optional.loaded("pydantic"):
        return None
    if not issubclass(hint, _pydantic().BaseModel):
        return None
    return ModelNode(hint, build) if _is_plain(hint) else OwnFormNode(hint)


def _is_plain(cls: Any) -> bool:
    if issubclass(cls, _pydantic().RootModel) or cls.__get_pydantic_core_schema__.__func__ is not (
        _pydantic().BaseModel.__get_pydantic_core_schema__.__func__
    ):
        return False
    cls.model_rebuild()
    own = cls.__pydantic_decorators__
    if (
        cls.__private_attributes__
        or own.field_serializers
        or own.model_serializers
        or own.validators
        or own.root_validators
    ):
        return False
    validators = [*own.field_validators.values(), *own.model_validators.values()]
    if any(validator.info.mode != "after" for validator in validators):
        return False
    return not any(
        _has_own_form(field.annotation) or any(hasattr(item, _OWN) for item in field.metadata)
        for field in cls.model_fields.values()
    )


def _has_own_form(hint: Any) -> bool:
    """Whether a field's hint contains something that tells pydantic itself how to read it, such as `EmailStr`."""
    if any(hasattr(item, _OWN) for item in getattr(hint, "__metadata__", ())):
        return True
    args = typing.get_args(hint)
    if args:
        return any(_has_own_form(arg) for arg in args)
    return hasattr(hint, _OWN) and not issubclass(hint, _pydantic().BaseModel)


@functools.cache
def _quiet() -> Any:
    """Pydantic's generator of schemas, without its warnings about defaults that JSON cannot hold."""
    generator = optional.module("pydantic.json_schema", "pydantic models").GenerateJsonSchema
    return type(
        "Quiet",
        (generator,),
        {"ignored_warning_kinds": {"skipped-choice", "non-serializable-default"}},
    )


@functools.cache
def _pydantic() -> Any:
    return optional.module("pydantic", "pydantic models")


def _validated(validate: Any, tree: Any, name: str) -> Any:
    try:
        return validate(tree, by_name=True, by_alias=False)
    except ValueError as error:
        raise _mismatch(error, name) from error


def _mismatch(error: ValueError, name: str) -> Mismatch:
    """Pydantic's first complaint, with its place."""
    errors: list[Any] = getattr(error, "errors", list)()
    if not errors:
        return Mismatch(name, "a value that it refuses", str(error))
    mismatch = Mismatch(name, "a value that it refuses", errors[0]["msg"])
    mismatch.steps = [
        f".{part}" if isinstance(part, str) else f"[{part}]" for part in reversed(errors[0]["loc"])
    ]
    return mismatch


def _schema(cls: Any, name: str, definitions: Definitions, node: ModelNode | None = None) -> Schema:
    """Pydantic's own schema; a model for which it has none is described by its fields, or at least its name.

    Args:
        cls: the model.
        name: its name.
        definitions: where it is kept.
        node: knows the fields of a plain model.
    """

    def build() -> Schema:
        try:
            schema = cls.model_json_schema(by_alias=False, schema_generator=_quiet())
        except _pydantic().PydanticUserError:
            return node.own(definitions) if node else {"title": name, "type": "object"}
        inner = schema.pop("$defs", {})
        own = schema.pop("$ref", "").rpartition("/")[2]
        for key, value in inner.items():
            definitions.schemas.setdefault(key, ordered(value))
        schema = inner.get(own, schema)
        return ordered(node.corrected(schema, definitions) if node else schema)

    return definitions.reference(cls, name, build)


def _is_beyond_pydantic(node: Node) -> bool:
    """Whether pydantic's schema would not tell the type: keys that are no strings; files, arrays, messages."""
    if isinstance(node, DictNode) and node.key.tag != "str":
        return True
    return node.converter() is not None
