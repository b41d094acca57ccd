"""Files, tables, arrays and reports: values of any size, known by their content.

flyte run examples/data.py main --readings examples/readings.csv
flyte run --local examples/data.py main --readings examples/readings.csv
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

import flyte
import flyte.report
from flyte.io import File

env = flyte.TaskEnvironment(name="data", cache="auto")


@dataclass
class Summary:
    rows: int
    mean: float
    source: File
    """A file inside of a record: its content, not its address, is what the cache compares."""


@env.task
def clean(readings: File) -> pd.DataFrame:
    """A table travels as parquet, with its types and its index."""
    with readings.open_sync("r") as lines:
        return pd.read_csv(lines, parse_dates=["when"]).dropna(ignore_index=True)


@env.task
async def smooth(values: np.ndarray, width: int = 3) -> np.ndarray:
    """An array of any size: a large one goes by reference and is mapped, not copied."""
    return np.convolve(values, np.ones(width) / width, mode="same")


@env.task(report=True)
async def summarize(table: pd.DataFrame, smoothed: np.ndarray, source: File) -> Summary:
    """The report can be looked at while the task runs."""
    flyte.report.log(f"<h1>{len(table)} readings</h1>")
    flyte.report.log(table.assign(smoothed=smoothed).to_html(), do_flush=True)
    return Summary(len(table), float(table["value"].mean()), source)


@env.task
async def main(readings: File) -> Summary:
    table = await clean.aio(readings)
    return await summarize(table, await smooth(table["value"].to_numpy()), readings)
