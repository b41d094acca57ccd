"""`DataFrame`: stored when it must be, read as frames of any library."""

import asyncio
import copy
import json
import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal
from tests.fakes.runtime import FakeRuntime

from flyte import errors
from flyte._context import RawDataPath
from flyte._kit import aio, stepping
from flyte.io import PARQUET, DataFrame, HashFunction
from flyte.io._tables.tables import Wanted
from flyte.types import TypeTransformerFailedError, _engine

FRAME = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
LIBRARIES = {
    "pandas": FRAME,
    "polars": pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]}),
    "lazy polars": pl.LazyFrame({"a": [1, 2, 3], "b": ["x", None, "z"]}),
    "pyarrow": pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]}),
}
ROWS = [(1, "x"), (2, None), (3, "z")]


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[Path]:
    """The raw data of the task in which the test runs."""
    folder = tmp_path / "run" / "raw"
    context = {"raw_data_path": RawDataPath(str(folder)), "run_base_dir": str(tmp_path / "run")}
    with FakeRuntime().task(**context):
        yield folder


def rows(frame: Any) -> list[tuple[Any, ...]]:
    if isinstance(frame, pd.DataFrame):
        return list(
            frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None)
        )
    if isinstance(frame, pa.Table):
        return list(zip(*(column.to_pylist() for column in frame.columns), strict=True))
    return frame.lazy().collect().rows()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", LIBRARIES)
async def test_written_with_one_library_it_is_read_with_every_other(raw: Path, name: str) -> None:
    for format_name in ("parquet", "csv", "arrow"):
        table = DataFrame.from_df(LIBRARIES[name])
        table.format = format_name
        await table.settle()
        assert table.uri is not None
        assert Path(table.uri).is_relative_to(raw)
        assert table.format == format_name
        for other in LIBRARIES.values():
            frame = await table.open(type(other)).all()
            assert type(frame) is type(other)
            assert rows(frame) == ROWS


async def test_a_frame_is_stored_in_a_task_at_once(raw: Path) -> None:
    table = await DataFrame.from_local(FRAME)
    assert table.format == PARQUET
    assert table.lazy_uploader is None
    assert [str(path) for path in files(raw)] == [table.uri]
    assert table.metadata is not None
    assert table.metadata.structured_dataset_type.format == "parquet"
    assert_frame_equal(await table.open(pd.DataFrame).all(), FRAME)


async def test_a_script_stores_it_when_it_is_handed_on(flyte_home: Path) -> None:
    table = await DataFrame.from_local(FRAME)
    assert table.uri is None
    assert table.val is FRAME
    assert table.literal is None
    assert table.lazy_uploader is not None
    content_hash, uri = await table.lazy_uploader()
    assert (content_hash, uri) == (table.hash, table.uri)
    assert Path(uri).is_relative_to(flyte_home)
    assert table.lazy_uploader is None


def test_blocking_forms_work_without_a_loop_and_inside_one(raw: Path) -> None:
    table = DataFrame.from_local_sync(FRAME)
    assert_frame_equal(table.open(pd.DataFrame).all_sync(), FRAME)

    async def inside() -> Any:
        return DataFrame.from_local_sync(FRAME).open(pl.DataFrame).all_sync()

    assert rows(aio.run_main(inside())) == ROWS


def test_a_caller_that_cannot_wait_stores_and_reads(raw: Path) -> None:
    literal = stepping.drive(_engine.to_literal(FRAME, pd.DataFrame))
    assert_frame_equal(stepping.drive(_engine.to_python(literal, pd.DataFrame)), FRAME)


async def test_the_frame_itself_is_given_back_until_another_class_is_wanted(raw: Path) -> None:
    table = DataFrame.wrap_df(FRAME)
    assert await table.all() is FRAME
    assert await table.open(pd.DataFrame).all() is FRAME
    assert files(raw) == []
    assert rows(await table.open(pl.DataFrame).all()) == ROWS
    assert rows(await table.open(pa.Table).all()) == ROWS
    assert len(files(raw)) == 1


