"""Hands actions to the control plane, a bounded number at a time, until it has them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from flyteidl2.actions.actions_service_pb2 import EnqueueRequest

from flyte import errors
from flyte._kit.absence import Absence
from flyte._kit.backoff import Backoff

logger = logging.getLogger(__name__)

Enqueue = Callable[[EnqueueRequest], Awaitable[object]]

CONCURRENCY = 256
"""Questions that are waited for at once; they leave together (`_runtime/batching.py`)."""
_PAUSES = Backoff(base=0.2, factor=2, cap=5, jitter=0.3)
_SLOW_DOWN_PAUSES = Backoff(base=0.5, factor=1.5, cap=30, jitter=0.3)
_ALREADY_THERE = "already_exists"


class Submitter:
    """Enqueues actions.  Lives on one event loop.

    An action has one name for ever, so asking again is safe: "already exists" means that an earlier
    try arrived.

    Args:
        enqueue: asks once; it must give up by itself when no answer comes.
        concurrency: how many questions are under way at once.
        absence: how long a control plane that is away is waited for.
    """

    def __init__(
        self, enqueue: Enqueue, concurrency: int = CONCURRENCY, absence: Absence | None = None
    ) -> None:
        self._enqueue = enqueue
        self._absence = absence or Absence("the control plane", say=logger.warning)
        self._slots = asyncio.Semaphore(concurrency)

    async def submit(self, request: EnqueueRequest) -> None:
        """Return once the control plane has the action.

        Back-pressure (`ResourceExhaustedError`) is waited out however long it takes, and so is, for
        a day, a control plane that is away: what the caller has done so far must not be lost with it.

        Raises:
            flyte.errors.UnionRpcError: when the control plane refuses the action for good, or does
                not come back.
        """
        failures = slowdowns = 0
        while True:
            try:
                async with self._slots:
                    await self._enqueue(request)
            except errors.ResourceExhaustedError:
                pause = _SLOW_DOWN_PAUSES.delay(slowdowns)
                slowdowns += 1
            except errors.UnionRpcError as error:
                if error.code == _ALREADY_THERE:
                    return
                if error.is_final:
                    raise
                self._absence.missed(error)
                name = request.action.action_id.name
                logger.debug("action %s is submitted again: %s", name, error)
                pause = _PAUSES.delay(failures)
                failures += 1
            else:
                self._absence.answered()
                return
            # Outside of the slot: whoever has to wait must not keep others from trying.
            await asyncio.sleep(pause)
