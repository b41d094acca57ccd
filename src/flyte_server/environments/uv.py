"""Calling uv: its output as progress while it works, its last words as the error when it fails."""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

Say = Callable[[str], None]
"""Gets each line as it comes."""
_QUIET = ("--no-progress", "--color", "never")
_END_SECONDS = 5.0
_KEPT_LINES = 200
_LONGEST_LINE = 1024 * 1024
_UNINTERESTING = ("Using Python ",)


class BuildError(Exception):
    """An environment cannot be made; the message has the tool's own words."""


@dataclass(frozen=True, slots=True)
class Uv:
    """The installed uv.

    Args:
        env: its variables.
        cwd: paths in arguments are relative to it.
        say: gets what it prints.
        lock: a file descriptor that it keeps open: as long as it works, the lock on it is held.
    """

    env: Mapping[str, str]
    cwd: Path
    say: Say
    lock: int

    async def call(self, *arguments: str) -> str:
        """Run it.

        Returns:
            What it printed to its standard output.

        Raises:
            BuildError: it failed; the message is what it said.
        """
        return await run([find_uv_bin(), *arguments, *_QUIET], self)


async def run(command: Sequence[str], here: Uv) -> str:
    """Run a program as uv is run: the output of its stdout; its stderr line by line.

    Raises:
        BuildError: it failed; the message is the end of what it said.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=here.cwd,
        env=dict(here.env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
        pass_fds=(here.lock,),
        start_new_session=True,
    )
    try:
        printed, said = await asyncio.gather(_all(process.stdout), _lines(process.stderr, here.say))
        status = await process.wait()
    except BaseException:
        await _end(process)
        raise
    if status != 0:
        raise BuildError(
            "\n".join(said).strip() or f"{Path(command[0]).name} ended with status {status}"
        )
    return printed


async def _all(stream: asyncio.StreamReader | None) -> str:
    return "" if stream is None else (await stream.read()).decode(errors="replace")


async def _lines(stream: asyncio.StreamReader | None, say: Say) -> list[str]:
    kept: list[str] = []
    while stream is not None and (raw := await stream.readline()):
        line = raw.decode(errors="replace").rstrip()
        if not line or line.startswith(_UNINTERESTING):
            continue
        kept = [*kept[1 - _KEPT_LINES :], line]
        say(line)
    return kept


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nobody waits for it any more."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _END_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
