"""Tables on the wire: their literals, hints with columns and formats, inside of everything."""

import dataclasses
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

import msgpack
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
from flyteidl2.core import literals_pb2, types_pb2
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from pandas.testing import assert_frame_equal
from polars.testing import assert_frame_equal as assert_polars_equal
from tests.fakes.runtime import FakeRuntime
from tests.frame_strategies import PANDAS, assert_same_frame, pandas_frames

from flyte._context import RawDataPath
from flyte._kit import stepping
from flyte.io import DataFrame, HashFunction
from flyte.types import TypeEngine, TypeTransformerFailedError, _engine

FRAME = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
POLARS = pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
ARROW = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
ITSELF = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@dataclasses.dataclass
class Record:
    table: DataFrame
    frame: pd.DataFrame
    frames: list[pl.DataFrame]
    text: Annotated[pd.DataFrame, "csv"]
    maybe: pa.Table | None = None


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    table: DataFrame
    by_name: dict[str, pd.DataFrame]


class Pair(NamedTuple):
    frame: pd.DataFrame
    n: int


class Keyed(TypedDict):
    frame: pl.LazyFrame


@pytest.fixture(autouse=True)
def raw(tmp_path: Path) -> Iterator[Path]:
    """The raw data of the task in which the test runs."""
    folder = tmp_path / "run" / "raw"
    context = {"raw_data_path": RawDataPath(str(folder)), "run_base_dir": str(tmp_path / "run")}
    with FakeRuntime().task(**context):
        yield folder


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def travelled(value: Any, hint: Any, into: Any = None) -> Any:
    literal = await _engine.to_literal(value, hint)
    read = literals_pb2.Literal.FromString(literal.SerializeToString())
    return await _engine.to_python(read, into or hint)


# --- literals -------------------------------------------------------------------------------------


async def test_the_literal_is_the_one_that_every_flyte_sdk_reads() -> None:
    literal = await _engine.to_literal(FRAME, pd.DataFrame)
    document = json_format.MessageToDict(literal, preserving_proto_field_name=True)
    table = document["scalar"]["structured_dataset"]
    assert table["uri"].endswith("/table.parquet")
    assert table["metadata"] == {"structured_dataset_type": {"format": "parquet"}}
    assert document["hash"].startswith("xxh3-128:")
    assert_frame_equal(pd.read_parquet(table["uri"]), FRAME)


async def test_what_an_official_client_wrote_is_read(tmp_path: Path) -> None:
    """A folder with one file of parquet and no hash."""
    (tmp_path / "abc").mkdir()
    FRAME.to_parquet(tmp_path / "abc" / "00000")
    document = {
        "scalar": {
            "structured_dataset": {
                "uri": str(tmp_path / "abc"),
                "metadata": {
                    "structured_dataset_type": {
                        "columns": [{"name": "a", "literal_type": {"simple": "INTEGER"}}],
                        "format": "parquet",
                    }
                },
            }
        }
    }
    literal = json_format.ParseDict(document, literals_pb2.Literal())
    assert_frame_equal(await _engine.to_python(literal, pd.DataFrame), FRAME)
    table = await _engine.to_python(literal, DataFrame)
    assert table.hash is None
    assert table.metadata.structured_dataset_type.columns[0].name == "a"
    assert_polars_equal(await table.open(pl.DataFrame).all(), POLARS)


@ITSELF
@given(frame=pandas_frames(PANDAS))
def test_bare_frames_come_back(frame: pd.DataFrame) -> None:
    literal = stepping.drive(_engine.to_literal(frame, pd.DataFrame))
    assert_same_frame(stepping.drive(_engine.to_python(literal, pd.DataFrame)), frame)


@pytest.mark.parametrize("value", [POLARS, POLARS.lazy()], ids=["eager", "lazy"])
async def test_bare_polars_frames_come_back(value: Any) -> None:
    back = await travelled(value, type(value))
    assert type(back) is type(value)
    assert_polars_equal(back, value)


async def test_bare_arrow_tables_come_back_with_their_metadata() -> None:
    table = ARROW.replace_schema_metadata({"made": "today"})
    back = await travelled(table, pa.Table)
    assert back.equals(table, check_metadata=True)


