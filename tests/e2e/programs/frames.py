"""Tables on their way through tasks of every kind and every library."""

import asyncio
import datetime
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
import polars as pl
import pyarrow as pa
from marking import mark
from pandas.testing import assert_frame_equal

import flyte
import flyte.errors
from flyte.io import DataFrame

env = flyte.TaskEnvironment(name="frames")
cached = flyte.TaskEnvironment(
    name="cached", cache=flyte.Cache(behavior="override", version_override="1")
)

INDEX = pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1)], names=["letter", None])
FRAME = pd.DataFrame(
    {
        "n": pd.array([1, None, 3], dtype="Int64"),
        "word": ["a", None, "ü"],
        "x": [0.5, float("nan"), 1e300],
        "kind": pd.Categorical(
            ["low", "high", "low"], categories=["low", "mid", "high"], ordered=True
        ),
        "when": pd.date_range("2026-03-29", periods=3, freq="h", tz="Europe/Berlin"),
        "took": pd.to_timedelta([1, 2, 3], unit="ms"),
        "day": pd.Series([datetime.date(2026, 1, 31)] * 3, dtype=object),
    },
).set_index(INDEX)
PLAIN = pd.DataFrame({"n": [1, 2, 3], "word": ["a", None, "ü"]})


@dataclass
class Report:
    frame: pd.DataFrame
    table: DataFrame
    by_name: dict[str, pl.DataFrame]
    text: Annotated[pd.DataFrame, "csv"]


@env.task
async def pandas(frame: pd.DataFrame) -> pd.DataFrame:
    assert_frame_equal(frame, FRAME, check_exact=True)
    return frame


@env.task
def polars(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col("n") * 10)


@env.task
async def lazy(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.filter(pl.col("n") > 10)


@env.task
def arrow(table: pa.Table) -> pa.Table:
    return table.append_column("twice", pa.array([2 * n.as_py() for n in table["n"]]))


@env.task
async def reference(table: DataFrame) -> DataFrame:
    """Read in pieces with one library, written with another."""
    total = 0
    async for piece in table.open(pa.Table).iter():
        total += sum(piece["n"].to_pylist())
    return DataFrame.from_df(pl.DataFrame({"total": [total]}))


@env.task
def stored(table: DataFrame) -> DataFrame:
    """Blocking, and stored at once."""
    return DataFrame.from_local_sync(table.open(pd.DataFrame).all_sync())


@env.task
async def text(frame: pd.DataFrame) -> Annotated[pd.DataFrame, "csv"]:
    return frame


@env.task
async def some(
    frame: Annotated[pd.DataFrame, OrderedDict(word=str)],
    table: Annotated[DataFrame, OrderedDict(n=int)],
) -> list[str]:
    return [*frame.columns, *(await table.open(pl.DataFrame).all()).columns]


@env.task
async def report(frame: pd.DataFrame) -> Report:
    polars_frame = pl.DataFrame({"n": [1]})
    return Report(frame, DataFrame.from_df(polars_frame), {"x": polars_frame}, frame)


@env.task
async def reported(report: Report) -> list[Any]:
    rows = (await report.table.open(pd.DataFrame).all())["n"].tolist()
    return [report.frame.equals(report.text), rows, report.by_name["x"].rows()]


@cached.task
async def counted(frame: pd.DataFrame, marks: str) -> int:
    mark(marks, "counted")
    return len(frame)


@env.task
async def mixed() -> pd.DataFrame:
    return pd.DataFrame({"good": [1, 2], "col": pd.Series([1, "x"], dtype=object)})


@env.task
async def labelled() -> Annotated[pd.DataFrame, "csv"]:
    return FRAME[["n"]]


@env.task
async def incomplete() -> Annotated[DataFrame, OrderedDict(n=int, missing=str)]:
    return DataFrame.from_df(PLAIN)


async def refused(task: Any) -> str:
    try:
        await task()
    except flyte.errors.RuntimeUserError as error:
        return str(error)
    return "not refused"


def rows(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return frame.rows()


@env.task
async def main(marks: str) -> Mapping[str, str]:
    tens = await polars.aio(pl.from_pandas(PLAIN))
    big = await lazy(tens.lazy())
    total = await reference(DataFrame.from_df(PLAIN))
    again = await stored.aio(DataFrame.from_df(PLAIN))
    counts = [await counted(frame, marks) for frame in (PLAIN, PLAIN.copy(), PLAIN[:2])]
    failures = await asyncio.gather(*(refused(task) for task in (mixed, labelled, incomplete)))
    said: dict[str, Any] = {
        "pandas": (await pandas(FRAME)).equals(FRAME),
        "polars": rows(tens),
        "lazy": rows(big.collect()),
        "arrow": (await arrow.aio(pa.Table.from_pandas(PLAIN)))["twice"].to_pylist(),
        "reference": rows(await total.open(pl.DataFrame).all()),
        "stored": [again.format, (await again.open(pd.DataFrame).all()).equals(PLAIN)],
        "text": (await text(PLAIN)).equals(PLAIN),
        "some": await some(PLAIN, again),
        "report": await reported(await report(PLAIN)),
        "counted": counts,
        "refused": failures,
    }
    return {name: json.dumps(value, default=str) for name, value in said.items()}


@env.task
async def summed(table: DataFrame, frame: pl.DataFrame) -> int:
    return sum((await table.open(pd.DataFrame).all())["n"]) + frame["n"].sum()
