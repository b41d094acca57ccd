"""Handing actions over: what is tried again, what is not, how many at once."""

import asyncio

import pytest
from flyteidl2.actions.actions_service_pb2 import EnqueueRequest

from flyte import errors
from flyte._kit.absence import Absence
from flyte._runtime.submitter import Submitter

pytestmark = pytest.mark.looptime

REQUEST = EnqueueRequest()


def refused(code: str) -> errors.UnionRpcError:
    return errors.UnionRpcError(code, "no")


class Answers:
    """Raises the given errors, one per call; then accepts."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self, request: EnqueueRequest) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)


async def test_an_action_that_is_there_already_is_accepted() -> None:
    answers = Answers(refused("already_exists"))
    await Submitter(answers).submit(REQUEST)
    assert answers.calls == 1


@pytest.mark.parametrize("code", ["aborted", "invalid_argument", "not_found", "unimplemented"])
async def test_a_refusal_for_good_comes_at_once(code: str) -> None:
    answers = Answers(refused(code))
    with pytest.raises(errors.UnionRpcError):
        await Submitter(answers).submit(REQUEST)
    assert answers.calls == 1


async def test_a_restart_of_the_control_plane_is_bridged() -> None:
    answers = Answers(*(refused("unavailable") for _ in range(50)))
    await Submitter(answers).submit(REQUEST)
    assert answers.calls == 51


@pytest.mark.parametrize("code", ["unavailable", "deadline_exceeded", "internal"])
async def test_a_control_plane_that_is_away_for_an_hour_is_waited_out(code: str) -> None:
    answers = Answers(*(refused(code) for _ in range(1_000)))
    await Submitter(answers).submit(REQUEST)
    assert answers.calls == 1_001
    assert asyncio.get_running_loop().time() > 3_000


async def test_a_control_plane_that_is_gone_for_too_long_is_given_up() -> None:
    answers = Answers(*(refused("unavailable") for _ in range(1_000)))
    away = Absence("the control plane", say=lambda sentence: None, limit_seconds=600)
    with pytest.raises(errors.UnionRpcError):
        await Submitter(answers, absence=away).submit(REQUEST)
    assert asyncio.get_running_loop().time() == pytest.approx(600, abs=10)


async def test_some_that_wait_together_say_it_once_a_minute() -> None:
    said: list[str] = []
    away = Absence("the control plane", say=said.append)

    async def enqueue(request: EnqueueRequest) -> None:
        if asyncio.get_running_loop().time() < 300:
            raise refused("unavailable")

    submitter = Submitter(enqueue, absence=away)
    await asyncio.gather(*(submitter.submit(REQUEST) for _ in range(20)))
    assert len([line for line in said if "away since" in line]) == 5
    assert said.count("the control plane is back") == 1


async def test_back_pressure_is_waited_out_however_long() -> None:
    answers = Answers(*(errors.ResourceExhaustedError("full") for _ in range(1_000)))
    await Submitter(answers).submit(REQUEST)
    assert answers.calls == 1_001


async def test_a_bounded_number_is_under_way_at_once() -> None:
    under_way = most = 0

    async def enqueue(request: EnqueueRequest) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(1)
        under_way -= 1

    submitter = Submitter(enqueue, concurrency=3)
    await asyncio.gather(*(submitter.submit(REQUEST) for _ in range(10)))
    assert most == 3


async def test_whoever_waits_keeps_nobody_from_trying() -> None:
    accepted: list[str] = []

    def request(name: str) -> EnqueueRequest:
        made = EnqueueRequest()
        made.action.action_id.name = name
        return made

    async def enqueue(asked: EnqueueRequest) -> None:
        name = asked.action.action_id.name
        if name == "a" and "b" not in accepted:
            raise errors.ResourceExhaustedError("full")
        accepted.append(name)

    submitter = Submitter(enqueue, concurrency=1)
    await asyncio.gather(submitter.submit(request("a")), submitter.submit(request("b")))
    assert accepted == ["b", "a"]
