"""Conditions whose parked parent cannot be read or moved when they end: that stays, and the parent goes on later."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.fakes.clock import LoopClock
from tests.fakes.control_plane import ControlPlane
from tests.unit.flyte_server.engine.test_poison import (
    NO_PHASE,
    UNMOVABLE,
    UNREADABLE,
    set_aside,
    spoil,
)

from flyte_server.domain import errors
from flyte_server.domain.commands import NewCondition
from flyte_server.domain.events import Parked
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import ActionKey, Answer

pytestmark = pytest.mark.looptime

RUN = 1
YES = Answer(value=True, by="user:ada", by_name="ada", channel="cli", at=7)
LONG = 700.0
"""Until what was set aside is looked at again, with a margin."""


@pytest.fixture
async def plane() -> AsyncIterator[ControlPlane]:
    made = ControlPlane(LoopClock())
    async with made.running():
        yield made


async def park(plane: ControlPlane, *, timeout_seconds: float = 0.0) -> None:
    """A root that has asked `c` and `other`, and is parked."""
    await plane.start_root()
    for name, timeout in (("c", timeout_seconds), ("other", 0.0)):
        asked = NewCondition(name, "a0", name, b"", "bool", timeout_seconds=timeout)
        assert await plane.engine.ask(RUN, asked)
    attempt = plane.executor.attempt("a0")
    plane.executor.held.pop(attempt)
    await plane.engine.apply(Parked(attempt, plane.clock.now_us(), ("c", "other")))
    assert (await plane.action("a0")).phase is Phase.PAUSED


async def answered(plane: ControlPlane) -> Phase:
    await plane.engine.answer(ActionKey(RUN, "c"), YES)
    with pytest.raises(errors.Conflict, match="the first answer counts"):
        await plane.engine.answer(ActionKey(RUN, "c"), YES)
    return Phase.SUCCEEDED


async def aborted(plane: ControlPlane) -> Phase:
    await plane.engine.abort_action(ActionKey(RUN, "c"), "not needed")
    return Phase.ABORTED


async def timed_out(plane: ControlPlane) -> Phase:
    await plane.clock.sleep(60)
    return Phase.TIMED_OUT


@pytest.mark.parametrize("end", [answered, aborted, timed_out])
@pytest.mark.parametrize("damage", [UNREADABLE, UNMOVABLE, NO_PHASE])
async def test_a_parked_action_whose_row_is_damaged_goes_on_when_it_is_repaired(
    plane: ControlPlane,
    damage: tuple[str, str],
    end: Callable[[ControlPlane], Awaitable[Phase]],
) -> None:
    await park(plane, timeout_seconds=30 if end is timed_out else 0)
    old = await spoil(plane, "a0", damage)
    phase = await end(plane)
    assert (await plane.action("c")).phase is phase
    assert "a0" in {entry.action for entry in await set_aside(plane)}
    await plane.clock.sleep(LONG)
    await spoil(plane, "a0", (damage[0], old))
    await plane.clock.sleep(2 * LONG)
    root = await plane.action("a0")
    assert (root.phase, root.attempt, root.system_failures) == (Phase.RUNNING, 2, 0)
    assert (await plane.action("other")).phase is Phase.PAUSED
    assert await set_aside(plane) == []


async def test_a_parked_action_that_is_healed_waits_on_while_nothing_has_ended(
    plane: ControlPlane,
) -> None:
    await park(plane)
    await plane.engine.set_aside("read 1/a0", ActionKey(RUN, "a0"), "no reason")
    await plane.clock.sleep(LONG)
    assert await set_aside(plane) == []
    assert (await plane.action("a0")).phase is Phase.PAUSED
