"""Hands actions to the control plane, a bounded number at a time, until it has them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from flyteidl2.actions.actions_service_pb2 import EnqueueRequest

from flyte import errors
from flyte._kit.backoff import Backoff

logger = logging.getLogger(__name__)

Enqueue = Callable[[EnqueueRequest], Awaitable[object]]

CONCURRENCY = 32
_TRIES = 100
_PAUSES = Backoff(base=0.2, factor=2, cap=10, jitter=0.3)
_SLOW_DOWN_PAUSES = Backoff(base=0.5, factor=1.5, cap=30, jitter=0.3)
_ALREADY_THERE = "already_exists"
_PERMANENT = frozenset({"aborted", "invalid_argument", "not_found"})


class Submitter:
    """Enqueues actions.  Lives on one event loop.

    An action has one name for ever, so asking again is safe: "already exists" means that an earlier
    try arrived.
    """

    def __init__(self, enqueue: Enqueue, concurrency: int = CONCURRENCY) -> None:
        self._enqueue = enqueue
        self._slots = asyncio.Semaphore(concurrency)

    async def submit(self, request: EnqueueRequest) -> None:
        """Return once the control plane has the action.

        Back-pressure (`ResourceExhaustedError`) is waited out however long it takes; other failures
        are tried again a hundred times, which bridges a restart of the control plane.

        Raises:
            flyte.errors.UnionRpcError: when the control plane refuses the action for good, or
                cannot be reached.
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
                failures += 1
                if error.code in _PERMANENT or failures >= _TRIES:
                    raise
                logger.info(
                    "action %s is submitted again: %s", request.action.action_id.name, error
                )
                pause = _PAUSES.delay(failures - 1)
            else:
                return
            # Outside of the slot: whoever has to wait must not keep others from trying.
            await asyncio.sleep(pause)
