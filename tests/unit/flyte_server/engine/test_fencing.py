"""Requests of old and new attempts of one parent, in every order and in common transactions."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.clock import ManualClock
from tests.fakes.control_plane import ControlPlane, new_action, new_run

from flyte_server.domain import errors
from flyte_server.domain.capacity import Capacity
from flyte_server.domain.commands import NewTrace
from flyte_server.domain.events import Failed, Lost, Succeeded
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import ActionKey, AttemptKey, Failure
from flyte_server.store import actions

ROOT = ActionKey(1, "a0")


async def claimed(plane: ControlPlane) -> AttemptKey | None:
    """A new attempt of the root, if it is time for one."""
    for action in (await plane.engine.claim(Capacity(1000))).actions:
        if action.key == ROOT:
            return AttemptKey(1, "a0", action.attempt, action.token)
    return None


def step(word: str, plane: ControlPlane, number: int, caller: AttemptKey) -> object:
    """One request of an attempt, to be awaited."""
    name = f"{word}{number}"
    if word == "enqueue":
        return plane.engine.enqueue(1, new_action(name), caller=caller)
    if word == "trace":
        made = NewTrace(name, "a0", "f", b"spec", Phase.SUCCEEDED, 1, 2, output_uri=f"/d/{name}")
        return plane.engine.record_trace(1, made, caller=caller)
    if word == "abort":
        return plane.engine.abort_action(ActionKey(1, "spare"), "no more", caller=caller)
    if word == "succeed":
        return plane.engine.apply(Succeeded(caller, 5))
    if word == "fail":
        return plane.engine.apply(Failed(caller, Failure("E", "late"), 5))
    return plane.engine.apply(Lost(caller, "silent", 5))


WORDS = st.sampled_from(["enqueue", "trace", "abort", "succeed", "fail"])
BATCH = st.lists(WORDS, max_size=6)


@given(before=BATCH, after=BATCH, late=BATCH)
async def test_an_attempt_is_heard_until_it_is_lost_and_never_after(
    before: list[str], after: list[str], late: list[str]
) -> None:
    """`before` and `after` reach the engine together with the loss, around it; `late` when the next attempt runs."""
    plane = ControlPlane(ManualClock())
    try:
        await plane.engine.create_run(new_run())
        old = await claimed(plane)
        assert old is not None
        await plane.engine.enqueue(1, new_action("spare"), caller=old)
        asked = [word for word in before if word not in {"succeed", "fail"}]
        words = [*asked, "lose", *after]
        answers = await asyncio.gather(
            *(step(word, plane, number, old) for number, word in enumerate(words)),  # pyright: ignore
            return_exceptions=True,
        )
        assert not any(isinstance(one, Exception) for one in answers[: len(asked) + 1])
        requests = {"enqueue", "trace", "abort"}
        for word, answer in zip(words[len(asked) + 1 :], answers[len(asked) + 1 :], strict=True):
            assert isinstance(answer, errors.AttemptOver) == (word in requests)
        plane.clock.advance(3600)
        new = await claimed(plane)
        assert new is not None
        root = await plane.action("a0")
        for number, word in enumerate(late):
            if word in requests:
                with pytest.raises(errors.AttemptOver, match="attempt 2 has taken its place"):
                    await step(word, plane, 100 + number, old)  # pyright: ignore
            else:
                await step(word, plane, 100 + number, old)  # pyright: ignore
        assert await plane.action("a0") == root
        assert await plane.engine.enqueue(1, new_action("fresh"), caller=new)
        counted = await plane.database.read(actions.phase_counts, 1, "a0")
        assert sum(counted.values()) == 2 + len([w for w in asked if w != "abort"])
    finally:
        await plane.engine.close()
        plane.database.close()


async def test_between_two_attempts_nobody_has_a_say() -> None:
    plane = ControlPlane(ManualClock())
    await plane.engine.create_run(new_run())
    old = await claimed(plane)
    assert old is not None
    await plane.engine.apply(Lost(old, "silent", 5))
    with pytest.raises(errors.AttemptOver, match="attempt 1 of a0 is over: a0 is queued"):
        await plane.engine.enqueue(1, new_action("c"), caller=old)
    with pytest.raises(errors.AttemptOver, match="there is no action nobody"):
        await plane.engine.enqueue(1, new_action("c"), caller=AttemptKey(1, "nobody", 1, "t"))
    await plane.engine.close()
    plane.database.close()
