"""Tasks whose files and tables go wherever the run's raw data goes."""

from dataclasses import dataclass

import pandas as pd

import flyte
from flyte.io import DataFrame, Dir, File

env = flyte.TaskEnvironment(name="stored")


@dataclass
class Made:
    file: File
    folder: Dir
    table: DataFrame
    rows: int


@env.task
async def table(n: int) -> DataFrame:
    return DataFrame.from_df(pd.DataFrame({"n": range(n)}))


@env.task
async def rows(frame: pd.DataFrame) -> int:
    return len(frame)


@env.task
async def written(text: str) -> File:
    file = File.new_remote("text.txt")
    async with file.open("w") as out:
        await out.write(text)
    return file


@env.task
async def copied(folder: Dir) -> Dir:
    return await Dir.from_local(await folder.download())


@env.task
async def main(folder: Dir) -> Made:
    """Everything in one record; the folder came from the command line."""
    made = await table(1000)
    return Made(await written("far away"), await copied(folder), made, await rows(made))