async def test_a_table_and_a_bare_frame_stand_for_each_other() -> None:
    table = await travelled(FRAME, DataFrame)
    assert isinstance(table, DataFrame)
    literal = await _engine.to_literal(table, pl.DataFrame)
    assert literal.scalar.structured_dataset.uri == table.uri  # handed on, not written again
    assert_polars_equal(await _engine.to_python(literal, pl.DataFrame), POLARS)
    assert_frame_equal(await travelled(DataFrame.from_df(FRAME), pd.DataFrame), FRAME)


async def test_a_table_that_is_handed_on_is_not_written_again(raw: Path) -> None:
    table = await travelled(FRAME, DataFrame)
    again = await travelled(await travelled(table, DataFrame), DataFrame)
    assert again == table
    assert len(files(raw)) == 1


async def test_hashes_identify_tables_wherever_they_are() -> None:
    async def of(value: Any, hint: Any) -> str:
        return (await _engine.to_literal(value, hint)).hash

    for hint, make in {
        pd.DataFrame: lambda frame: frame,
        list[DataFrame]: lambda frame: [DataFrame.from_df(frame)],
        dict[str, pd.DataFrame]: lambda frame: {"x": frame},
        Pair: lambda frame: Pair(frame, 1),
    }.items():
        one, same, other = [await of(make(f), hint) for f in (FRAME, FRAME.copy(), FRAME[:2])]
        assert one == same != other
        assert one


async def test_users_hashes_are_kept() -> None:
    by_size = HashFunction.from_fn(lambda frame: f"{len(frame)} rows")
    literal = await _engine.to_literal(FRAME, Annotated[pd.DataFrame, by_size])
    assert literal.hash == "3 rows"
    assert (await _engine.to_python(literal, DataFrame)).hash == "3 rows"
    existing = DataFrame.from_existing_remote("s3://b/x.parquet", hash="v1")
    literal = await _engine.to_literal(existing, DataFrame)
    assert (literal.scalar.structured_dataset.uri, literal.hash) == ("s3://b/x.parquet", "v1")


# --- hints ----------------------------------------------------------------------------------------

COLUMNS = OrderedDict(a=int)


def test_hints_are_wire_types_with_columns_and_format() -> None:
    hint = Annotated[DataFrame, OrderedDict(a=int, b=str), "csv"]
    described = _engine.literal_type(hint).structured_dataset_type
    assert described.format == "csv"
    assert [(column.name, column.literal_type.simple) for column in described.columns] == [
        ("a", types_pb2.INTEGER),
        ("b", types_pb2.STRING),
    ]
    bare = _engine.literal_type(pd.DataFrame)
    assert bare.WhichOneof("type") == "structured_dataset_type"
    assert bare.structured_dataset_type.format == ""
    with_schema = _engine.literal_type(Annotated[pa.Table, ARROW.schema])
    assert with_schema.structured_dataset_type.external_schema_type == "arrow"
    for literal_type in (bare, with_schema):
        assert TypeEngine.guess_python_type(literal_type) is DataFrame


@pytest.mark.parametrize("name", ["csv", "parquet", "arrow", "feather"])
@pytest.mark.parametrize("value", [FRAME, POLARS, ARROW], ids=["pandas", "polars", "arrow"])
async def test_a_hint_chooses_the_format(name: str, value: Any, raw: Path) -> None:
    hint = Annotated[type(value), name]
    literal = await _engine.to_literal(value, hint)
    written = literal.scalar.structured_dataset
    assert written.metadata.structured_dataset_type.format == {"feather": "arrow"}.get(name, name)
    assert [path.name for path in files(raw)] == [
        f"table.{written.metadata.structured_dataset_type.format}"
    ]
    back = await _engine.to_python(literal, hint)
    assert back.equals(value)
    assert_frame_equal(await _engine.to_python(literal, pd.DataFrame), FRAME)


