"""Files and directories on their way through tasks of every kind."""

import csv
import gzip
import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pydantic
from marking import mark

import flyte
from flyte.io import Dir, File

env = flyte.TaskEnvironment(name="files")
cached = flyte.TaskEnvironment(
    name="cached", cache=flyte.Cache(behavior="override", version_override="1")
)


@dataclass
class Report:
    file: File
    pages: Dir
    more: list[File]
    none: File | None = None


class Model(pydantic.BaseModel):
    by_name: dict[str, File]


class Both(NamedTuple):
    file: File
    folder: Dir


def text(file: File) -> str:
    with file.open_sync("r", compression="infer") as lines:
        return lines.read()


async def tree(folder: Dir) -> dict[str, str]:
    prefix = f"{folder.path.rstrip('/')}/"
    return {file.path.removeprefix(prefix): text(file) async for file in folder.walk()}


@env.task
async def upper(file: File) -> File:
    """Streamed in, streamed out."""
    out = File.new_remote("upper.csv")
    async with file.open("r") as lines, out.open("w") as result:
        async for line in lines:
            await result.write(line.upper())
    return out


@env.task
def zipped(file: File) -> File:
    """Made of a local file that goes away."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        local = Path(folder) / "result.csv.gz"
        local.write_bytes(gzip.compress(text(file).encode()))
        return File.from_local_sync(local)


@env.task
async def named(file: File) -> File:
    """Only a path, on a control plane one of the working directory."""
    return File(path=await file.download())


@env.task
def pages(file: File) -> Dir:
    """A directory made of a local one."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        for number, line in enumerate(text(file).splitlines()):
            page = Path(folder) / "pages" / str(number) / "page.txt"
            page.parent.mkdir(parents=True)
            page.write_text(line)
        (Path(folder) / "pages" / "empty.txt").touch()
        return Dir.from_local_sync(Path(folder) / "pages")


@env.task
def written(names: list[str]) -> Dir:
    """A directory written file by file into the store."""
    folder = Dir.new_remote("letters")
    for name in names:
        with File(path=f"{folder.path}/{name}").open_sync("w") as out:
            out.write(name)
    return folder


@env.task
async def report(file: File, folder: Dir) -> Report:
    return Report(file, folder, [file, await File.from_local(await file.download())])


@env.task
async def in_model(report: Report) -> Model:
    return Model(by_name={"file": report.file, "second": report.more[1]})


@env.task
async def several(model: Model) -> tuple[File, Dir, File | None]:
    return model.by_name["second"], Dir.empty(), None


@env.task
async def both(file: File, folder: Dir) -> Both:
    return Both(file, folder)


@env.task
async def untyped(file: File) -> dict:
    return {"file": file}


@env.task(retries=2)
async def stubborn(marks: str) -> File:
    """The second attempt writes to the address of the first."""
    mark(marks, "stubborn")
    file = File.named_remote("state.txt")
    before = text(file) if await file.exists() else ""
    async with file.open("w") as out:
        await out.write(f"{before}+")
    if len(before) < 2:
        raise ConnectionError("not yet")
    return file


@env.task
async def interrupted() -> bool:
    """A writer that fails leaves nothing."""
    file = File.new_remote("half")
    with suppress(ZeroDivisionError):
        async with file.open("wb") as out:
            await out.write(b"%d" % (1 // await out.write(b"")))
    return await file.exists()


@cached.task
async def counted(file: File, marks: str) -> int:
    mark(marks, "counted")
    return len(text(file))


async def content(value: Any) -> Any:
    """Values with the content of their files in the place of their addresses."""
    match value:
        case File():
            return [value.name, text(value)]
        case Dir():
            return await tree(value)
        case Mapping():
            return {key: await content(item) for key, item in value.items()}
        case list() | tuple():
            return [await content(item) for item in value]
        case _:
            return value


@env.task
async def main(data: File, folder: Dir, marks: str) -> dict[str, str]:
    one = await upper(data)
    split = await pages.aio(one)
    made = await report(one, split)
    model = await in_model(made)
    results = {
        "data": data,
        "folder": folder,
        "upper": one,
        "zipped": await zipped.aio(one),
        "named": await named(data),
        "pages": split,
        "written": await written.aio(["a", "b/c"]),
        "report": [made.file, made.pages, made.more, made.none],
        "model": model.by_name,
        "several": await several(model),
        "both": await both(one, folder),
        "untyped": await untyped(one),
        "stubborn": await stubborn(marks),
        "interrupted": await interrupted(),
        "counted": [
            await counted(await upper(data), marks),
            await counted(await upper(data), marks),
        ],
    }
    return {name: json.dumps(await content(value)) for name, value in results.items()}


@env.task
def plain(data: File) -> int:
    """A task that cannot await reads its input."""
    with data.open_sync("r", newline="") as rows:
        return sum(int(row["n"]) for row in csv.DictReader(rows))


@env.task
async def missing() -> File:
    return File(path="nowhere.csv")
