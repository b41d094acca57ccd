"""A large `File` into the local store and out of it, against `cp` of the same bytes.

    python -m benchmarks.files               # 1 GB; percent of cp's speed, MB/s of streaming

Each copy stands beside a `cp` of the same moment, and begins after the disk has taken what was written before:
otherwise one pays for the other.
"""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import flyte
from flyte.io import File

MEGABYTES = 1000
_PIECE = 4_000_000
_REPEAT = 5

env = flyte.TaskEnvironment(name="files_benchmark")


def copied(source: str, folder: str) -> float:
    """Seconds that `cp` takes now; its copy is removed, so that what is timed next finds the same room."""
    target = Path(folder) / "copied"
    os.sync()
    started = time.perf_counter()
    subprocess.run(["cp", "--reflink=never", source, str(target)], check=True)
    elapsed = time.perf_counter() - started
    target.unlink()
    os.sync()
    return elapsed


@env.task
async def measure(source: str, folder: str) -> dict[str, float]:
    """Each way once: copies as a share of `cp`'s speed at the same moment, streams in seconds."""
    by_cp = copied(source, folder)
    started = time.perf_counter()
    file = await File.from_local(source)
    found = {"upload": by_cp / (time.perf_counter() - started)}
    downloaded = Path(folder) / "downloaded"
    by_cp = copied(source, folder)
    started = time.perf_counter()
    await file.download(downloaded)
    found["download"] = by_cp / (time.perf_counter() - started)
    started = time.perf_counter()
    async with file.open("rb") as reader:
        while await reader.read(_PIECE):
            pass
    found["stream"] = time.perf_counter() - started
    started = time.perf_counter()
    with file.open_sync("rb") as blocking:
        while blocking.read(_PIECE):
            pass
    found["stream_sync"] = time.perf_counter() - started
    for path in (downloaded, Path(file.path)):
        path.unlink()
    return found


def figures(repeat: int = _REPEAT) -> Mapping[str, float]:
    """Percent of `cp`'s speed for copies, MB/s for streams: medians; the first time warms up."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        with source.open("wb") as file:
            for _ in range(MEGABYTES * 1_000_000 // _PIECE):
                file.write(os.urandom(_PIECE))
        raw = str(Path(folder) / "raw")
        run = flyte.with_runcontext("local", raw_data_path=raw).run
        times = [run(measure, str(source), folder).outputs()[0] for _ in range(repeat + 1)][1:]
        shutil.rmtree(raw)
    percent = {
        f"file_{way}_percent_of_cp": [100 * each[way] for each in times]
        for way in ("upload", "download")
    }
    rates = {
        f"file_{way}_mb_per_second": [MEGABYTES / each[way] for each in times]
        for way in ("stream", "stream_sync")
    }
    return {name: round(statistics.median(all_), 1) for name, all_ in (percent | rates).items()}


if __name__ == "__main__":
    print(json.dumps(figures(), indent=2))