async def test_a_hint_chooses_the_columns() -> None:
    literal = await _engine.to_literal(FRAME.assign(c=0.5), pd.DataFrame)
    for columns in (["a"], ["c", "a"]):
        hint = Annotated[pd.DataFrame, OrderedDict.fromkeys(columns, Any)]
        assert list((await _engine.to_python(literal, hint)).columns) == columns
    pandas = await _engine.to_python(literal, Annotated[pd.DataFrame, COLUMNS])
    polars = await _engine.to_python(literal, Annotated[pl.DataFrame, COLUMNS])
    lazy = await _engine.to_python(literal, Annotated[pl.LazyFrame, COLUMNS])
    arrow = await _engine.to_python(literal, Annotated[pa.Table, COLUMNS])
    assert list(pandas.columns) == polars.columns == arrow.schema.names == ["a"]
    assert lazy.collect_schema().names() == ["a"]
    table = await _engine.to_python(literal, Annotated[DataFrame, COLUMNS])
    assert (await table.open(pa.Table).all()).schema.names == ["a"]
    assert [piece.columns async for piece in table.open(pl.DataFrame).iter()] == [["a"]]


async def test_a_subclass_chooses_the_columns_of_its_readers() -> None:
    class Users(DataFrame):
        @classmethod
        def columns(cls) -> dict[str, type[Any]]:
            return {"a": int}

    literal = await _engine.to_literal(DataFrame.from_df(FRAME), DataFrame)
    users = await _engine.to_python(literal, Users)
    assert type(users) is Users
    assert list((await users.open(pd.DataFrame).all()).columns) == ["a"]
    with pytest.raises(TypeTransformerFailedError, match=r"outputs\.o0\['a'\].*the columns b"):
        await _engine.to_literal(Users.from_df(FRAME[["b"]]), Users, "outputs.o0")


async def test_the_index_comes_with_the_columns() -> None:
    frame = FRAME.set_axis(pd.MultiIndex.from_tuples([(1, "p"), (2, "q"), (3, "r")]), axis=0)
    back = await travelled(frame, pd.DataFrame, Annotated[pd.DataFrame, COLUMNS])
    assert_frame_equal(back, frame[["a"]])


async def test_only_the_columns_that_are_needed_are_read(raw: Path) -> None:
    """The pages of the other column are destroyed, and nobody notices."""
    table = pa.table({"a": range(100_000), "b": [f"{n}" for n in range(100_000)]})
    literal = await _engine.to_literal(table, pa.Table)
    destroy_column(Path(literal.scalar.structured_dataset.uri), 1)
    frame = await _engine.to_python(literal, Annotated[pd.DataFrame, COLUMNS])
    assert frame["a"].sum() == sum(range(100_000))