async def test_a_table_that_many_ask_for_at_once_is_stored_once(raw: Path) -> None:
    table = DataFrame.from_df(FRAME)
    await asyncio.gather(*(table.settle() for _ in range(20)), table.open(pl.DataFrame).all())
    assert len(files(raw)) == 1


async def test_a_failed_try_to_store_it_does_not_stand_in_the_way(raw: Path) -> None:
    table = DataFrame.from_df(pd.DataFrame({"a": pd.Series([1, "x"], dtype=object)}))
    for _ in range(2):
        with pytest.raises(TypeTransformerFailedError, match=r"table\['a'\].*row 0.*astype"):
            await table.open(pl.DataFrame).all()
    assert files(raw) == []


async def test_rows_come_in_pieces(raw: Path) -> None:
    count = 200_000
    frame = pd.DataFrame({"n": range(count)}, index=pd.RangeIndex(0, 2 * count, 2))
    table = await DataFrame.from_local(frame)
    pieces = [piece async for piece in table.open(pd.DataFrame).iter()]
    assert len(pieces) > 1
    assert_frame_equal(pd.concat(pieces), frame)
    for other, count_of in ((pa.Table, "num_rows"), (pl.DataFrame, "height")):
        found = [piece async for piece in table.open(other).iter()]
        assert all(type(piece) is other for piece in found)
        assert sum(getattr(piece, count_of) for piece in found) == count
    lazy = [piece async for piece in table.open(pl.LazyFrame).iter()]
    assert sum(piece.collect().height for piece in lazy) == count


async def test_an_iteration_that_is_given_up_leaves_nothing_open(raw: Path) -> None:
    table = await DataFrame.from_local(pd.DataFrame({"n": range(200_000)}))
    pieces = table.open(pd.DataFrame).iter()
    assert len(await anext(pieces)) < 200_000
    await pieces.aclose()


async def stored(frame: Any) -> DataFrame:
    """A table whose frame is not at hand any more."""
    made = await DataFrame.from_local(frame)
    return DataFrame.received(await made.settle(), made.hash, Wanted())


def read(table: DataFrame) -> bytes:
    return Path(str(table.uri)).read_bytes()


def overwrite(table: DataFrame, content: bytes | bytearray) -> None:
    Path(str(table.uri)).write_bytes(content)


def remove(table: DataFrame) -> None:
    Path(str(table.uri)).unlink()


def made_by_others(folder: Path) -> Path:
    folder.mkdir()
    FRAME[:2].to_parquet(folder / "00000")
    FRAME[2:].to_parquet(folder / "00001")
    (folder / "_SUCCESS").touch()
    return folder


MEMORY = """
import asyncio, json, resource, sys
import pyarrow
from flyte.io import DataFrame
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
async def main(uri):
    total, first = 0, None
    async for piece in DataFrame.from_existing_remote(uri).open(pyarrow.Table).iter():
        total += piece.num_rows
        first = first or peak()
    print(json.dumps([total, first, peak()]))
asyncio.run(main(sys.argv[1]))
"""


def test_memory_stays_flat_while_rows_come(tmp_path: Path) -> None:
    """Eight million rows (64 MB) are in the file; one group of them (2 MB) is in memory."""
    path, count = tmp_path / "large.parquet", 8_000_000
    schema = pa.schema([("n", pa.int64())])
    with pq.ParquetWriter(path, schema, use_dictionary=False, compression="none") as writer:
        for start in range(0, count, 1 << 18):
            stop = min(count, start + (1 << 18))
            writer.write_table(
                pa.table({"n": pa.array(range(start, stop))}), row_group_size=1 << 18
            )
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": "src"},
    )
    total, first, last = json.loads(done.stdout)
    assert total == count
    assert last - first < 32_000_000


