"""Search in the logs of a run, by a process of its own.

Regular expressions can take for ever, and matching holds the interpreter: so a process that can be killed does it, at
low priority, with bounds on time, bytes and matches; and few of them at once.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flyte_server.domain.errors import Invalid, Unavailable

_AT_ONCE = 2
_SECONDS = 20.0
_LONGEST_ANSWER = 4 * 1024 * 1024
"""Bytes of one match with its context."""
_MOST_CONTEXT, _MOST_MATCHES, _LONGEST_PATTERN = 20, 10_000, 4_000
_WORKER = (sys.executable, "-P", "-m", "flyte_server.services.logs.searcher")


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for.

    Raises:
        Invalid: the pattern is no regular expression, or it asks for too much.
    """

    pattern: str
    is_text: bool = False
    """The pattern is meant letter by letter."""
    action: str = ""
    """Empty: all actions of the run."""
    attempt: int = 0
    """0: all."""
    stream: str = ""
    """`o`, `e` or `s`; empty: all."""
    since_us: int = 0
    until_us: int = 0
    """0: no bound."""
    context: int = 0
    """Lines around each match."""
    limit: int = 1000

    def __post_init__(self) -> None:
        if len(self.pattern) > _LONGEST_PATTERN:
            raise Invalid(
                f"The pattern has {len(self.pattern)} characters; write at most {_LONGEST_PATTERN}."
            )
        if self.context > _MOST_CONTEXT or not 0 < self.limit <= _MOST_MATCHES:
            raise Invalid(
                f"A search gives 1 to {_MOST_MATCHES} matches with at most {_MOST_CONTEXT} lines around each; ask for"
                f" that (limit={self.limit}, context={self.context})."
            )
        if not self.is_text:
            try:
                re.compile(self.pattern)
            except (re.error, OverflowError, RecursionError) as error:
                raise Invalid(
                    f"{self.pattern!r} is no regular expression: {error}; search for plain text instead."
                ) from error


class Search:
    """Runs searches, a few at once.

    Args:
        seconds: how long one may take.
    """

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._running = 0

    async def run(self, folder: Path, query: Query) -> dict[str, Any]:
        """`matches`, and in `incomplete` why they may not be all.

        Args:
            folder: of the action's logs; those of the other actions lie beside it.
            query: what is looked for.

        Raises:
            Unavailable: too many searches run.
        """
        if self._running >= _AT_ONCE:
            raise Unavailable("Other searches are running; try again in a moment.")
        self._running += 1
        try:
            return await self._run(folder, query)
        finally:
            self._running -= 1

    async def _run(self, folder: Path, query: Query) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            *_WORKER,
            json.dumps({"folder": str(folder), **asdict(query)}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_ANSWER,
        )
        matches: list[dict[str, Any]] = []
        incomplete = ""
        try:
            async with asyncio.timeout(self._seconds):
                async for said in _objects(process):
                    if "incomplete" in said:
                        incomplete = said["incomplete"]
                    else:
                        matches.append(said)
                if await process.wait():
                    incomplete = "the search failed; the log of the control plane says why"
        except TimeoutError:
            incomplete = f"the search took longer than {self._seconds:g} s"
        except ValueError:
            incomplete = "a match is too large to be shown"
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        return {"matches": matches, "incomplete": incomplete}


async def _objects(process: asyncio.subprocess.Process) -> AsyncIterator[dict[str, Any]]:
    stdout = process.stdout
    while stdout is not None and (line := await stdout.readline()):
        yield json.loads(line)
