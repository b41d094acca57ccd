"""Of equal calls that ask for it (`Cache(serialize=True)`) one is executed at a time, in all processes of a machine.

Whoever holds the lock of a key executes; the kernel takes the lock from a process that dies.  A call below the holder
must not wait for what waits for the holder: so a waiting call notes in the locks above it what it waits for, and does
not wait where the notes lead back to itself.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from flyte._kit import backoff

_PAUSES = backoff.Backoff(base=0.002, factor=1.5, cap=0.1, jitter=0.3)
_MOST_NOTES = 64 * 1024


class Turn:
    """The right to execute, until `release`; made by `take`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def note(self, path: Path) -> None:
        """Tell others that the end of this turn waits for another one."""
        with suppress(OSError):
            os.write(self._descriptor, f"{path}\n".encode())

    def release(self) -> None:
        """Let the next one execute."""
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


async def take(path: Path, *, above: tuple[Turn, ...] = (), blocking: bool = False) -> Turn | None:
    """Wait for the turn at a lock file.

    Args:
        path: the file; equal calls have the same.
        above: turns of the calls in which this one is made.
        blocking: the caller cannot wait; its thread is blocked instead.

    Returns:
        The turn; None if it will not come before this call has ended: then it is executed beside the other.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tries = 0
    while (turn := _try(path)) is None:
        if tries == 0:
            for turn_above in above:
                turn_above.note(path)
        if _leads_to(path, {turn_above.path for turn_above in above}):
            return None
        pause = _PAUSES.delay(tries)
        if blocking:
            backoff.sleep_blocking(pause)
        else:
            await asyncio.sleep(pause)
        tries += 1
    return turn


def _try(path: Path) -> Turn | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_there = path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())
    except BlockingIOError:
        is_there = False
    except BaseException:
        os.close(descriptor)
        raise
    if not is_there:  # taken, or deleted meanwhile together with the cache
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    return Turn(path, descriptor)


def _leads_to(path: Path, above: set[Path]) -> bool:
    """Whether the turn at a lock waits, directly or not, for one of those above."""
    if not above:
        return False
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        if current in above:
            return True
        if current not in seen:
            seen.add(current)
            waiting.extend(_notes(current))
    return False


def _notes(path: Path) -> Iterator[Path]:
    with suppress(OSError), path.open("rb") as file:
        yield from (Path(line) for line in file.read(_MOST_NOTES).decode().splitlines())