def test_equal_frames_have_the_same_hash_in_every_process(raw: Path) -> None:
    program = """
import sys, pandas as pd
from flyte.io import DataFrame
table = DataFrame.from_local_sync(
    pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]}), remote_destination=sys.argv[1]
)
print(table.hash)
"""
    here = DataFrame.from_local_sync(FRAME).hash
    again = [
        subprocess.run(
            [sys.executable, "-c", program, f"{raw}/{seed}/"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": "src", "PYTHONHASHSEED": str(seed)},
        ).stdout.strip()
        for seed in (1, 2)
    ]
    assert {here, *again} == {here}
    assert here is not None
    assert here.startswith("xxh3-128:")
    assert DataFrame.from_local_sync(FRAME.assign(a=[1, 2, 4])).hash != here


async def test_users_decide_about_the_identity(raw: Path) -> None:
    assert (await DataFrame.from_local(FRAME, hash_method="2026-01-31")).hash == "2026-01-31"
    by_size = HashFunction.from_fn(lambda frame: f"{len(frame)} rows")
    assert (await DataFrame.from_local(FRAME, hash_method=by_size)).hash == "3 rows"


async def test_columns_that_are_declared_must_be_there(raw: Path) -> None:
    table = await DataFrame.from_local(FRAME, columns=OrderedDict(a=int, b=str))
    assert list((await table.open(pd.DataFrame).all()).columns) == ["a", "b"]
    with pytest.raises(TypeTransformerFailedError, match=r"table\['c'\].*the columns a, b"):
        await DataFrame.from_local(FRAME, columns=OrderedDict(c=int))
    with pytest.raises(TypeTransformerFailedError, match=r"table\['a'\].*of float.*of int"):
        await DataFrame.from_local(FRAME, columns=OrderedDict(a=float))


async def test_it_is_stored_where_the_user_says(tmp_path: Path, raw: Path) -> None:
    exact = await DataFrame.from_local(FRAME, remote_destination=str(tmp_path / "out.parquet"))
    assert exact.uri == str(tmp_path / "out.parquet")
    below = await DataFrame.from_local(FRAME, remote_destination=f"{tmp_path}/folder/")
    assert below.uri == f"{tmp_path}/folder/table.parquet"
    named = DataFrame.from_df(FRAME, uri=str(tmp_path / "named.parquet"))
    await named.settle()
    assert_frame_equal(pd.read_parquet(tmp_path / "named.parquet"), FRAME)


async def test_what_others_wrote_is_read(tmp_path: Path) -> None:
    folder = made_by_others(tmp_path / "rows")
    for uri in (str(folder), f"file://{folder}", f"{folder}/"):
        table = DataFrame.from_existing_remote(uri)
        for other in LIBRARIES.values():
            assert rows(await table.open(type(other)).all()) == ROWS
    FRAME.to_csv(tmp_path / "rows.csv", index=False)
    table = DataFrame.from_existing_remote(str(tmp_path / "rows.csv"))
    assert table.format == "csv"
    assert_frame_equal(await table.open(pd.DataFrame).all(), FRAME)
    assert (await table.open(pl.DataFrame).all()).schema == pl.Schema(
        {"a": pl.Int64, "b": pl.String}
    )
    assert (await table.open(pa.Table).all()).num_rows == 3


@pytest.mark.parametrize("cls", [pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.Table])
async def test_text_of_others_is_read(tmp_path: Path, cls: Any) -> None:
    for number, piece in enumerate((FRAME[:2], FRAME[2:])):
        folder_of(tmp_path / "rows")
        piece.to_csv(tmp_path / "rows" / f"{number}.csv", index=False)
    table = DataFrame.from_existing_remote(str(tmp_path / "rows"), format="csv")
    assert rows(await table.open(cls).all()) == ROWS
    pieces = [rows(piece) async for piece in table.open(cls).iter()]
    assert [row for piece in pieces for row in piece] == ROWS
    stored = await table.settle()
    described = DataFrame.received(stored, None, Wanted({"b": str}))
    assert rows(await described.open(cls).all()) == [("x",), (None,), ("z",)]
    assert len([piece async for piece in described.open(cls).iter()]) == 2
    missing = DataFrame.received(stored, None, Wanted({"z": str}))
    with pytest.raises(TypeTransformerFailedError, match=r"\['z'\].*the columns a, b"):
        await missing.open(cls).all()
    with pytest.raises(TypeTransformerFailedError, match=r"\['z'\].*the columns a, b"):
        _ = [piece async for piece in missing.open(cls).iter()]


def folder_of(path: Path) -> None:
    path.mkdir(exist_ok=True)


async def test_pandas_indexes_that_others_wrote_are_found(tmp_path: Path) -> None:
    labelled = FRAME.set_axis(pd.Index(["p", "q", "r"], name="key"), axis=0)
    labelled.to_parquet(tmp_path / "x.parquet")
    table = DataFrame.from_existing_remote(str(tmp_path / "x.parquet"))
    assert_frame_equal(await table.open(pd.DataFrame).all(), labelled)


async def test_whole_numbers_of_others_stay_whole(raw: Path) -> None:
    table = await DataFrame.from_local(pl.DataFrame({"n": [2**60 + 1, None], "f": [True, None]}))
    frame = await table.open(pd.DataFrame).all()
    assert [str(dtype) for dtype in frame.dtypes] == ["Int64", "boolean"]
    assert frame["n"][0] == 2**60 + 1


async def test_a_local_table_is_read_where_it_is_and_copied_when_handed_on(
    tmp_path: Path, raw: Path
) -> None:
    path = tmp_path / "mine.parquet"
    FRAME.to_parquet(path)
    named = DataFrame(uri=str(path))
    assert_frame_equal(await named.open(pd.DataFrame).all(), FRAME)
    assert files(raw) == []
    await named.settle()
    assert named.uri != str(path)
    overwrite(DataFrame(uri=str(path)), b"changed since")
    assert_frame_equal(await named.open(pd.DataFrame).all(), FRAME)


async def test_a_pending_file_is_copied_as_it_is(tmp_path: Path, raw: Path) -> None:
    path = tmp_path / "mine.csv"
    pd.DataFrame({"a": [1], "b": ["x"]}).to_csv(path, index=False)
    table = DataFrame.pending(path)
    await table.settle()
    assert read(table) == b"a,b\n1,x\n"
    assert (table.format, table.hash is None) == ("csv", False)
    assert rows(await table.open(pl.DataFrame).all()) == [(1, "x")]
    with pytest.raises(FileNotFoundError, match="correct the path"):
        DataFrame.pending(tmp_path / "none.csv")


async def test_a_changed_file_is_noticed(raw: Path) -> None:
    table = await stored(FRAME)
    content = read(table)
    overwrite(table, content[:-20] + b"\0" * 20)
    with pytest.raises(errors.DataCorruptionError, match=r"checksum is \w{32}, expected \w{32}"):
        await table.open(pd.DataFrame).all()
    overwrite(table, content[:100])
    for other in (pd.DataFrame, pl.DataFrame, pa.Table):
        with pytest.raises(errors.DataCorruptionError):
            _ = [piece async for piece in table.open(other).iter()]
    remove(table)
    with pytest.raises(errors.StorageNotFoundError, match="moved or deleted"):
        await table.open(pd.DataFrame).all()


async def test_a_changed_page_is_noticed_even_when_few_columns_are_read(raw: Path) -> None:
    table = await stored(pa.table({"a": pa.array(range(1000)), "b": [0] * 1000}))
    start = pq.ParquetFile(table.uri).metadata.row_group(0).column(0).data_page_offset
    content = bytearray(read(table))
    content[start + 100] ^= 0xFF
    overwrite(table, content)
    with pytest.raises(errors.DataCorruptionError):
        _ = [piece async for piece in table.open(pa.Table).iter()]


async def test_without_a_class_it_says_what_to_do(raw: Path) -> None:
    table = await DataFrame.from_local(FRAME)
    stored = DataFrame.from_existing_remote(str(table.uri))
    with pytest.raises(ValueError, match=r"open\(pandas.DataFrame\)"):
        await stored.all()
    with pytest.raises(TypeTransformerFailedError, match="DataFrameDecoder"):
        await stored.open(dict).all()
    with pytest.raises(TypeTransformerFailedError, match="from_df"):
        await DataFrame().open(pd.DataFrame).all()
    with pytest.raises(TypeError, match="does not know colour"):
        DataFrame.from_existing_remote("s3://b/x", colour="red")


async def test_an_unknown_format_names_those_that_there_are(raw: Path) -> None:
    table = DataFrame.from_df(FRAME)
    table.format = "excel"
    with pytest.raises(TypeTransformerFailedError, match="the formats are arrow, csv, parquet"):
        await table.open(pl.DataFrame).all()


async def test_it_can_be_copied_compared_and_shown(raw: Path) -> None:
    table = DataFrame.from_df(FRAME)
    assert repr(table) == "DataFrame(val=<class 'pandas.DataFrame'>)"
    await table.settle()
    received = pickle.loads(pickle.dumps(table))
    assert received == table == copy.copy(table)
    assert_frame_equal(await received.open(pd.DataFrame).all(), FRAME)
    assert DataFrame(uri="a") != DataFrame(uri="b")
    assert DataFrame.from_df(FRAME) != DataFrame.from_df(FRAME.copy())
    assert table.model_dump() == {"uri": table.uri, "format": "parquet", "hash": table.hash}


async def test_set_literal_stores_it_as_an_output_of_that_type(raw: Path) -> None:
    from_type = await DataFrame.from_local(FRAME)
    assert from_type.literal is not None
    table = DataFrame.from_df(FRAME)
    expected = (
        DataFrame.__pydantic_fields__ and __import__("flyteidl2.core.types_pb2").core.types_pb2
    )
    await table.set_literal(
        expected.LiteralType(structured_dataset_type=expected.StructuredDatasetType(format="csv"))
    )
    assert table.format == "csv"
    assert table.literal is not None
    assert table.literal.uri == table.uri


def test_subclasses_name_their_columns() -> None:
    class Users(DataFrame):
        @classmethod
        def columns(cls) -> dict[str, type[Any]]:
            return {"name": str, "age": int}

    assert Users.column_names() == ["name", "age"]
    assert DataFrame.column_names() == []
    assert DataFrame.schema_match(DataFrame.model_json_schema())
    assert not DataFrame.schema_match({"title": "Other"})


WITHOUT = """
import asyncio, sys
sys.modules["pyarrow"] = None
from typing import Annotated
import polars as pl
from flyte.types import _engine
async def main():
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "y"]})
    for name in ("parquet", "arrow"):
        literal = await _engine.to_literal(frame, Annotated[pl.DataFrame, name])
        assert (await _engine.to_python(literal, pl.DataFrame)).equals(frame)
    try:
        await _engine.to_literal(frame, Annotated[pl.DataFrame, "csv"])
    except ImportError as error:
        print(error)
asyncio.run(main())
"""


def test_what_is_missing_is_named_with_the_command_that_installs_it() -> None:
    """polars writes parquet and Arrow files by itself."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": "src"},
    )
    assert done.stderr == ""
    assert "needs the package 'pyarrow'" in done.stdout
    assert "pip install pyarrow" in done.stdout


def test_importing_the_room_loads_no_library_of_tables() -> None:
    program = """
import sys, flyte.io, flyte.io.extend
flyte.io.DataFrame
heavy = ("numpy", "pandas", "polars", "pyarrow", "obstore", "fsspec")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": "src"},
    )
    assert done.stdout.strip() == "[]"
