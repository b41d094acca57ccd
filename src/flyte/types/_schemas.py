"""Python types from JSON schemas, so that a value can be read, shown and made without its class.

A record becomes a dataclass of the same name and fields, and so on: what is built with the guessed type is read by the
original one.  What a schema does not tell becomes `Any` or `dict`.
"""

import dataclasses
import datetime
import decimal
import functools
import json
import keyword
import operator
import re
import typing
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from flyte.types import _families
from flyte.types._nodes.records import UNSET

Schema = dict[str, Any]

_TEXTS: dict[str, Any] = {
    "date-time": datetime.datetime,
    "date": datetime.date,
    "time": datetime.time,
    "time-delta": datetime.timedelta,
    "duration": datetime.timedelta,
    "decimal": decimal.Decimal,
    "uuid": uuid.UUID,
    "binary": bytes,
}
"""Format of a string (or number) → type."""
_PLAIN: dict[str, Any] = {
    "null": type(None),
    "boolean": bool,
    "integer": int,
    "number": float,
    "string": str,
}
_MANY: dict[str, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset}
_REFERENCE = "#/$defs/"


def guess(schema: Schema) -> Any:
    """The hint that a JSON schema describes.

    The same schema gives the same class each time, so that guessed values can be compared.

    Example:
        >>> guess({"type": "array", "items": {"type": "string", "format": "uuid"}})
        list[uuid.UUID]
    """
    return _guess(json.dumps(schema, sort_keys=True), "")


@functools.lru_cache(maxsize=4096)
def _guess(text: str, around: str) -> Any:
    """The hint of a schema in JSON; `around` has the names of the records that it is in, which end a recursion."""
    schema: Schema = json.loads(text)
    return _Reader(schema.pop("$defs", {}), around).hint(schema)


class _Reader:
    """Reads one schema with its definitions."""

    def __init__(self, definitions: dict[str, Schema], around: str) -> None:
        self._definitions = definitions
        self._around = around

    def hint(self, schema: Any) -> Any:
        if not isinstance(schema, dict):
            return Any  # JSON schema's `true`
        for word, read in _WORDS.items():
            if word in schema:
                return read(self, schema)
        kind = schema.get("type")
        if isinstance(kind, list):
            return self.any_of([{**schema, "type": each} for each in kind])
        foreign = _families.named(schema.get("format", ""))
        if foreign is not None:
            return foreign
        read = _TYPES.get(kind or "")
        return read(self, schema) if read else _scalar(schema)

    def reference(self, schema: Schema) -> Any:
        name = schema["$ref"].removeprefix(_REFERENCE)
        if name in self._around.split("\0") or name not in self._definitions:
            return dict  # a record that contains itself
        # Only what it refers to, so that one record has one class wherever it is met.
        used = self._reachable(name)
        own = {
            **self._definitions[name],
            "$defs": {key: value for key, value in self._definitions.items() if key in used},
        }
        return _guess(json.dumps(own, sort_keys=True), name if name in used else "")

    def _reachable(self, name: str) -> set[str]:
        found: set[str] = set()
        ahead = [name]
        while ahead:
            text = json.dumps(self._definitions.get(ahead.pop(), {}))
            new = set(re.findall(rf'"{re.escape(_REFERENCE)}([^"]+)"', text)) - found
            found |= new
            ahead += new
        return found

    def any_of(self, schemas: Iterable[Schema]) -> Any:
        hints = [self.hint(schema) for schema in schemas]
        return Any if Any in hints else functools.reduce(operator.or_, hints)

    def array(self, schema: Schema) -> Any:
        if "prefixItems" in schema:
            items = [self.hint(item) for item in schema["prefixItems"]]
            if names := _identifiers(schema.get("names")):
                # A NamedTuple whose class is made at runtime.
                return typing.NamedTuple(_name(schema), zip(names, items, strict=True))  # pyright: ignore
            return tuple[*items] if items else tuple[()]
        if schema.get("maxItems") == 0:
            return tuple[()]
        item = self.hint(schema.get("items"))
        many = _MANY.get(schema.get("format", ""), set if schema.get("uniqueItems") else list)
        return tuple[item, ...] if many is tuple else many[item]

    def object(self, schema: Schema) -> Any:
        if "properties" in schema:
            return self.record(schema)
        values = schema.get("additionalProperties")
        if not isinstance(values, dict):
            return dict
        return dict[self.hint(schema.get("keys", {"type": "string"})), self.hint(values)]

    def record(self, schema: Schema) -> Any:
        properties: dict[str, Schema] = schema["properties"]
        open_ended = schema.get("additionalProperties") is True
        if open_ended or len(_identifiers(list(properties))) != len(properties):
            return dict
        required = set(schema.get("required", ()))
        inner = _Reader(self._definitions, f"{self._around}\0{schema.get('title', '')}")
        hints = {name: inner.hint(properties[name]) for name in _in_order(schema)}
        if schema.get("format") == "typed-dict":
            keys = {
                name: hint if name in required else typing.NotRequired[hint]
                for name, hint in hints.items()
            }
            return typing.TypedDict(_name(schema), keys)  # pyright: ignore
        fields = [
            (name, hint) if name in required else (name, hint, _default(properties[name], hint))
            for name, hint in hints.items()
        ]
        return dataclasses.make_dataclass(_name(schema), fields, kw_only=True, frozen=True)


