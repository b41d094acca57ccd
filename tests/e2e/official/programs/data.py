"""Files, folders, tables, reports and checkpoints of tasks in the official package's runtime."""

import pathlib

import pandas as pd

import flyte
import flyte.io
import flyte.report

env = flyte.TaskEnvironment(name="data")


def made(name: str, content: bytes) -> str:
    """A file in the working directory of the task."""
    path = pathlib.Path(name).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return str(path)


def size_of(path: str) -> int:
    return pathlib.Path(path).stat().st_size


@env.task
async def written(text: str) -> flyte.io.File:
    return await flyte.io.File.from_local(made("out.txt", text.encode()))


@env.task
async def large(megabytes: int) -> flyte.io.File:
    content = bytes(range(256)) * (megabytes * 4096)
    return await flyte.io.File.from_local(made("large.bin", content))


@env.task
async def folder() -> flyte.io.Dir:
    for n in range(3):
        made(f"folder/deep/{n}.txt", b"x")
    return await flyte.io.Dir.from_local("folder")


@env.task
async def table(rows: int) -> flyte.io.DataFrame:
    return flyte.io.DataFrame.from_df(pd.DataFrame({"x": range(rows)}))


@env.task(report=True)
async def reported() -> None:
    await flyte.report.replace.aio("<h1>a report</h1>")
    await flyte.report.flush.aio()


@env.task
async def read(
    text: flyte.io.File, big: flyte.io.File, place: flyte.io.Dir, frame: flyte.io.DataFrame
) -> str:
    async with text.open("rb") as opened:
        content = bytes(await opened.read()).decode()
    size = size_of(await big.download())
    names = sorted([pathlib.Path(file.path).name async for file in place.walk(recursive=True)])
    total = int((await frame.open(pd.DataFrame).all())["x"].sum())
    return f"{content} {size} {','.join(names)} {total}"


@env.task
async def main(text: str) -> tuple[flyte.io.File, str]:
    await reported()
    file = await written(text)
    return file, await read(file, await large(12), await folder(), await table(100))
