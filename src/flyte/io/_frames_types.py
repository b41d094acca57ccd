"""How tables travel: as StructuredDataset literals of their own, and as maps of address, format and hash in records.

Both as every Flyte SDK writes and reads them.  A bare frame of pandas, polars or pyarrow is stored on the way out and
read on the way in.
"""

import html
import typing
from typing import Any

from flyteidl2.core import literals_pb2, types_pb2

from flyte import errors
from flyte.io import _blocking
from flyte.io._dataframe import DataFrame
from flyte.io._tables import tables
from flyte.io._tables.tables import Wanted
from flyte.types._converters import Converter
from flyte.types._nodes import trees
from flyte.types._nodes.base import Build, Definitions, Fit, Kind, Mismatch, Node, Schema

_SCHEMA = "schema"
"""Key in a tree of the schema of a file that cannot hold its own."""


class FrameNode(Node):
    """A `DataFrame`, or a bare frame of a known or registered class.

    Args:
        cls: the class.
        wanted: what the hint's metadata says.
    """

    kinds: frozenset[Kind] = frozenset({"map"})
    waits = True

    def __init__(self, cls: type, wanted: Wanted) -> None:
        self.cls = cls
        self.wanted = wanted
        self.is_reference = issubclass(cls, DataFrame)
        package = "flyte.io" if self.is_reference else cls.__module__.partition(".")[0]
        self.tag = f"{package}.{cls.__qualname__}"
        self.name = (
            f"DataFrame[{cls.__qualname__}]"
            if self.is_reference and cls is not DataFrame
            else self.tag
        )

    # --- out

    def pack(self, value: Any) -> Any:
        table = self.table(value)
        if table.must_settle() or table.literal is None:
            return _Storing(self, table)
        return tree(table)

    def table(self, value: Any) -> DataFrame:
        """A value as a `DataFrame`; raises Mismatch when it is none."""
        fit = self.fit(value)
        if fit is Fit.NO:
            raise self._refused(value)
        return value if isinstance(value, DataFrame) else DataFrame.wrap_df(value)

    async def settle(self, table: DataFrame) -> literals_pb2.StructuredDataset:
        """Store what must be stored; a frame that would not come back is a Mismatch."""
        try:
            return await _blocking.waited(table.settle(self.wanted))
        except (errors.BaseRuntimeError, Mismatch):
            raise
        except (OSError, ValueError) as error:
            raise Mismatch(self.name, repr(table), str(error)) from error

    def _refused(self, value: Any) -> Mismatch:
        if self.is_reference:
            return self.mismatch(value, "wrap the frame: DataFrame.from_df(frame)")
        for base in type(value).__mro__[1:]:
            if base is self.cls:
                fix = f"it would come back as a plain {self.tag}; convert it, or register a DataFrameEncoder for it"
                return self.mismatch(value, fix)
        return self.mismatch(value)

    # --- in

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, trees.Arrived):
            return tree.value
        if isinstance(tree, self.cls):
            return tree
        table = tree if isinstance(tree, DataFrame) else self._table_of(tree)
        if self.is_reference:
            return table
        raise trees.Waiting(lambda: self.read(table))

    async def read(self, table: DataFrame) -> Any:
        """The bare frame of a table."""
        return await _blocking.waited(self._read(table))

    async def _read(self, table: DataFrame) -> Any:
        stored = await table.readable()
        return await tables.load(stored, self.cls, self.wanted, table.hash)

    def received(
        self, stored: literals_pb2.StructuredDataset, content_hash: str | None
    ) -> DataFrame:
        """The table that a literal names."""
        cls: type[DataFrame] = self.cls if self.is_reference else DataFrame
        wanted = self.wanted
        if self.is_reference and not wanted.columns and (columns := cls.columns()):
            wanted = Wanted(columns, wanted.format, wanted.schema, wanted.hash_method)
        return cls.received(stored, content_hash, wanted)

    def _table_of(self, tree: Any) -> DataFrame:
        if isinstance(tree, str):
            tree = {"uri": tree}
        if not isinstance(tree, dict) or not isinstance(tree.get("uri"), str):
            raise self.mismatch(tree, 'it is a map like {"uri": "s3://bucket/table.parquet"}')
        described = tree.get("format") or tables.format_of(tree["uri"])
        stored = tables.described(tree["uri"], described, Wanted(), tree.get(_SCHEMA))
        return self.received(stored, tree.get("hash"))

    # --- about

    def fit(self, value: Any) -> Fit:
        if type(value) is self.cls:
            return Fit.EXACT
        if isinstance(value, DataFrame):
            return Fit.NEAR
        if self.is_reference and tables.is_frame_type(type(value)):
            return Fit.NEAR
        return Fit.NO

    def schema(self, definitions: Definitions) -> Schema:
        schema = DataFrame.model_json_schema()
        about = schema["description"].partition("\n")[0]
        return {**schema, "description": about, "format": "flyte.io.DataFrame"}

    def converter(self) -> "FrameConverter":
        return FrameConverter(self)

    def to_html(self, value: Any) -> str:
        """A frame's first rows for a report; of a stored table, what is known of it."""
        if isinstance(value, DataFrame) and value.val is None:
            return f"<p>{html.escape(repr(value))}</p>"
        return tables.to_html(value.val if isinstance(value, DataFrame) else value)


class FrameConverter(Converter):
    """A table by itself, or in a list, dict or union: a StructuredDataset."""

    node: FrameNode

    def _literal_type(self) -> types_pb2.LiteralType:
        return types_pb2.LiteralType(structured_dataset_type=self.node.wanted.table_type())

    async def write(self, value: Any, out: literals_pb2.Literal) -> None:
        table = self.node.table(value)
        stored = await self.node.settle(table)
        out.scalar.structured_dataset.CopyFrom(stored)
        if table.hash:
            out.hash = table.hash

    async def read(self, literal: literals_pb2.Literal) -> Any:
        if literal.scalar.WhichOneof("value") != "structured_dataset":
            return await super().read(literal)
        stored = literals_pb2.StructuredDataset()
        stored.CopyFrom(literal.scalar.structured_dataset)
        table = self.node.received(stored, literal.hash or None)
        return table if self.node.is_reference else await self.node.read(table)


class _Storing(trees.Later):
    """The tree of a table that is still to be stored."""

    def __init__(self, node: FrameNode, table: DataFrame) -> None:
        self._node = node
        self._table = table

    async def tree(self) -> Any:
        await self._node.settle(self._table)
        return tree(self._table)


def tree(table: DataFrame) -> Any:
    """A table as a map; what identifies it for caching is its hash, if it has one."""
    fields: dict[str, Any] = {"uri": table.uri, "format": table.format, "hash": table.hash}
    if (schema := tables.schema_beside(table.literal)) is not None:
        fields[_SCHEMA] = schema
    return trees.Identified(fields, table.hash) if table.hash else fields


def build(hint: Any, build: Build) -> Node | None:
    """The node of a hint for tables; None for others."""
    cls = tables.class_of(hint)
    if not isinstance(cls, type):
        return None
    if issubclass(cls, DataFrame) or tables.is_frame_type(cls):
        return FrameNode(cls, Wanted.of(hint))
    return None


def guess(literal_type: types_pb2.LiteralType) -> Any:
    """The hint for a wire type of tables; None for others."""
    if literal_type.WhichOneof("type") != "structured_dataset_type":
        return None
    format_name = literal_type.structured_dataset_type.format
    return typing.Annotated[DataFrame, format_name] if format_name else DataFrame
