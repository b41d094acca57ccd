"""Objects in memory: every verb by obstore, without a server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flyte import errors, storage
from flyte.storage import digests

CONTENT = os.urandom(20 * 1024 * 1024 + 1)


async def test_all_verbs(tmp_path: Path) -> None:
    base = "memory://verbs"
    (tmp_path / "f").write_bytes(CONTENT)
    digest = await storage.upload(tmp_path / "f", f"{base}/d/f")
    assert digest == digests.Digest(len(CONTENT), digests.digest([CONTENT]))
    assert await storage.download(f"{base}/d/f", tmp_path / "g", expected=digest.xxh3) == digest
    assert await storage.read(f"{base}/d/f") == CONTENT
    assert [entry.uri async for entry in storage.walk(f"{base}/d")] == [f"{base}/d/f"]
    assert (await storage.stat(f"{base}/d/f")).size == len(CONTENT)
    assert storage.exists_sync(f"{base}/d")
    async with await storage.reader(f"{base}/d/f") as file:
        await file.seek(9 * 1024 * 1024)
        assert await file.read(5) == CONTENT[9 * 1024 * 1024 :][:5]
        assert await file.read() == CONTENT[9 * 1024 * 1024 + 5 :]
    with storage.sync_writer(f"{base}/w") as written:
        written.write(CONTENT)
    with storage.sync_reader(f"{base}/w") as read:
        read.seek(-3, os.SEEK_END)
        assert read.read() == CONTENT[-3:]
        read.seek(1)
        assert read.read() == CONTENT[1:]
    await storage.delete(base, recursive=True)
    assert not await storage.exists(base)


async def test_an_address_that_cannot_be_is_an_error_of_ours() -> None:
    with pytest.raises(errors.StorageError, match=r"memory://b/a//b.*empty path segment"):
        await storage.write("memory://b/a//b", b"")
    with pytest.raises(errors.StorageError, match="there is no store for quux"):
        await storage.exists("quux://b/a")


async def test_the_file_system_of_fsspec_shows_the_same_memory() -> None:
    await storage.write("memory://shared/x", b"1")
    system = storage.get_underlying_filesystem("memory", asynchronous=True)
    assert await system._cat_file("memory://shared/x") == b"1"
    assert storage.get_underlying_filesystem(path="/x").protocol == ("file", "local")


def test_a_forked_process_says_so_instead_of_waiting_forever(tmp_path: Path) -> None:
    program = """
import asyncio, os, sys
from flyte import errors, storage
assert "obstore" not in sys.modules
asyncio.run(storage.write("memory://b/x", b"1"))
if os.fork() == 0:
    try:
        asyncio.run(storage.read("memory://b/x"))
    except errors.StorageError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""
    script = tmp_path / "script.py"
    script.write_text(program)
    assert "was forked" in _run(script)


def _run(script: Path) -> str:
    return subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=30
    ).stdout