_Read = Callable[[_Reader, Schema], Any]
_WORDS: dict[str, _Read] = {
    "$ref": _Reader.reference,
    "anyOf": lambda reader, schema: reader.any_of(schema["anyOf"]),
    "oneOf": lambda reader, schema: reader.any_of(schema["oneOf"]),
    "allOf": lambda reader, schema: (
        reader.hint(schema["allOf"][0]) if len(schema["allOf"]) == 1 else Any
    ),
    _families.MESSAGE: lambda reader, schema: _families.message(schema[_families.MESSAGE]),
    "enum": lambda reader, schema: _fixed(schema["enum"], schema),
    "const": lambda reader, schema: _fixed([schema["const"]], schema),
}
"""Words that decide alone what a schema is."""
_TYPES: dict[str, _Read] = {"array": _Reader.array, "object": _Reader.object}


def _scalar(schema: Schema) -> Any:
    plain = _PLAIN.get(schema.get("type", ""), Any)
    return _TEXTS.get(schema.get("format", ""), plain) if plain in (str, float) else plain


def _fixed(values: list[Any], schema: Schema) -> Any:
    if schema.get("type") == "number":
        values = [float(value) for value in values]
    if not all(isinstance(value, str | int | float | None) for value in values):
        return Any
    return typing.Literal[*values] if values else Any


def _default(schema: Schema, hint: Any) -> Any:
    """What a field has that is left out: a plain constant, or nothing, so that the reader's default counts."""
    value = schema.get("default", UNSET)
    if type(value) is int and hint is float:
        value = float(value)
    plain = type(value) in (str, int, float, bool, type(None))
    parts = [(type(part), part) for part in typing.get_args(hint)]
    if plain and (hint is type(value) or {(type, type(value)), (type(value), value)} & set(parts)):
        return dataclasses.field(default=value)
    return dataclasses.field(default_factory=lambda: UNSET)


def _in_order(schema: Schema) -> list[str]:
    """The names of a record's fields: as the schema orders them, or what is required first."""
    names = set(schema["properties"])
    wanted = [*schema.get("propertyOrder", ()), *schema.get("required", ()), *sorted(names)]
    return [name for name in dict.fromkeys(wanted) if name in names]


def _identifiers(names: Any) -> list[str]:
    """The names, if all of them can name fields."""
    good = [name for name in names or () if name.isidentifier() and not keyword.iskeyword(name)]
    return (
        good if len(good) == len(names or ()) and not any(n.startswith("__") for n in good) else []
    )


def _name(schema: Schema) -> str:
    return schema.get("title") or "Record"
