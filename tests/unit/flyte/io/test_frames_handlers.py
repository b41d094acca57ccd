"""Classes of tables of one's own: an encoder, a decoder, and where they are registered."""

import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from flyteidl2.core import literals_pb2, types_pb2
from tests.fakes.runtime import FakeRuntime

import flyte
from flyte._context import RawDataPath
from flyte.io import DataFrame
from flyte.io._tables.handlers import Registry
from flyte.io.extend import DataFrameDecoder, DataFrameEncoder, DataFrameTransformerEngine
from flyte.types import TypeEngine, TypeTransformerFailedError, _engine

StructuredDataset = literals_pb2.StructuredDataset
Engine = DataFrameTransformerEngine


# --- the example: a class of frames in ten lines --------------------------------------------------


@dataclasses.dataclass
class Lines:
    """A table with one column of text."""

    rows: list[str]


class LinesEncoder(DataFrameEncoder[Lines]):
    async def encode(self, dataframe: Any, structured_dataset_type: Any) -> StructuredDataset:
        content = "\n".join(dataframe.val.rows).encode()
        return StructuredDataset(uri=await flyte.storage.put_stream(content, to_path=dataframe.uri))


class LinesDecoder(DataFrameDecoder[Lines]):
    async def decode(self, flyte_value: StructuredDataset, current_task_metadata: Any) -> Lines:
        return Lines((await flyte.storage.read(flyte_value.uri)).decode().splitlines())


Engine.register(LinesEncoder(Lines, supported_format="lines"), default_format_for_type=True)
Engine.register(LinesDecoder(Lines, supported_format="lines"))

# --- end of the example ---------------------------------------------------------------------------


class PiecesDecoder(DataFrameDecoder[Lines]):
    async def decode(self, flyte_value: StructuredDataset, current_task_metadata: Any) -> Any:
        return self._pieces(flyte_value.uri)

    async def _pieces(self, uri: str) -> AsyncIterator[Lines]:
        for line in (await flyte.storage.read(uri)).decode().splitlines():
            yield Lines([line])


Engine.register(LinesEncoder(Lines, supported_format="pieces"))
Engine.register(PiecesDecoder(Lines, supported_format="pieces"))


@dataclasses.dataclass
class Record:
    lines: Lines
    table: DataFrame


@pytest.fixture(autouse=True)
def raw(tmp_path: Path) -> Iterator[Path]:
    """The raw data of the task in which the test runs."""
    folder = tmp_path / "run" / "raw"
    context = {"raw_data_path": RawDataPath(str(folder)), "run_base_dir": str(tmp_path / "run")}
    with FakeRuntime().task(**context):
        yield folder


async def test_ten_lines_make_a_class_of_frames_travel() -> None:
    lines = Lines(["one", "two"])
    literal = await _engine.to_literal(lines, Lines)
    written = literal.scalar.structured_dataset
    assert written.metadata.structured_dataset_type.format == "lines"
    assert await _engine.to_python(literal, Lines) == lines
    table = await _engine.to_python(literal, DataFrame)
    assert await table.open(Lines).all() == lines
    assert _engine.literal_type(Lines).HasField("structured_dataset_type")


async def test_it_travels_inside_of_records_too() -> None:
    lines = Lines(["one", "two"])
    record = Record(lines, DataFrame.from_df(lines))
    literal = await _engine.to_literal(record, Record)
    back = await _engine.to_python(literal, Record)
    assert back.lines == lines
    assert await back.table.open(Lines).all() == lines


async def test_a_hint_chooses_among_its_formats() -> None:
    literal = await _engine.to_literal(Lines(["a", "b"]), Annotated[Lines, "pieces"])
    table = await _engine.to_python(literal, DataFrame)
    assert table.format == "pieces"
    assert [piece async for piece in table.open(Lines).iter()] == [Lines(["a"]), Lines(["b"])]
    with pytest.raises(TypeTransformerFailedError, match=r"use iter\(\)"):
        await table.open(Lines).all()
    with pytest.raises(TypeTransformerFailedError, match="the formats are lines, pieces"):
        await _engine.to_literal(Lines([]), Annotated[Lines, "csv"])
    with pytest.raises(TypeTransformerFailedError, match="the formats are arrow, csv, parquet"):
        await table.open(pd.DataFrame).all()


async def test_a_whole_frame_is_one_piece() -> None:
    literal = await _engine.to_literal(Lines(["a", "b"]), Lines)
    table = await _engine.to_python(literal, DataFrame)
    assert [piece async for piece in table.open(Lines).iter()] == [Lines(["a", "b"])]


async def test_the_destination_is_the_users(tmp_path: Path) -> None:
    table = await DataFrame.from_local(Lines(["x"]), remote_destination=str(tmp_path / "x.txt"))
    assert table.uri == str(tmp_path / "x.txt")
    assert await flyte.storage.read(table.uri) == b"x"


# --- the registry ---------------------------------------------------------------------------------


class Other(LinesEncoder):
    """Another one for the same."""


def test_a_second_handler_needs_to_be_meant() -> None:
    Engine.register(LinesEncoder(Lines, supported_format="lines"))  # a cell that is run again
    with pytest.raises(ValueError, match="override=True"):
        Engine.register(Other(Lines, supported_format="lines"))
    with pytest.raises(TypeError, match="DataFrameEncoder"):
        Engine.register("parquet")  # type: ignore[arg-type]


