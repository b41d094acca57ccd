"""Writing what a run needs to go on: a full disk is waited out, because what was computed must not be lost for it."""

import asyncio
import logging
from collections.abc import Callable

from flyte import errors, storage
from flyte._kit import backoff, clock

_LONGEST_SECONDS = 600.0
_PAUSES = backoff.Backoff(base=0.5, factor=1.5, cap=5.0)

logger = logging.getLogger("flyte.run")


class Patience:
    """How long a full disk is waited for."""

    def __init__(self) -> None:
        self._began = clock.monotonic()
        self._tries = 0

    def pause(self, error: errors.StorageFullError) -> float:
        """Seconds until the next try.

        Raises:
            flyte.errors.StorageFullError: the one given, when it has lasted too long.
        """
        if clock.monotonic() - self._began >= _LONGEST_SECONDS:
            raise error
        if self._tries == 0:
            logger.warning("%s; waiting for room", error)
        self._tries += 1
        return _PAUSES.delay(self._tries - 1)


async def write(uri: str, data: bytes, *, settings: storage.Settings = None) -> None:
    """`storage.write` that waits for room.

    Raises:
        flyte.errors.StorageFullError: when there was none for ten minutes.
    """
    patience = Patience()
    while True:
        try:
            await storage.write(uri, data, settings=settings)
        except errors.StorageFullError as error:
            await asyncio.sleep(patience.pause(error))
        else:
            return


def until_there_is_room(attempt: Callable[[], object]) -> None:
    """The same for a caller without a loop: blocks.

    Args:
        attempt: writes, all or nothing.
    """
    patience = Patience()
    while True:
        try:
            attempt()
        except errors.StorageFullError as error:
            backoff.sleep_blocking(patience.pause(error))
        else:
            return
