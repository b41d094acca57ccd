"""`DataFrameTransformerEngine`: where users register handlers for classes of frames of their own."""

import typing
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar, TypeVar

from flyteidl2.core import literals_pb2, types_pb2

from flyte.io import _frames_types
from flyte.io._dataframe import DataFrame
from flyte.io._tables import files, tables
from flyte.io._tables.handlers import ByProtocol, DataFrameDecoder, DataFrameEncoder, canonical
from flyte.io._tables.tables import Wanted
from flyte.types import TypeTransformer, TypeTransformerFailedError, _engine
from flyte.types._nodes import trees
from flyte.types._nodes.base import Build, Node

DF = TypeVar("DF")

NAME = "DataFrame Transformer"


class DataFrameTransformerEngine(TypeTransformer[Any]):
    """Converts tables; known libraries need no registration.

    Example:
        >>> DataFrameTransformerEngine.register(LinesEncoder(), default_format_for_type=True)
        >>> DataFrameTransformerEngine.register(LinesDecoder())
        >>> @env.task
        ... async def shout(lines: Lines) -> Lines: ...
    """

    ENCODERS: ClassVar[dict[type, ByProtocol]] = tables.registry().encoders
    DECODERS: ClassVar[dict[type, ByProtocol]] = tables.registry().decoders
    DEFAULT_FORMATS: ClassVar[dict[type, str]] = tables.registry().default_formats
    DEFAULT_PROTOCOLS: ClassVar[dict[type, str]] = tables.registry().default_protocols
    Handlers = DataFrameEncoder | DataFrameDecoder
    Renderers: ClassVar[dict[type, Any]] = tables.registry().renderers

    def __init__(self) -> None:
        super().__init__(NAME, DataFrame)

    # --- registering

    @classmethod
    def register(
        cls,
        h: DataFrameEncoder[Any] | DataFrameDecoder[Any],
        default_for_type: bool = False,
        override: bool = False,
        default_format_for_type: bool = False,
        default_storage_for_type: bool = False,
    ) -> None:
        """Use a handler for the class, protocol and format that it names.

        Args:
            h: an encoder or decoder.
            default_for_type: the same as both defaults below.
            override: take the place of another handler.
            default_format_for_type: frames of this class are written in its format unless a hint says otherwise.
            default_storage_for_type: frames of this class are written by the handlers of its protocol.

        Raises:
            TypeError: it is neither an encoder nor a decoder.
            ValueError: there is another handler already, and `override` is off.
        """
        if not isinstance(h, DataFrameEncoder | DataFrameDecoder):
            raise TypeError(
                f"{h!r} is no handler; register an instance of a DataFrameEncoder or DataFrameDecoder"
            )
        cls.register_for_protocol(
            h,
            h.protocol,
            default_for_type,
            override,
            default_format_for_type,
            default_storage_for_type,
        )

    @classmethod
    def register_for_protocol(
        cls,
        h: DataFrameEncoder[Any] | DataFrameDecoder[Any],
        protocol: str | None,
        default_for_type: bool,
        override: bool,
        default_format_for_type: bool,
        default_storage_for_type: bool,
    ) -> None:
        """`register` for a protocol other than the handler's own; None: every protocol."""
        registry = tables.registry()
        frame_type = h.python_type
        known = tables.is_frame_type(frame_type)
        registry.add(h, protocol, override=override)
        if isinstance(h, DataFrameDecoder):
            for further in h.additional_protocols:
                registry.add(h, further, override=override)
        if default_for_type or default_format_for_type:
            registry.default_formats[frame_type] = canonical(h.supported_format)
        if (default_for_type or default_storage_for_type) and protocol:
            registry.default_protocols[frame_type] = protocol
        if not known:
            _engine.register_only(cls(), frame_type)

    @classmethod
    def register_renderer(cls, python_type: type, renderer: Any) -> None:
        """Show frames of a class in reports by `renderer.to_html(frame)`.

        Raises:
            ValueError: the class has a renderer already.
        """
        renderers = tables.registry().renderers
        if python_type in renderers:
            raise ValueError(
                f"{python_type.__qualname__} has a renderer already: {renderers[python_type]!r}"
            )
        renderers[python_type] = renderer

    @classmethod
    def get_encoder(cls, df_type: type, protocol: str, format: str) -> DataFrameEncoder[Any]:  # noqa: A002
        """The encoder for frames of a class: of that protocol, or of every one.

        Raises:
            ValueError: there is none; the message names the formats that there are.
        """
        tables.is_frame_type(df_type)
        return tables.registry().encoder(df_type, protocol, format)

    @classmethod
    def get_decoder(cls, df_type: type, protocol: str, format: str) -> DataFrameDecoder[Any]:  # noqa: A002
        """The decoder for frames of a class: of that protocol, or of every one.

        Raises:
            ValueError: there is none; the message names the formats that there are.
        """
        tables.is_frame_type(df_type)
        return tables.registry().decoder(df_type, protocol, format)

    # --- converting

    def node(self, hint: Any, build: Build) -> Node | None:
        """The engine's node for a hint, which does the work of this transformer inside records, too."""
        return _frames_types.build(hint, build)

    def get_literal_type(self, t: Any) -> types_pb2.LiteralType:
        """The wire's type for a class of frames, annotated or not."""
        return _node(t).converter().type

    def get_structured_dataset_type(
        self,
        storage_format: str | None = None,
        pa_schema: Any = None,
        column_map: Mapping[str, type] | None = None,
    ) -> types_pb2.StructuredDatasetType:
        """The wire's type of a table.

        Args:
            storage_format: its format; None: any.
            pa_schema: a pyarrow schema, which documents the columns.
            column_map: names and types of the columns that are needed; None: all.
        """
        return tables.table_type(storage_format, column_map, pa_schema)

    def guess_python_type(self, literal_type: types_pb2.LiteralType) -> type[DataFrame]:
        """`DataFrame` for the wire's type of a table.

        Raises:
            ValueError: it is another type.
        """
        if literal_type.WhichOneof("type") == "structured_dataset_type":
            return DataFrame
        raise ValueError(f"{NAME} does not know this type: {literal_type.WhichOneof('type')}")

    def assert_type(self, t: Any, v: Any) -> None:
        """Check that a value is a table, or a frame of the class `t`.

        Raises:
            TypeTransformerFailedError: if it is not.
        """
        if not self.isinstance_generic(v, t):
            raise TypeTransformerFailedError(f"expected {t}, found {type(v).__qualname__}")

    def isinstance_generic(self, obj: Any, generic_alias: Any) -> bool:
        """Whether `obj` is a `DataFrame`, or a frame of the class."""
        return bool(_node(generic_alias).fit(obj))

    async def to_literal(
        self, python_val: Any, python_type: Any, expected: types_pb2.LiteralType
    ) -> literals_pb2.Literal:
        """Store a frame or `DataFrame`; the literal names where it is.

        Raises:
            TypeTransformerFailedError: for something that would not come back.
        """
        wanted = expected.structured_dataset_type.format
        hint = typing.Annotated[python_type, wanted] if wanted else python_type
        return await _engine.to_literal(python_val, hint)

    async def to_python_value(self, lv: literals_pb2.Literal, expected_python_type: Any) -> Any:
        """A `DataFrame`, or the frame itself.

        Raises:
            TypeTransformerFailedError: a column is missing, or of another type.
        """
        return await _engine.to_python(lv, expected_python_type)

    def from_binary_idl(
        self, binary_idl_object: literals_pb2.Binary, expected_python_type: Any
    ) -> DataFrame:
        """The `DataFrame` of a map of its fields."""
        node = _frames_types.FrameNode(DataFrame, Wanted())
        return node.unpack(trees.unpack(binary_idl_object.value))

    async def encode(
        self,
        df: DataFrame,
        df_type: type,
        protocol: str,
        format: str,  # noqa: A002 - official
        structured_literal_type: types_pb2.StructuredDatasetType,
    ) -> literals_pb2.Literal:
        """Store the value of a `DataFrame` with the encoder of a class, protocol and format."""
        encoder = self.get_encoder(df_type, protocol, format)
        stored = await encoder.encode(df, structured_literal_type)
        if not stored.metadata.HasField("structured_dataset_type"):
            stored.metadata.structured_dataset_type.CopyFrom(structured_literal_type)
        return literals_pb2.Literal(
            scalar=literals_pb2.Scalar(structured_dataset=stored), hash=df.hash or ""
        )

    async def open_as(
        self,
        sd: literals_pb2.StructuredDataset,
        df_type: type[DF],
        updated_metadata: literals_pb2.StructuredDatasetMetadata,
    ) -> DF:
        """The frame of a stored table, with the columns that the metadata names."""
        return await self._decoder(sd, df_type).decode(sd, updated_metadata)  # pyright: ignore[reportReturnType]

    async def iter_as(
        self,
        sd: literals_pb2.StructuredDataset,
        df_type: type[DF],
        updated_metadata: literals_pb2.StructuredDatasetMetadata,
    ) -> AsyncIterator[DF]:
        """The frame of a stored table in pieces."""
        decoder = self._decoder(sd, df_type)
        if isinstance(decoder, files.FileDecoder):
            found: Any = decoder.pieces(sd, updated_metadata)
        else:
            found = await decoder.decode(sd, updated_metadata)
        if not isinstance(found, AsyncIterator):
            yield found
            return
        async for piece in found:
            yield piece

    def _decoder(self, sd: literals_pb2.StructuredDataset, df_type: type) -> DataFrameDecoder[Any]:
        written = sd.metadata.structured_dataset_type.format or tables.format_of(sd.uri)
        return self.get_decoder(df_type, tables.protocol_of(sd.uri), written)

    # --- about

    def to_html(self, python_val: Any, expected_python_type: Any) -> str:
        """A frame's first rows for a report; of a stored table, what is known of it."""
        return _frames_types.FrameNode(type(python_val), Wanted()).to_html(python_val)

    def schema_match(self, schema: dict[str, Any]) -> bool:
        """Whether a JSON schema is the one of `DataFrame`."""
        return DataFrame.schema_match(schema)


def _node(hint: Any) -> _frames_types.FrameNode:
    found = _frames_types.build(hint, _engine.node)
    if not isinstance(found, _frames_types.FrameNode):
        raise TypeTransformerFailedError(
            f"{hint} is no class of data frames; register a DataFrameEncoder and a DataFrameDecoder for it"
        )
    return found
