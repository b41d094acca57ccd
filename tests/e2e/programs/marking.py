"""How tasks of these programs leave traces of being executed, and wait for the test."""

import asyncio
import os
from pathlib import Path


def mark(folder: str, name: str, line: object = "x") -> None:
    """Append one line; short appends of several processes do not mix."""
    with (Path(folder) / name).open("a") as file:
        file.write(f"{line}\n")


def mark_pid(folder: str, name: str) -> None:
    mark(folder, f"{name}.pid", os.getpid())


async def until_there(folder: str, name: str) -> None:
    """Wait until the test has put the file."""
    while not (Path(folder) / name).exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
