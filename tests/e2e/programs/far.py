"""A program on another machine than its control plane: it has the endpoint and nothing else.

    python far.py ENDPOINT FOLDER values      files, folders and tables there and back
    python far.py ENDPOINT FOLDER large       one large file; how much memory it takes to send and bring it

It prints JSON.
"""

import asyncio
import hashlib
import json
import resource
import sys
from pathlib import Path
from typing import Any

import flyte
from flyte.io import DataFrame, Dir, File

env = flyte.TaskEnvironment(name="far")


@env.task
async def louder(text: File, folder: Dir, table: DataFrame) -> tuple[File, Dir, DataFrame]:
    """Every text in capitals, every number twice."""
    async with text.open("r") as opened:
        said = await opened.read()
    shouted = _shout(Path("shouted.txt"), said)
    out = Path(await folder.download("folder"))
    for file in _files(out):
        _shout(out / file, _text(out / file))
    frame = await table.open(_pandas().DataFrame).all()
    doubled = DataFrame.from_df(frame * 2)
    return await File.from_local(shouted), await Dir.from_local(out), doubled


@env.task
async def digest_and_return(data: File) -> tuple[str, File]:
    found = hashlib.md5()
    async with data.open("rb") as opened:
        while piece := await opened.read(1 << 20):
            found.update(piece)
    return found.hexdigest(), data


def _pandas() -> Any:
    import pandas  # noqa: PLC0415 - the large file is measured without it

    return pandas


def _shout(path: Path, text: str) -> Path:
    path.write_text(text.upper())
    return path


def _text(path: Path) -> str:
    return path.read_text()


def _files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def _exists(path: str) -> bool:
    return Path(path).exists()


async def values(folder: Path) -> dict[str, object]:
    """The inputs are made here, and the outputs are read here."""
    source = folder / "source"
    (source / "deep").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "deep" / "b.txt").write_text("b")
    (folder / "text.txt").write_text("hello from afar")
    run = await flyte.run.aio(
        louder,
        text=await File.from_local(folder / "text.txt"),
        folder=await Dir.from_local(source),
        table=DataFrame.from_df(_pandas().DataFrame({"n": [1, 2, 3]})),
    )
    await run.wait.aio(quiet=True)
    outputs = await run.outputs.aio()
    text, out, table = outputs
    async with text.open("r") as opened:
        said = await opened.read()
    copied = Path(await out.download(folder / "copied"))
    frame = await table.open(_pandas().DataFrame).all()
    return {
        "text": said,
        "address": text.path,
        "visible": _exists(text.path),
        "files": {file: _text(copied / file) for file in _files(copied)},
        "table": frame["n"].tolist(),
    }


async def large(folder: Path) -> dict[str, object]:
    """A file that was put into the folder beforehand."""
    before = _memory_mb()
    run = await flyte.run.aio(digest_and_return, data=await File.from_local(folder / "large"))
    await run.wait.aio(quiet=True)
    md5, data = await run.outputs.aio()
    await data.download(folder / "copy")
    return {"md5": md5, "memory_mb": _memory_mb() - before}


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    endpoint, folder, what = sys.argv[1:]
    flyte.init(endpoint=endpoint, project="far", domain="development")
    print(json.dumps(asyncio.run({"values": values, "large": large}[what](Path(folder)))))
