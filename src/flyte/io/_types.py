"""How `File` and `Dir` travel: as Blob literals of their own, and as maps of their fields inside records.

Both as every Flyte SDK writes and reads them.  What is still on this machine is copied into the store on the way.
"""

import typing
from typing import Any

from flyteidl2.core import literals_pb2, types_pb2

from flyte import errors
from flyte.io import _blocking, _frames_types
from flyte.io._dir import EMPTY, Dir, EmptyDir
from flyte.io._file import File
from flyte.io._origins import Origin
from flyte.io._reference import Reference
from flyte.types._converters import Converter
from flyte.types._nodes import hints, trees
from flyte.types._nodes.base import Build, Definitions, Fit, Kind, Mismatch, Node, Schema, found

Dimensionality = types_pb2.BlobType.BlobDimensionality

_NAME = "name"
"""Key in `Literal.metadata` of a name that is not the last part of the address."""
_FIELDS = ("path", "name", "format", "hash")


class ReferenceNode(Node):
    """A `File` or `Dir`.

    Args:
        kind: `File` or `Dir`, or a subclass, with or without its parameter.
        base: `File` or `Dir` itself.
    """

    kinds: frozenset[Kind] = frozenset({"map"})
    waits = True

    def __init__(self, kind: type[Reference[Any]], base: type[Reference[Any]]) -> None:
        self.kind = kind
        self.base = base
        self.name = hints.show(kind)
        self.tag = f"flyte.io.{base.__name__}"
        self.is_file = issubclass(base, File)

    def pack(self, value: Any) -> Any:
        self.check(value)
        if value.must_settle():
            return _Settling(self, value)
        return tree(value)

    def check(self, value: Any) -> None:
        """Raises Mismatch for a value of another type."""
        if self.fit(value) is Fit.NO:
            method = f"{self.base.__name__}.from_local"
            raise self.mismatch(
                value, f"store it first: `await {method}(path)`, or {method}_sync(path)"
            )

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, self.base):
            return tree
        if isinstance(tree, str):
            return self.received(path=tree)
        if not isinstance(tree, dict) or not isinstance(tree.get("path"), str):
            raise self.mismatch(tree, 'it is a map like {"path": "s3://bucket/name"}')
        return self.received(**{name: tree[name] for name in _FIELDS if tree.get(name) is not None})

    def received(self, path: str, **fields: Any) -> Any:
        """The value at an address that came over the wire."""
        if path == EMPTY and not self.is_file:
            return EmptyDir(path=EMPTY)
        try:
            return self.kind.at(path, Origin.STORED, **fields)
        except ValueError as error:
            raise Mismatch(self.name, found(fields), str(error)) from error

    def fit(self, value: Any) -> Fit:
        if not isinstance(value, self.base):
            return Fit.NO
        return Fit.EXACT if isinstance(value, self.kind) else Fit.NEAR

    def schema(self, definitions: Definitions) -> Schema:
        schema = self.base.model_json_schema()
        about = schema["description"].partition("\n")[0]
        return {**schema, "description": about, "format": f"flyte.io.{self.base.__name__}"}

    def converter(self) -> "BlobConverter":
        return BlobConverter(self)

    async def settle(self, value: Any) -> None:
        """Copy what must be copied; what the user can mend becomes a Mismatch.

        Storage errors stay what they are: they decide about retries.
        """
        try:
            await _blocking.waited(value.settle())
        except errors.BaseRuntimeError:
            raise
        except (OSError, ValueError) as error:
            raise Mismatch(self.name, found(value.path), str(error)) from error


class _Settling(trees.Later):
    """The tree of a value that is still to be copied."""

    def __init__(self, node: ReferenceNode, value: Any) -> None:
        self._node = node
        self._value = value

    async def tree(self) -> Any:
        await self._node.settle(self._value)
        return tree(self._value)


class BlobConverter(Converter):
    """A `File` or `Dir` by itself, or in a list, dict or union: a Blob."""

    node: ReferenceNode

    def _blob_type(self, format: str = "") -> types_pb2.BlobType:  # noqa: A002 - the wire's word
        single = self.node.is_file
        return types_pb2.BlobType(
            format=format,
            dimensionality=Dimensionality.SINGLE if single else Dimensionality.MULTIPART,
        )

    def _literal_type(self) -> types_pb2.LiteralType:
        return types_pb2.LiteralType(blob=self._blob_type())

    async def write(self, value: Any, out: literals_pb2.Literal) -> None:
        self.node.check(value)
        if value.must_settle():
            await self.node.settle(value)
        try:
            self._fill(value, out)
        except ValueError as error:  # protobuf: a name that is no UTF-8
            raise Mismatch(self.node.name, found(value.path), str(error)) from error

    def _fill(self, value: Reference[Any], out: literals_pb2.Literal) -> None:
        blob = out.scalar.blob
        blob.uri = value.path
        blob.metadata.type.CopyFrom(self._blob_type(value.format))
        if value.hash:
            out.hash = value.hash
        if value.name != value.default_name(value.path):
            out.metadata[_NAME] = value.name or ""

    async def read(self, literal: literals_pb2.Literal) -> Any:
        if literal.scalar.WhichOneof("value") != "blob":
            return await super().read(literal)
        blob = literal.scalar.blob
        kind = blob.metadata.type
        if (kind.dimensionality == Dimensionality.SINGLE) is not self.node.is_file:
            other = "File" if self.node.is_file is False else "Dir"
            raise Mismatch(self.node.name, f"a {other} at {blob.uri!r}", f"declare it as {other}")
        return self.node.received(
            path=blob.uri,
            format=kind.format,
            hash=literal.hash or None,
            name=literal.metadata.get(_NAME),
        )


def tree(value: Reference[Any]) -> Any:
    """A value as the map of its fields; what identifies it for caching is its hash, if it has one."""
    fields = {name: getattr(value, name) for name in _FIELDS}
    return trees.Identified(fields, value.hash) if value.hash else fields


def build(hint: Any, build: Build) -> Node | None:
    """The node of a hint of `flyte.io`, or of a library of tables; None for others."""
    peeled = hint
    while typing.get_origin(peeled) is typing.Annotated:
        peeled = typing.get_args(peeled)[0]
    for base in (File, Dir):
        if isinstance(peeled, type) and issubclass(peeled, base):
            return ReferenceNode(_without_own_fields(peeled, base), base)
    return _frames_types.build(hint, build)


def guess(literal_type: types_pb2.LiteralType) -> Any:
    """The hint for a wire type of this room; None for others."""
    if literal_type.WhichOneof("type") == "blob":
        is_file = literal_type.blob.dimensionality == Dimensionality.SINGLE
        return File if is_file else Dir
    return _frames_types.guess(literal_type)


def _without_own_fields(
    kind: type[Reference[Any]], base: type[Reference[Any]]
) -> type[Reference[Any]]:
    own = kind.model_fields.keys() - base.model_fields.keys()
    if own:
        raise Mismatch(
            f"a {base.__name__}",
            f"{kind.__name__}, which adds {', '.join(sorted(own))}",
            f"put a {base.__name__} and the other fields into a dataclass",
        )
    return kind
