"""Polars by itself: importing it starts a thread, so its tasks get fresh processes, which cost a second each."""

import pandas as pd
import polars as pl

import flyte
from flyte.io import DataFrame

env = flyte.TaskEnvironment(name="data_polars")

TABLE = pl.DataFrame({"n": [1, 2], "word": ["a", None], "when": [None, "2026-01-31"]})


@env.task
async def eager(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.col("n") + 1)


@env.task
async def lazy(table: pl.LazyFrame) -> pl.LazyFrame:
    return table.filter(pl.col("n") > 1)


@env.task
async def to_pandas(table: DataFrame) -> pd.DataFrame:
    return await table.open(pd.DataFrame).all()


@env.task
async def everything() -> dict[str, str]:
    """What each case gives, with its type."""
    some = await lazy(TABLE.lazy())
    given = {
        "eager": await eager(TABLE),
        "lazy": some.collect(),
        "to_pandas": await to_pandas(DataFrame.from_df(TABLE)),
    }
    return {name: f"{type(value).__name__} {value!r}" for name, value in given.items()}
