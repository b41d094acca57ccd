"""Many actions leave with one request; each hears for itself; a backend without the request is asked one by one."""

import asyncio

import pytest
from flyteidl2.actions.actions_service_pb2 import Action, EnqueueRequest
from flyteidl2.common.identifier_pb2 import ActionIdentifier
from tests.support import eventually

from flyte import errors
from flyte._runtime.batching import Batching
from flyte_protocol.actions.v1.batch_pb2 import EnqueueManyRequest, EnqueueManyResponse, Outcome


def request(name: str) -> EnqueueRequest:
    return EnqueueRequest(action=Action(action_id=ActionIdentifier(name=name)))


def names(asked: EnqueueManyRequest) -> list[str]:
    return [EnqueueRequest.FromString(body).action.action_id.name for body in asked.requests]


class Backend:
    """Answers both requests; `gate` holds answers back."""

    def __init__(self, *, knows_many: bool = True) -> None:
        self.knows_many = knows_many
        self.ones: list[str] = []
        self.manies: list[list[str]] = []
        self.refused: dict[str, str] = {}
        self.gate = asyncio.Event()
        self.gate.set()

    async def one(self, asked: EnqueueRequest) -> None:
        self.ones.append(asked.action.action_id.name)
        await self.gate.wait()
        code = self.refused.get(self.ones[-1])
        if code:
            raise errors.UnionRpcError(code, "no")

    async def many(self, asked: EnqueueManyRequest) -> EnqueueManyResponse:
        if not self.knows_many:
            raise errors.UnionRpcError("unimplemented", "what?")
        self.manies.append(names(asked))
        await self.gate.wait()
        return EnqueueManyResponse(
            outcomes=[
                Outcome(code=self.refused.get(name, ""), message="no") for name in names(asked)
            ]
        )


async def test_one_alone_takes_the_public_request() -> None:
    backend = Backend()
    await Batching(backend.one, backend.many).enqueue(request("a"))
    assert backend.ones == ["a"]
    assert backend.manies == []


async def test_what_is_ready_at_once_leaves_together_in_its_order() -> None:
    backend = Backend()
    batching = Batching(backend.one, backend.many)
    await asyncio.gather(*(batching.enqueue(request(str(n))) for n in range(150)))
    assert [len(batch) for batch in backend.manies] == [64, 64, 22]
    assert [name for batch in backend.manies for name in batch] == [str(n) for n in range(150)]


async def test_each_hears_of_its_own_refusal() -> None:
    backend = Backend()
    backend.refused = {"1": "already_exists", "2": "resource_exhausted"}
    batching = Batching(backend.one, backend.many)
    heard = await asyncio.gather(
        *(batching.enqueue(request(str(n))) for n in range(4)), return_exceptions=True
    )
    assert heard[0] is None
    assert isinstance(heard[1], errors.UnionRpcError)
    assert heard[1].code == "already_exists"
    assert isinstance(heard[2], errors.ResourceExhaustedError)
    assert heard[3] is None


async def test_a_backend_that_knows_no_batches_is_asked_one_by_one_from_then_on() -> None:
    backend = Backend(knows_many=False)
    backend.refused = {"1": "aborted"}
    batching = Batching(backend.one, backend.many)
    heard = await asyncio.gather(
        *(batching.enqueue(request(str(n))) for n in range(3)), return_exceptions=True
    )
    assert sorted(backend.ones) == ["0", "1", "2"]
    assert isinstance(heard[1], errors.UnionRpcError)
    await asyncio.gather(*(batching.enqueue(request(str(n))) for n in range(3, 6)))
    assert len(backend.ones) == 6


async def test_who_does_not_wait_any_more_is_left_out() -> None:
    backend = Backend()
    backend.gate.clear()
    batching = Batching(backend.one, backend.many)
    first = asyncio.create_task(batching.enqueue(request("first")))
    await eventually(lambda: backend.ones)
    gone = asyncio.create_task(batching.enqueue(request("gone")))
    others = [asyncio.create_task(batching.enqueue(request(name))) for name in "xy"]
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    backend.gate.set()
    await asyncio.gather(first, *others)
    assert backend.manies == [["x", "y"]]


async def test_a_request_that_fails_fails_for_all_that_were_in_it() -> None:
    async def broken(_: EnqueueManyRequest) -> EnqueueManyResponse:
        raise errors.UnionRpcError("unavailable", "away")

    batching = Batching(Backend().one, broken)
    heard = await asyncio.gather(
        *(batching.enqueue(request(str(n))) for n in range(3)), return_exceptions=True
    )
    assert [type(each) for each in heard] == [errors.UnionRpcError] * 3
