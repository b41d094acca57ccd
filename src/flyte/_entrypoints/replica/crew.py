"""Executes attempts side by side in one process."""

import logging
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING

from flyte._entrypoints.replica import belongings
from flyte._entrypoints.replica.attempt import Attempt
from flyte._entrypoints.replica.ledger import Held
from flyte._entrypoints.replica.letters import Letters
from flyte._entrypoints.replica.shared import Shared
from flyte._kit import aio, clock
from flyte_protocol.worker.v1.worker_pb2 import Ended, Failure

if TYPE_CHECKING:
    import asyncio

logger = logging.getLogger(__name__)

Tell = Callable[[Held, Ended], object]
"""Takes the end of an attempt, in any thread."""


class Crew:
    """Implements `conversation.Hands` on the main thread's loop.

    Args:
        foreground: the loop.
        shared: what attempts have in common.
        tell: is told of ends.
    """

    def __init__(self, foreground: aio.Foreground, shared: Shared, tell: Tell) -> None:
        self._foreground = foreground
        self._shared = shared
        self._tell = tell
        self._attempts: dict[Held, Attempt] = {}
        self._arriving = Letters(foreground.call, self._begin)
        foreground.loop.set_task_factory(belongings.factory)

    def begin(self, held: Held) -> None:
        """Start an attempt as soon as the loop is free; may be asked for in any thread."""
        self._arriving.put(held)

    def cancel(self, held: Held, reason: str) -> None:
        """Cancel an attempt; may be asked for in any thread."""
        logger.info("cancelling %s: %s", held.assignment.attempt.action, reason)
        attempt = self._attempts.get(held)
        if attempt is not None and attempt.interrupt():
            return  # a thread hears of it even while the loop is blocked
        self._foreground.call(self._cancel, held)

    # --- on the loop

    def _begin(self, held: Held) -> None:
        held.started_at = clock.now_us()
        context = self._shared.context.run(copy_context)
        attempt = self._attempts[held] = Attempt(held.assignment, self._shared, context)
        task = self._foreground.loop.create_task(attempt.live(), context=context)
        attempt.task = task
        task.add_done_callback(lambda done: self._over(held, done))

    def _cancel(self, held: Held) -> None:
        attempt = self._attempts.get(held)
        if attempt is not None:
            attempt.cancel()

    def _over(self, held: Held, task: "asyncio.Task[Failure | None]") -> None:
        attempt = self._attempts.pop(held)
        ended = Ended(
            attempt=held.assignment.attempt,
            at=clock.now_us(),
            started_at=held.started_at,
            failure=attempt.verdict(task),
        )
        self._tell(held, ended)
