"""Files to and from a control plane through its signed links, and what other clients feel of it.

One control plane in a process of its own, a client here that does not look into the data directory; a third client
asks for something small all the time, and its longest wait is recorded.
"""

import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flyte._client import ControlPlane
from flyte._client.data import DataLinks

MEGABYTE = 1_000_000
_START_SECONDS = 20.0
_PROBE_PAUSE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class LinkSpeed:
    """Megabytes per second, the same for `cp` on the same files, and the longest wait of others in milliseconds."""

    upload_mb_per_second: float
    download_mb_per_second: float
    copy_mb_per_second: float
    longest_wait_during_upload_ms: float
    longest_wait_during_download_ms: float
    client_memory_mb: float


def measure(size: int = 1_000 * MEGABYTE, folder: Path | None = None) -> LinkSpeed:
    """Send and bring one file of random bytes of the given size."""
    with (
        tempfile.TemporaryDirectory(prefix="flyte-bench-", dir=folder) as work,
        _server(Path(work) / "home") as endpoint,
    ):
        source = Path(work) / "source"
        _write(source, size)
        copying = _copy_seconds(source, Path(work) / "copied")
        moved = asyncio.run(_moved(endpoint, source, Path(work) / "copy"))
        rate = size / MEGABYTE
        return LinkSpeed(
            upload_mb_per_second=rate / moved.upload_seconds,
            download_mb_per_second=rate / moved.download_seconds,
            copy_mb_per_second=rate / copying,
            longest_wait_during_upload_ms=1000 * max(moved.waits_during_upload),
            longest_wait_during_download_ms=1000 * max(moved.waits_during_download),
            client_memory_mb=moved.memory_kib / 1024,
        )


@dataclass(frozen=True, slots=True)
class _Moved:
    upload_seconds: float
    download_seconds: float
    waits_during_upload: list[float]
    waits_during_download: list[float]
    memory_kib: int


async def _moved(endpoint: str, source: Path, copy: Path) -> _Moved:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    plane, other = ControlPlane.connect(endpoint), ControlPlane.connect(endpoint)
    try:
        links = DataLinks(plane, "bench", "development", direct=False)
        async with _probed(other) as up:
            begun = time.perf_counter()
            uri = await links.upload(source, "data")
            uploading = time.perf_counter() - begun
        async with _probed(other) as down:
            begun = time.perf_counter()
            await links.download(uri, copy)
            downloading = time.perf_counter() - begun
    finally:
        await plane.aclose()
        await other.aclose()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    return _Moved(uploading, downloading, up, down, grown)


@asynccontextmanager
async def _probed(plane: ControlPlane) -> AsyncIterator[list[float]]:
    """How long each small request takes, while the block runs."""
    waits: list[float] = []

    async def ask() -> None:
        while True:
            begun = time.perf_counter()
            await plane.own("DataService", "Whereabouts", {})
            waits.append(time.perf_counter() - begun)
            await asyncio.sleep(_PROBE_PAUSE_SECONDS)

    await plane.own("DataService", "Whereabouts", {})
    asking = asyncio.ensure_future(ask())
    try:
        yield waits
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


@contextmanager
def _server(home: Path) -> Iterator[str]:
    command = [sys.executable, "-P", "-m", "flyte_server", "--home", str(home), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.perf_counter() + _START_SECONDS
            while not (home / "server.json").exists():
                if time.perf_counter() > deadline:
                    raise TimeoutError(f"the control plane on {home} does not start")
                time.sleep(0.02)
            yield json.loads((home / "server.json").read_text())["endpoint"]
        finally:
            process.terminate()


def _write(path: Path, size: int) -> None:
    block = os.urandom(MEGABYTE)
    with path.open("wb") as file:
        for _ in range(size // MEGABYTE):
            file.write(block)


def _copy_seconds(source: Path, target: Path) -> float:
    begun = time.perf_counter()
    subprocess.run(["cp", "--sparse=never", "--reflink=never", source, target], check=True)
    taken = time.perf_counter() - begun
    shutil.rmtree(target, ignore_errors=True)
    target.unlink(missing_ok=True)
    return taken


if __name__ == "__main__":
    sys.stdout.write(f"{measure()}\n")
