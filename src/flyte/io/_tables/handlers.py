"""Which encoder and decoder a class of frames has: those of the SDK for known libraries, and users' own.

Handlers are found by class, then protocol of the address (`s3`, `file`, …; those without one serve every protocol),
then format.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from flyteidl2.core import literals_pb2, types_pb2

DF = TypeVar("DF")

ANY = ""
"""Protocol of handlers that serve every one, and format of those that write or read every one."""
PARQUET = "parquet"
ALIASES = {"feather": "arrow", "ipc": "arrow", "pq": PARQUET}


class Table(Protocol):
    """A `flyte.io.DataFrame`, as an encoder sees it."""

    uri: str | None
    """Where to store it; None: at a new address."""
    format: str | None
    hash: str | None
    """Its identity for caching; an encoder may set it."""

    @property
    def val(self) -> Any:
        """The frame."""
        ...


class DataFrameEncoder(ABC, Generic[DF]):
    """Stores frames of one class in one format; register it with `DataFrameTransformerEngine.register`.

    Args:
        python_type: the class of frames.
        protocol: of the addresses that it writes to (`s3`); None: any.
        supported_format: name of the format; None: any.

    Example:
        >>> class LinesEncoder(DataFrameEncoder[Lines]):
        ...     def __init__(self):
        ...         super().__init__(Lines, supported_format="lines")
        ...     async def encode(self, dataframe, structured_dataset_type):
        ...         uri = await flyte.storage.put_stream("\\n".join(dataframe.val.rows).encode())
        ...         return literals_pb2.StructuredDataset(uri=uri)
    """

    def __init__(
        self,
        python_type: type[DF],
        protocol: str | None = None,
        supported_format: str | None = None,
    ) -> None:
        self._python_type = python_type
        self._protocol = _protocol(protocol)
        self._supported_format = supported_format or ANY

    @property
    def python_type(self) -> type[DF]:
        """The class of frames."""
        return self._python_type

    @property
    def protocol(self) -> str | None:
        """Protocol of the addresses that it writes to; None: any."""
        return self._protocol

    @property
    def supported_format(self) -> str:
        """The format's name; empty: any."""
        return self._supported_format

    @abstractmethod
    async def encode(
        self, dataframe: Table, structured_dataset_type: types_pb2.StructuredDatasetType
    ) -> literals_pb2.StructuredDataset:
        """Store a frame.

        Args:
            dataframe: the frame is its `val`; its `uri`, if set, is where to store it.
            structured_dataset_type: columns and format of the output.

        Returns:
            Where it is.  Metadata that is left empty is filled in.
        """


class DataFrameDecoder(ABC, Generic[DF]):
    """Reads frames of one class in one format; register it with `DataFrameTransformerEngine.register`.

    Args:
        python_type: the class of frames.
        protocol: of the addresses that it reads (`s3`); None: any.
        supported_format: name of the format; None: any.
        additional_protocols: further protocols.
    """

    def __init__(
        self,
        python_type: type[DF],
        protocol: str | None = None,
        supported_format: str | None = None,
        additional_protocols: list[str] | None = None,
    ) -> None:
        self._python_type = python_type
        self._protocol = _protocol(protocol)
        self._supported_format = supported_format or ANY
        self.additional_protocols = [_protocol(name) for name in additional_protocols or ()]

    @property
    def python_type(self) -> type[DF]:
        """The class of frames."""
        return self._python_type

    @property
    def protocol(self) -> str | None:
        """Protocol of the addresses that it reads; None: any."""
        return self._protocol

    @property
    def supported_format(self) -> str:
        """The format's name; empty: any."""
        return self._supported_format

    @abstractmethod
    async def decode(
        self,
        flyte_value: literals_pb2.StructuredDataset,
        current_task_metadata: literals_pb2.StructuredDatasetMetadata,
    ) -> DF | AsyncIterator[DF]:
        """Read a frame.

        Args:
            flyte_value: where it is, and as what it was written.
            current_task_metadata: the columns that the reader asks for (none: all), and the format.

        Returns:
            The frame, or an asynchronous iterator of its pieces.
        """


ByFormat = dict[str, Any]
ByProtocol = dict[str, ByFormat]


@dataclass(slots=True)
class Registry:
    """Handlers and renderers by class of frames."""

    encoders: dict[type, ByProtocol] = field(default_factory=dict)
    decoders: dict[type, ByProtocol] = field(default_factory=dict)
    default_formats: dict[type, str] = field(default_factory=dict)
    default_protocols: dict[type, str] = field(default_factory=dict)
    renderers: dict[type, Any] = field(default_factory=dict)

    def add(self, handler: Any, protocol: str | None, *, override: bool) -> None:
        """Use a handler for its class, a protocol and its format.

        Raises:
            ValueError: there is one already, and `override` is off.
        """
        is_encoder = isinstance(handler, DataFrameEncoder)
        handlers = self.encoders if is_encoder else self.decoders
        known = handlers.setdefault(handler.python_type, {}).setdefault(protocol or ANY, {})
        name = canonical(handler.supported_format)
        present = known.get(name)
        if (
            present is not None
            and type(present).__qualname__ != type(handler).__qualname__
            and not override
        ):
            raise ValueError(
                f"{handler.python_type.__qualname__} has {type(present).__qualname__} for {name or 'any format'!r} "
                f"already; register {type(handler).__qualname__} with override=True to replace it"
            )
        known[name] = handler

    def encoder(self, cls: type, protocol: str, format_name: str) -> Any:
        """The encoder for frames of a class; raises ValueError when there is none."""
        return self._find(self.encoders, "writes", cls, protocol, format_name)

    def decoder(self, cls: type, protocol: str, format_name: str) -> Any:
        """The decoder for frames of a class; raises ValueError when there is none."""
        return self._find(self.decoders, "reads", cls, protocol, format_name)

    def _find(
        self,
        handlers: dict[type, ByProtocol],
        verb: str,
        cls: type,
        protocol: str,
        format_name: str,
    ) -> Any:
        wanted = canonical(format_name) or self.default_formats.get(cls, ANY)
        by_protocol = handlers.get(cls, {})
        for known in (by_protocol.get(_protocol(protocol) or ANY, {}), by_protocol.get(ANY, {})):
            if (handler := known.get(wanted) or known.get(ANY)) is not None:
                return handler
            if not wanted and len(known) == 1:
                return next(iter(known.values()))
        formats = sorted({name for known in by_protocol.values() for name in known if name})
        there = f"the formats are {', '.join(formats)}" if formats else "none is registered"
        raise ValueError(
            f"nothing {verb} {cls.__module__}.{cls.__qualname__} as {wanted or 'a table'!r} at "
            f"{protocol or 'this address'}: {there}; choose another format, or register a handler with "
            "flyte.io.extend.DataFrameTransformerEngine.register"
        )


def canonical(format_name: str | None) -> str:
    """A format's name as handlers have it: `feather` is `arrow`."""
    name = (format_name or ANY).lower()
    return ALIASES.get(name, name)


def _protocol(name: str | None) -> str | None:
    """A protocol without its punctuation: `s3://` is `s3`; a path is `file`."""
    if name is None:
        return None
    return name.removesuffix("://") if name.strip("/") else "file"