def test_handlers_are_found_by_protocol_then_for_every_one() -> None:
    registry = Registry()
    everywhere, in_s3 = LinesEncoder(Lines, supported_format="l"), Other(Lines, "s3", "l")
    reads = LinesDecoder(Lines, "s3", additional_protocols=["gs://"])
    registry.add(everywhere, everywhere.protocol, override=False)
    registry.add(in_s3, in_s3.protocol, override=False)
    assert registry.encoder(Lines, "file", "l") is everywhere
    assert registry.encoder(Lines, "s3", "l") is in_s3
    assert registry.encoder(Lines, "s3", "") is in_s3
    registry.add(reads, "s3", override=False)
    assert registry.decoder(Lines, "s3", "anything") is reads
    with pytest.raises(ValueError, match="at file"):
        registry.decoder(Lines, "file", "anything")
    with pytest.raises(ValueError, match="none is registered"):
        registry.decoder(dict, "s3", "l")
    replaced = Other(Lines, supported_format="l")
    registry.add(replaced, None, override=True)
    assert registry.encoder(Lines, "file", "l") is replaced


def test_known_libraries_need_no_registration() -> None:
    for cls in (pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.Table):
        assert Engine.get_encoder(cls, "s3", "parquet").supported_format == "parquet"
        assert Engine.get_decoder(cls, "file", "feather").supported_format == "arrow"
        assert Engine.get_encoder(cls, "file", "").supported_format == "parquet"
        assert Engine.DEFAULT_FORMATS[cls] == "parquet"
        assert cls in Engine.ENCODERS
        assert cls in Engine.DECODERS


def test_handlers_say_what_they_are_for() -> None:
    decoder = LinesDecoder(Lines, "s3://", "l", ["gs"])
    assert (decoder.python_type, decoder.protocol, decoder.supported_format) == (Lines, "s3", "l")
    encoder = LinesEncoder(Lines, "/")
    assert (encoder.python_type, encoder.protocol, encoder.supported_format) == (Lines, "file", "")


# --- the transformer ------------------------------------------------------------------------------


async def test_the_transformer_does_what_the_engine_does() -> None:
    transformer = Engine()
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    as_csv = types_pb2.LiteralType(
        structured_dataset_type=types_pb2.StructuredDatasetType(format="csv")
    )
    literal = await transformer.to_literal(frame, pd.DataFrame, as_csv)
    stored = literal.scalar.structured_dataset
    assert stored.metadata.structured_dataset_type.format == "csv"
    assert (await transformer.to_python_value(literal, pd.DataFrame)).equals(frame)
    assert transformer.guess_python_type(as_csv) is DataFrame
    with pytest.raises(ValueError, match="simple"):
        transformer.guess_python_type(types_pb2.LiteralType(simple=types_pb2.INTEGER))
    transformer.assert_type(pd.DataFrame, frame)
    with pytest.raises(TypeTransformerFailedError):
        transformer.assert_type(pd.DataFrame, 3)
    assert transformer.schema_match(DataFrame.model_json_schema())
    assert TypeEngine.get_transformer(Lines).name == transformer.name


async def test_tables_are_stored_and_read_by_hand() -> None:
    transformer = Engine()
    table = DataFrame.from_df(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))
    described = transformer.get_structured_dataset_type("parquet", column_map={"a": int})
    literal = await transformer.encode(table, pd.DataFrame, "file", "parquet", described)
    stored = literal.scalar.structured_dataset
    asked = literals_pb2.StructuredDatasetMetadata(structured_dataset_type=described)
    assert list((await transformer.open_as(stored, pd.DataFrame, asked)).columns) == ["a"]
    pieces = [piece async for piece in transformer.iter_as(stored, pl.DataFrame, asked)]
    assert [piece.columns for piece in pieces] == [["a"]]
    lines = await transformer.encode(
        DataFrame.from_df(Lines(["x"])),
        Lines,
        "file",
        "lines",
        transformer.get_structured_dataset_type(),
    )
    found = transformer.iter_as(lines.scalar.structured_dataset, Lines, asked)
    assert [piece async for piece in found] == [Lines(["x"])]


# --- reports --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": range(100), "b": "<x>"}),
        pl.DataFrame({"a": range(100), "b": ["<x>"] * 100}),
        pl.LazyFrame({"a": range(100), "b": ["<x>"] * 100}),
        pa.table({"a": range(100), "b": ["<x>"] * 100}),
    ],
    ids=["pandas", "polars", "lazy", "arrow"],
)
def test_reports_show_the_first_rows_and_the_size(frame: Any) -> None:
    shown = Engine().to_html(frame, type(frame))
    assert "<table" in shown
    assert "100 rows × 2 columns" in shown  # noqa: RUF001 - the sign that every library prints
    assert "&lt;x&gt;" in shown
    assert "<x>" not in shown
    assert shown.count("<tr") < 30
    assert Engine().to_html(DataFrame.from_df(frame), DataFrame) == shown


def test_reports_show_frames_of_ones_own_by_their_renderer() -> None:
    assert "Lines(rows=[&#x27;x&#x27;])" in Engine().to_html(Lines(["x"]), Lines)

    class Renderer:
        def to_html(self, value: Lines) -> str:
            return f"<p>{len(value.rows)} lines</p>"

    Engine.register_renderer(Lines, Renderer())
    assert Engine().to_html(Lines(["x"]), Lines) == "<p>1 lines</p>"
    with pytest.raises(ValueError, match="has a renderer already"):
        Engine.register_renderer(Lines, Renderer())
    del Engine.Renderers[Lines]
    stored = DataFrame.from_existing_remote("s3://b/x<y>.parquet")
    assert "x&lt;y&gt;.parquet" in Engine().to_html(stored, DataFrame)
