"""What a `DataFrame` is beneath its public face: a frame that is stored when it must be, or a name for one that is."""

import asyncio
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, PrivateAttr

from flyte._kit import stepping
from flyte.io import _origins
from flyte.io._origins import Origin
from flyte.io._tables import tables
from flyte.io._tables.handlers import canonical
from flyte.io._tables.tables import Wanted
from flyte.types._nodes.base import Mismatch

if TYPE_CHECKING:
    from flyteidl2.core import literals_pb2


class TableReference(BaseModel):
    """A frame, an address, or both: a frame that was stored at an address."""

    uri: str | None = None
    format: str | None = ""
    hash: str | None = None
    _value: Any = PrivateAttr(default=None)
    _destination: str | None = PrivateAttr(default=None)
    """Where the user wants the frame to be stored; None: at a new address."""
    _literal: Any = PrivateAttr(default=None)
    _origin: Origin = PrivateAttr(default=Origin.NAMED)
    _wanted: Wanted = PrivateAttr(default=Wanted())
    _original: Any = PrivateAttr(default=None)
    """The table that this one is a view of (see `DataFrame.open`); what is stored is stored for both."""
    _storing: Any = PrivateAttr(default=None)
    """A future, while somebody stores it: a table that is handed to a hundred tasks at once is stored once."""

    # --- making

    @classmethod
    def at(cls, uri: str, format_name: str | None, origin: Origin, **fields: Any) -> Self:
        """A table of which it is known how it came to its address."""
        made = cls(uri=uri, format=canonical(format_name) or tables.format_of(uri), **fields)
        made._origin = origin
        return made

    @classmethod
    def pending(cls, local_path: str | Path, format: str | None = None) -> Self:  # noqa: A002 - as the field
        """A local file, or a folder of files, that is copied as it is when it is handed to a task.

        Raises:
            FileNotFoundError: there is none.
        """
        path = Path(local_path).expanduser().absolute()
        if not path.exists():
            raise FileNotFoundError(f"there is no table at {path}; correct the path")
        return cls.at(str(path), format, Origin.PENDING)

    @classmethod
    def received(
        cls, literal: "literals_pb2.StructuredDataset", content_hash: str | None, wanted: Wanted
    ) -> Self:
        """The table of an input or output.

        Args:
            literal: as it came over the wire.
            content_hash: its identity.
            wanted: what the reader's hint asks for.
        """
        format_name = literal.metadata.structured_dataset_type.format
        made = cls.at(literal.uri, format_name, Origin.STORED, hash=content_hash)
        made._literal, made._wanted = literal, wanted  # noqa: SLF001 - our own
        return made

    # --- storing

    def must_settle(self) -> bool:
        """Whether something has to be stored before the address may travel."""
        if self._is_unstored():
            return True
        return self.uri is None or _origins.must_copy(self.uri, self._origin)

    async def settle(self, wanted: Wanted | None = None) -> "literals_pb2.StructuredDataset":
        """Store what has to be stored; afterwards the address is one that others can read.

        Raises:
            Mismatch: there is neither a frame nor an address, or the frame would not come back.
            flyte.errors.StorageError: it cannot be stored; nothing is left behind.
        """
        while (under_way := self._storing) is not None:
            await _end_of(under_way)  # whatever came of it: look again
        self._storing = Future()
        try:
            return await self._settled(wanted or self._wanted)
        finally:
            self._storing.set_result(None)
            self._storing = None

    async def readable(self) -> "literals_pb2.StructuredDataset":
        """Where it can be read, here: a local file is not copied for that."""
        if self._is_unstored():
            return await self.settle()
        return self._described(self._wanted)

    def _is_unstored(self) -> bool:
        return self._value is not None and self._literal is None

    async def _settled(self, wanted: Wanted) -> "literals_pb2.StructuredDataset":
        if self._original is not None and self.must_settle():
            self._keep(await self._original.settle(wanted), self._original.hash)
        elif self._value is not None and self.must_settle():
            await self._store(wanted)
        elif self.uri is not None and _origins.must_copy(self.uri, self._origin):
            self.uri, self.hash = await tables.copied(self.uri, self.hash)
            self._literal, self._origin = None, Origin.STORED
        self._literal = self._described(wanted)
        return self._literal

    def _described(self, wanted: Wanted) -> "literals_pb2.StructuredDataset":
        if self._literal is not None:
            return self._literal
        if self.uri is None:
            raise Mismatch(
                "a table", "one without frame and address", "make it with DataFrame.from_df(frame)"
            )
        return tables.described(self.uri, self.format, wanted)

    async def _store(self, wanted: Wanted) -> None:
        own = self._wanted
        chosen = Wanted(
            columns=wanted.columns or own.columns or self._own_columns() or None,
            format=wanted.format,
            schema=wanted.schema,
            hash_method=own.hash_method or wanted.hash_method,
        )
        self.uri = self._destination  # not where it was stored before, for another session
        self._keep(await tables.store(self, chosen), self.hash)

    def _keep(self, stored: "literals_pb2.StructuredDataset", content_hash: str | None) -> None:
        self._literal, self.hash = stored, content_hash
        self._origin = Origin.STORED
        self.uri = stored.uri
        self.format = stored.metadata.structured_dataset_type.format

    def _own_columns(self) -> dict[str, Any]:
        return {}

    @property
    def val(self) -> Any:
        """The frame that it was made from; None for a table that was received."""
        return self._value

    # --- comparing

    def __eq__(self, other: object) -> bool:
        # Not pydantic's comparison: frames answer with a frame, and how a table came to its address does not matter.
        if not isinstance(other, TableReference):
            return NotImplemented
        mine, others = (self.uri, self.format, self.hash), (other.uri, other.format, other.hash)
        return mine == others and (self.uri is not None or self._value is other._value)

    __hash__ = None  # pyright: ignore[reportAssignmentType] - it changes when it is stored

    def __repr_args__(self) -> Any:
        for name in ("uri", "format", "hash"):
            if value := getattr(self, name):
                yield name, value
        if self._value is not None and self.uri is None:
            yield "val", type(self._value)  # not the rows

    def __getstate__(self) -> dict[Any, Any]:
        # A copy in another process neither waits for our storing nor knows our views.
        state = super().__getstate__()
        private = {**(state["__pydantic_private__"] or {}), "_storing": None}
        return {**state, "__pydantic_private__": private}


async def _end_of(storing: "Future[None]") -> None:
    if stepping.may_wait():
        await asyncio.wrap_future(storing)
    else:
        storing.result()
