"""Actions of one parent leave together: what is submitted while a request is under way goes into the next one.

A control plane that does not know the request for many (any but our own) is asked for one after the other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from flyteidl2.actions.actions_service_pb2 import EnqueueRequest

from flyte import errors
from flyte_protocol.actions.v1.batch_pb2 import EnqueueManyRequest, EnqueueManyResponse, Outcome

EnqueueOne = Callable[[EnqueueRequest], Awaitable[object]]
EnqueueMany = Callable[[EnqueueManyRequest], Awaitable[EnqueueManyResponse]]

_MOST = 64
_MOST_BYTES = 1024 * 1024
_NO_SUCH_METHOD = frozenset({"unimplemented", "not_found"})


@dataclass(frozen=True, slots=True)
class _Item:
    request: EnqueueRequest
    answer: "asyncio.Future[None]"


class Batching:
    """Enqueues actions, many with one request.  Lives on one event loop; needs no end.

    Args:
        one: the public request, for one action.
        many: our own one.
    """

    def __init__(self, one: EnqueueOne, many: EnqueueMany) -> None:
        self._one = one
        self._many = many
        self._waiting: list[_Item] = []
        self._sending: asyncio.Task[None] | None = None
        self._knows_many = True

    async def enqueue(self, request: EnqueueRequest) -> None:
        """Return once the control plane has the action.

        Raises:
            flyte.errors.BaseRuntimeError: it refuses this one, or cannot be asked.
        """
        if not self._knows_many:
            await self._one(request)
            return
        item = _Item(request, asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all())
        await item.answer

    async def _send_all(self) -> None:
        try:
            await asyncio.sleep(0)  # whoever is ready now comes along
            while self._waiting:
                items = self._next()
                try:
                    await self._send(items)
                except Exception as error:  # noqa: BLE001 - whatever it is, who asked is told
                    for item in items:
                        _answer(item, error)
        finally:
            self._sending = None

    def _next(self) -> list[_Item]:
        """As many as one request takes; those that nobody waits for any more are left out."""
        items: list[_Item] = []
        size = 0
        while self._waiting and len(items) < _MOST and size < _MOST_BYTES:
            item = self._waiting.pop(0)
            if not item.answer.done():
                items.append(item)
                size += item.request.ByteSize()
        return items

    async def _send(self, items: Sequence[_Item]) -> None:
        if len(items) == 1 or not self._knows_many:
            await asyncio.gather(*(self._send_one(item) for item in items))
            return
        request = EnqueueManyRequest(requests=[item.request.SerializeToString() for item in items])
        try:
            response = await self._many(request)
        except errors.UnionRpcError as error:
            if error.code not in _NO_SUCH_METHOD:
                raise
            self._knows_many = False
            await self._send(items)
            return
        for item, outcome in zip(items, response.outcomes, strict=True):
            _answer(item, _refusal(outcome) if outcome.code else None)

    async def _send_one(self, item: _Item) -> None:
        try:
            await self._one(item.request)
        except errors.BaseRuntimeError as error:
            _answer(item, error)
        else:
            _answer(item, None)


def _refusal(outcome: Outcome) -> errors.BaseRuntimeError:
    if outcome.code == "resource_exhausted":
        return errors.ResourceExhaustedError(outcome.message)
    return errors.UnionRpcError(outcome.code, outcome.message)


def _answer(item: _Item, error: Exception | None) -> None:
    if item.answer.done():
        return
    if error is None:
        item.answer.set_result(None)
    else:
        item.answer.set_exception(error)
