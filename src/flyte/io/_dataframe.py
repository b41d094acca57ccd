"""`DataFrame`: a table in a store, written with one library and read with another."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from pydantic import ConfigDict, PrivateAttr

from flyte.io import _blocking, _place
from flyte.io._hashing import HashMethod
from flyte.io._origins import Origin
from flyte.io._tables import tables
from flyte.io._tables.handlers import PARQUET as PARQUET
from flyte.io._tables.reference import TableReference
from flyte.io._tables.tables import Wanted
from flyte.types import TypeTransformerFailedError
from flyte.types._nodes.base import Mismatch

if TYPE_CHECKING:
    from collections import OrderedDict

    from flyteidl2.core import literals_pb2, types_pb2

DF = TypeVar("DF")


class DataFrame(TableReference):
    """A table in a store: what tasks hand to each other instead of its rows.

    Attributes:
        uri: its address; None until it is stored.
        format: `parquet` (default), `csv` or `arrow`.
        hash: identity of the content, which takes part in cache keys.

    A subclass may name the columns that its readers need, by overriding `columns`.

    Example:
        >>> @env.task
        ... async def clean(raw: DataFrame) -> DataFrame:
        ...     frame = await raw.open(polars.DataFrame).all()
        ...     return DataFrame.from_df(frame.drop_nulls())
    """

    model_config = ConfigDict(json_schema_extra={"x-flyte-type": "dataframe"})

    _opened_as: Any = PrivateAttr(default=None)

    # --- making

    @classmethod
    def wrap_df(cls, val: Any = None, uri: str | None = None) -> Self:
        """A table out of a frame; it is stored when a task returns it, or hands it to another.

        Args:
            val: a frame of pandas, polars or pyarrow, or of a registered class.
            uri: where to store it; a new address by default.

        Example:
            >>> return DataFrame.wrap_df(pandas.DataFrame({"x": [1, 2]}))
        """
        made = cls(uri=uri)
        made._value, made._destination = val, uri
        if val is None:
            made._origin = Origin.REFERRED
        return made

    @classmethod
    def from_df(cls, val: Any = None, uri: str | None = None) -> Self:
        """The same as `wrap_df`."""
        return cls.wrap_df(val, uri)

    @classmethod
    async def from_local(
        cls,
        df: Any,
        columns: "OrderedDict[str, type[Any]] | None" = None,
        remote_destination: str | None = None,
        hash_method: HashMethod | str | None = None,
    ) -> Self:
        """Store a frame.

        Inside a task, and where a control plane is configured, it is stored at once; in other scripts when it is
        handed to a task.

        Args:
            df: a frame of pandas, polars or pyarrow, or of a registered class.
            columns: columns that it must have, with the type of their values.
            remote_destination: where to store it (its folder, if it ends with `/`); a new address by default.
            hash_method: makes its identity for caching, in place of the checksum of what is stored; or that
                identity itself.

        Raises:
            flyte.types.TypeTransformerFailedError: the frame holds something that would not come back, or lacks a
                column.
            flyte.errors.StorageError: it cannot be stored; nothing is left behind.

        Example:
            >>> flyte.run(train, data=await DataFrame.from_local(frame))
        """
        made = cls.wrap_df(df, remote_destination)
        made._wanted = Wanted(columns=columns, hash_method=hash_method)  # noqa: SLF001 - our own
        if remote_destination is not None or _place.stores_now():
            try:
                await made.settle()
            except Mismatch as mismatch:
                raise _failure(mismatch) from mismatch
        return made

    @classmethod
    def from_local_sync(
        cls,
        df: Any,
        columns: "OrderedDict[str, type[Any]] | None" = None,
        remote_destination: str | None = None,
        hash_method: HashMethod | str | None = None,
    ) -> Self:
        """`from_local` for code that cannot await."""
        return _blocking.wait(cls.from_local(df, columns, remote_destination, hash_method))

    @classmethod
    def from_existing_remote(
        cls,
        remote_path: str,
        format: str | None = None,  # noqa: A002 - official
        **kwargs: Any,
    ) -> Self:
        """A table that is there to stay: nothing is copied.

        Args:
            remote_path: address of its file, or of a folder of files that make one table.
            format: `parquet`, `csv` or `arrow`; by default what the address's ending says, or else parquet.
            **kwargs: `hash`: identity of its content for cache keys; without it the address is its identity.

        Example:
            >>> DataFrame.from_existing_remote("s3://bucket/weather/", format="parquet")
        """
        if unknown := kwargs.keys() - {"hash"}:
            raise TypeError(
                f"from_existing_remote() does not know {', '.join(sorted(unknown))}; it takes remote_path, format, hash"
            )
        return cls.at(_place.absolute(remote_path), format, Origin.REFERRED, **kwargs)

    # --- what is known about it

    @property
    def literal(self) -> "literals_pb2.StructuredDataset | None":
        """Its form on the wire, once it is stored."""
        return self._literal

    @property
    def metadata(self) -> "literals_pb2.StructuredDatasetMetadata | None":
        """Format and columns of its form on the wire, once it is stored."""
        return None if self._literal is None else self._literal.metadata

    @property
    def lazy_uploader(self) -> Callable[[], Coroutine[Any, Any, tuple[str | None, str]]] | None:
        """Stores it, which happens by itself when it is handed on; gives hash and address.

        None when there is nothing to store.
        """
        return self._uploaded if self.must_settle() else None

    @classmethod
    def columns(cls) -> dict[str, type[Any]]:
        """Name and type of the columns that readers of this class need; empty: all."""
        return {}

    @classmethod
    def column_names(cls) -> list[str]:
        """Names of `columns`."""
        return list(cls.columns())

    @classmethod
    def schema_match(cls, incoming: dict[str, Any]) -> bool:
        """Whether a JSON schema is the one of this class."""
        return incoming.get("x-flyte-type", str(incoming.get("title")).lower()) == "dataframe"

    # --- reading

    def open(self, dataframe_type: type[DF]) -> "Opened[DF]":
        """The same table, to be read as frames of a class.

        Args:
            dataframe_type: such as `pandas.DataFrame`, `polars.LazyFrame`, `pyarrow.Table`, or a registered class.

        Example:
            >>> frame = await table.open(pandas.DataFrame).all()
        """
        view: Any = self.model_copy()
        view._original, view._opened_as, view._storing = self, dataframe_type, None  # noqa: SLF001 - our own
        return view

    async def all(self) -> Any:
        """All rows, and of the columns those that the hint names.

        Raises:
            flyte.types.TypeTransformerFailedError: a column is missing, or of another type.
            flyte.errors.StorageError: it cannot be read.
        """
        cls = self._class()
        if type(self._value) is cls:
            return self._value
        try:
            stored = await self.readable()
            return await tables.load(stored, cls, self._wanted, self.hash)
        except Mismatch as mismatch:
            raise _failure(mismatch) from mismatch

    def all_sync(self) -> Any:
        """`all` for code that cannot await."""
        return _blocking.wait(self.all())

    async def iter(self) -> AsyncIterator[Any]:
        """The rows in pieces, each a frame of the class that was opened; one piece is in memory at a time.

        Example:
            >>> async for piece in table.open(pyarrow.Table).iter():
            ...     total += piece.num_rows
        """
        cls = self._class()
        try:
            stored = await self.readable()
            async for piece in tables.pieces(stored, cls, self._wanted):
                yield piece
        except Mismatch as mismatch:
            raise _failure(mismatch) from mismatch

    def _class(self) -> Any:
        cls = self._opened_as or (type(self._value) if self._value is not None else None)
        if cls is None:
            raise ValueError(
                "say as what the table is read: await table.open(pandas.DataFrame).all(), or polars.DataFrame, "
                "polars.LazyFrame, pyarrow.Table"
            )
        return cls

    # --- storing

    async def set_literal(self, expected: "types_pb2.LiteralType") -> None:
        """Store it now, as an output of the given type would be.

        Args:
            expected: the wire's type of the output; its format is used.

        Raises:
            flyte.types.TypeTransformerFailedError: the frame would not come back.
        """
        try:
            await self.settle(Wanted(format=expected.structured_dataset_type.format))
        except Mismatch as mismatch:
            raise _failure(mismatch) from mismatch

    async def _uploaded(self) -> tuple[str | None, str]:
        try:
            stored = await self.settle()
        except Mismatch as mismatch:
            raise _failure(mismatch) from mismatch
        return self.hash, stored.uri

    def _own_columns(self) -> dict[str, Any]:
        return self.columns()


if TYPE_CHECKING:

    class Opened(DataFrame, Generic[DF]):
        """A table that was opened as a class of frames."""

        async def all(self) -> DF: ...
        def all_sync(self) -> DF: ...
        def iter(self) -> AsyncIterator[DF]: ...


def _failure(mismatch: Mismatch) -> TypeTransformerFailedError:
    return TypeTransformerFailedError(str(mismatch), f"table{mismatch.path}")
