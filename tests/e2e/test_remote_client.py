"""A client that has the endpoint of a control plane, and neither its files nor anything else of its machine.

The client runs in a mount namespace in which an empty file system lies over the control plane's directory.
"""

import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.plane import PROGRAMS, Plane, flyte
from tests.fakes.proxy import Proxy, proxying

FAR = PROGRAMS / "far.py"
MEBIBYTE = 1024 * 1024
LARGE = 200 * MEBIBYTE
UNSHARE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
HIDE = 'mount -t tmpfs tmpfs "$0" && exec "$@"'


class OpenPlane(Plane):
    """A control plane that answers to any name, as one in a network does; still only this machine reaches it."""

    def start(self) -> None:
        place = ("--host", "127.0.0.2", "--port", str(self.port))
        flyte("start", "server", *place, "--auth", "none")  # its token is hidden with its files


def can_hide() -> bool:
    try:
        tried = subprocess.run(
            [*UNSHARE, "sh", "-c", HIDE, "/mnt", "true"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return tried.returncode == 0


pytestmark = pytest.mark.skipif(
    not can_hide(), reason="this system lets nobody make a mount namespace to hide files in"
)


@pytest.fixture
def plane(flyte_home: Path) -> Iterator[Plane]:
    plane = OpenPlane(flyte_home)
    plane.start()
    try:
        yield plane
    finally:
        plane.shut_down()


@pytest.fixture
async def proxy(plane: Plane) -> AsyncIterator[Proxy]:
    async with proxying("127.0.0.2", plane.port) as proxy:
        yield proxy


async def far(plane: Plane, endpoint: str, folder: Path, what: str) -> dict[str, Any]:
    """What the program prints, which does not see the control plane's directory."""
    client = await asyncio.create_subprocess_exec(
        *[*UNSHARE, "sh", "-c", HIDE, str(plane.home)],
        *[sys.executable, str(FAR), endpoint, str(folder), what],
        env=os.environ | {"FLYTE_HOME": str(folder / "home")},
        cwd=PROGRAMS,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await client.communicate()
    assert client.returncode == 0, err.decode()
    return json.loads(out)


async def test_files_folders_and_tables_go_there_and_come_back(
    plane: Plane, proxy: Proxy, tmp_path: Path
) -> None:
    folder = tmp_path / "client"
    folder.mkdir()
    told = await far(plane, proxy.endpoint, folder, "values")
    assert told["text"] == "HELLO FROM AFAR"
    assert told["address"].startswith(str(plane.home / "data"))
    assert not told["visible"], "the client was to see nothing of the control plane's files"
    assert told["files"] == {"a.txt": "A", "deep/b.txt": "B"}
    assert told["table"] == [2, 4, 6]


async def test_a_large_file_goes_through_a_network_that_breaks_with_little_memory(
    plane: Plane, proxy: Proxy, tmp_path: Path
) -> None:
    folder = tmp_path / "client"
    folder.mkdir()
    content = random.Random(1).randbytes(LARGE)
    (folder / "large").write_bytes(content)
    broken: list[str] = []

    def cut(way: str, before: int, data: bytes) -> bytes | None:
        if before > 50 * MEBIBYTE and broken.count(way) < 2:
            broken.append(way)
            return None
        return data

    proxy.always_up = lambda before, data: cut("up", before, data)
    proxy.always_down = lambda before, data: cut("down", before, data)
    told = await far(plane, proxy.endpoint, folder, "large")
    assert told["md5"] == hashlib.md5(content).hexdigest()
    assert (folder / "copy").read_bytes() == content
    assert sorted(broken) == ["down", "down", "up", "up"]
    assert told["memory_mb"] < 80