def destroy_column(path: Path, number: int) -> None:
    column = pa.parquet.ParquetFile(path).metadata.row_group(0).column(number)
    content = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    content[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(content)


@pytest.mark.parametrize("value", [FRAME, POLARS, ARROW], ids=["pandas", "polars", "arrow"])
async def test_columns_that_do_not_fit_fail_with_path_and_fix(value: Any) -> None:
    missing = Annotated[type(value), OrderedDict(z=int)]
    wrong = Annotated[type(value), OrderedDict(b=int)]
    says = r"outputs\.o0\['z'\].*expected a column 'z', found the columns a, b; .*hint"
    with pytest.raises(TypeTransformerFailedError, match=says):
        await _engine.to_literal(value, missing, "outputs.o0")
    with pytest.raises(
        TypeTransformerFailedError, match=r"o0\['b'\].*column of int.*column of str"
    ):
        await _engine.to_literal(value, wrong, "outputs.o0")
    literal = await _engine.to_literal(value, type(value))
    with pytest.raises(TypeTransformerFailedError, match=r"inputs\.t\['z'\].*the columns a, b"):
        await _engine.to_python(literal, missing, "inputs.t")
    with pytest.raises(TypeTransformerFailedError, match=r"inputs\.t\['b'\].*of int.*of str"):
        await _engine.to_python(literal, wrong, "inputs.t")


# --- inside of everything -------------------------------------------------------------------------


async def test_records_hold_tables_and_bare_frames(raw: Path) -> None:
    record = Record(DataFrame.from_df(FRAME), FRAME, [POLARS, POLARS[:1]], FRAME, ARROW)
    back = await travelled(record, Record)
    assert_frame_equal(await back.table.open(pd.DataFrame).all(), FRAME)
    assert_frame_equal(back.frame, FRAME)
    assert [frame.height for frame in back.frames] == [3, 1]
    assert_frame_equal(back.text, FRAME)
    assert back.maybe.equals(ARROW)
    assert len([path for path in files(raw) if path.suffix == ".csv"]) == 1


async def test_a_record_is_a_map_as_other_sdks_write_it() -> None:
    literal = await _engine.to_literal(Pair(FRAME, 1), Pair)
    frame, _ = msgpack.unpackb(literal.scalar.binary.value)
    assert set(frame) == {"uri", "format", "hash"}
    assert_frame_equal(pd.read_parquet(frame["uri"]), FRAME)


async def test_models_and_typed_dicts_hold_them_too() -> None:
    model = await travelled(Model(table=DataFrame.from_df(FRAME), by_name={"x": FRAME}), Model)
    assert_frame_equal(model.by_name["x"], FRAME)
    assert_frame_equal(await model.table.open(pd.DataFrame).all(), FRAME)
    keyed = await travelled({"frame": POLARS.lazy()}, Keyed)
    assert_polars_equal(keyed["frame"].collect(), POLARS)


async def test_lists_dicts_and_unions_hold_their_literals() -> None:
    for hint, value in {
        list[DataFrame]: [DataFrame.from_df(FRAME)],
        dict[str, pd.DataFrame]: {"x": FRAME},
    }.items():
        literal = await _engine.to_literal(value, hint)
        first = next(iter(literal.collection.literals or literal.map.literals.values()))
        assert first.scalar.HasField("structured_dataset")
    for value in (FRAME, POLARS, ARROW, 3, None):
        back = await travelled(value, pd.DataFrame | pl.DataFrame | pa.Table | int | None)
        assert type(back) is type(value)
    chosen = await travelled(DataFrame.from_df(FRAME), pd.DataFrame | DataFrame)
    assert type(chosen) is DataFrame


async def test_a_table_without_a_hint_comes_back_as_a_table() -> None:
    back = await travelled([DataFrame.from_df(FRAME)], list[Any])
    assert_frame_equal(await back[0].open(pd.DataFrame).all(), FRAME)


def test_the_schema_names_the_class() -> None:
    schema = _engine.node(pd.DataFrame).schema(None)
    assert schema["format"] == "flyte.io.DataFrame"
    assert set(schema["properties"]) == {"uri", "format", "hash"}
    guessed = TypeEngine.guess_python_type(_engine.literal_type(Pair))
    assert guessed is not None


# --- refusals -------------------------------------------------------------------------------------


async def test_what_would_not_come_back_fails_in_the_producer(raw: Path) -> None:
    mixed = pd.DataFrame({"n": [1], "col": pd.Series([{1}], dtype=object)})
    says = r"outputs\.o0\['col'\].*expected values that a table can hold, found objects such as set"
    with pytest.raises(TypeTransformerFailedError, match=says):
        await _engine.to_literal(mixed, pd.DataFrame, "outputs.o0")
    with pytest.raises(TypeTransformerFailedError, match=r"outputs\.o0\.frame\['col'\]"):
        await _engine.to_literal(Pair(mixed, 1), Pair, "outputs.o0")
    labelled = FRAME.set_index("b")
    with pytest.raises(TypeTransformerFailedError, match=r"o0\.index.*'b'.*reset_index"):
        await _engine.to_literal(labelled, Annotated[pd.DataFrame, "csv"], "outputs.o0")
    assert files(raw) == []


async def test_other_values_are_refused_with_a_fix() -> None:
    with pytest.raises(TypeTransformerFailedError, match=r"from_df\(frame\)"):
        await _engine.to_literal({"a": [1]}, DataFrame)
    with pytest.raises(TypeTransformerFailedError, match=r"expected pandas\.DataFrame"):
        await _engine.to_literal(POLARS, pd.DataFrame)

    class Own(pd.DataFrame):
        """A subclass, which is more than a frame."""

    with pytest.raises(TypeTransformerFailedError, match="come back as a plain"):
        await _engine.to_literal(Own({"a": [1]}), pd.DataFrame)
    with pytest.raises(TypeTransformerFailedError, match="formats are arrow, csv, parquet"):
        await _engine.to_literal(FRAME, Annotated[pd.DataFrame, "excel"])
