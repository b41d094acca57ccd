"""What has become of the children of one action, kept up to date by one stream."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from flyteidl2.actions.actions_service_pb2 import WatchForUpdatesResponse
from flyteidl2.workflow.state_service_pb2 import ActionUpdate

from flyte import errors
from flyte._kit.absence import Absence
from flyte._kit.backoff import Backoff
from flyte._wire import statuses

logger = logging.getLogger(__name__)

Watch = Callable[[], AsyncIterator[WatchForUpdatesResponse]]
"""Opens the stream: a full snapshot, a sentinel, then every change."""

_SLOW_SNAPSHOT_SECONDS = 5.0
_QUIET_SECONDS = 20.0
"""Backends send a sentinel every few seconds; a stream that is silent for longer is dead."""
_PAUSES = Backoff(base=0.1, factor=2, cap=5, jitter=0.3)


class Informer:
    """Follows the children of one action.  Lives on one event loop.

    There is no cursor: every stream begins with a full snapshot, so after a lost connection nothing
    has to be asked for.  Terminal phases are never left, whatever arrives late.

    Args:
        watch: opens the stream.
        absence: how long a control plane that is away is waited for.
    """

    def __init__(self, watch: Watch, absence: Absence | None = None) -> None:
        self._watch = watch
        self._absence = absence or Absence("the control plane", say=logger.warning)
        self._updates: dict[str, ActionUpdate] = {}
        self._waiting: dict[str, asyncio.Future[ActionUpdate]] = {}
        self._snapshot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._snapshot.add_done_callback(_retrieved)
        self._is_ready = False
        self._broken: errors.BaseRuntimeError | None = None
        self._task = asyncio.create_task(self._follow())
        self._task.add_done_callback(self._ended)

    async def ready(self) -> None:
        """Wait for the first complete snapshot.

        To go on without it would run finished children and traces again, so there is no time limit,
        only a warning.

        Raises:
            flyte.errors.BaseRuntimeError: when the stream cannot be opened.
        """
        if self._snapshot.done():
            return self._snapshot.result()
        done, _ = await asyncio.wait([self._snapshot], timeout=_SLOW_SNAPSHOT_SECONDS)
        if not done:
            logger.warning(
                "still waiting for the control plane to say which children of this action have "
                "finished; "
                "nothing is run before it does"
            )
        return await asyncio.shield(self._snapshot)

    @property
    def is_ready(self) -> bool:
        """Whether a complete snapshot has arrived; may be asked in any thread, like `known`."""
        return self._is_ready

    def known(self, name: str) -> ActionUpdate | None:
        """The last that was heard of a child; None when it is unknown (complete once `ready`)."""
        return self._updates.get(name)

    async def terminal(self, name: str) -> ActionUpdate:
        """Wait until a child has ended.

        Raises:
            flyte.errors.BaseRuntimeError: when nothing will be heard any more.
        """
        update = self._updates.get(name)
        if update is not None and statuses.is_terminal(update.phase):
            return update
        if self._broken is not None:
            raise self._broken
        if name not in self._waiting:
            self._waiting[name] = asyncio.get_running_loop().create_future()
            self._waiting[name].add_done_callback(_retrieved)
        return await asyncio.shield(self._waiting[name])

    async def aclose(self) -> None:
        """Close the stream."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _follow(self) -> None:
        failures = 0
        while True:
            heard, error = await self._read_stream()
            failures = 0 if heard else failures + 1
            self._absence.missed(error)
            logger.debug("the stream of updates is opened again: %s", error)
            await asyncio.sleep(_PAUSES.delay(failures))

    async def _read_stream(self) -> tuple[bool, errors.BaseRuntimeError]:
        """Read one stream to its end: whether it said anything, and why it ended."""
        heard = False
        try:
            async for response in _never_quiet(self._watch()):
                heard = True
                self._absence.answered()
                self._receive(response)
        except errors.UnionRpcError as error:
            if error.is_final:
                raise
            return heard, error
        except errors.ResourceExhaustedError as error:
            return heard, error
        return heard, errors.UnionRpcError("unavailable", "the control plane ended the stream")

    def _receive(self, response: WatchForUpdatesResponse) -> None:
        match response.WhichOneof("message"):
            case "action_update":
                self._apply(response.action_update)
            case "control_message" if response.control_message.sentinel:
                self._is_ready = True
                if not self._snapshot.done():
                    self._snapshot.set_result(None)
            case _:
                pass  # a message of a newer protocol

    def _apply(self, update: ActionUpdate) -> None:
        name = update.action_id.name
        before = self._updates.get(name)
        if before is not None and statuses.is_terminal(before.phase):
            return
        self._updates[name] = update
        if statuses.is_terminal(update.phase) and (waiting := self._waiting.pop(name, None)):
            waiting.set_result(update)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """End the waiting too: a parent must never hang on a stream that is gone."""
        failure = None if task.cancelled() else task.exception()
        if isinstance(failure, errors.BaseRuntimeError):
            self._broken = failure
        else:
            reason = f"{type(failure).__name__}: {failure}" if failure else "it was closed"
            self._broken = errors.RuntimeSystemError(
                "UpdatesLost", f"the stream of updates from the control plane ended: {reason}"
            )
        for waiting in (self._snapshot, *self._waiting.values()):
            if not waiting.done():
                waiting.set_exception(self._broken)
        self._waiting.clear()


async def _never_quiet(
    messages: AsyncIterator[WatchForUpdatesResponse],
) -> AsyncIterator[WatchForUpdatesResponse]:
    """The messages of a stream until it ends, or says nothing for so long that it must be dead."""
    while True:
        try:
            async with asyncio.timeout(_QUIET_SECONDS):
                message = await anext(messages, None)
        except TimeoutError:
            logger.info(
                "the stream of updates was silent for %d s and is opened again", _QUIET_SECONDS
            )
            return
        if message is None:
            return
        yield message


def _retrieved(future: asyncio.Future[None] | asyncio.Future[ActionUpdate]) -> None:
    """Mark the outcome as seen: it is seen through `shield`, if anybody is left to see it."""
    if not future.cancelled():
        future.exception()
