"""Virtual time, clocks that jump, and beings that can be stopped, go on, or die without any clean-up.

Every task belongs to the being in whose context it was made.  What belongs to a dead being never runs again, not even
its `finally`: so does a process that gets SIGKILL.  What belongs to a stopped one waits (SIGSTOP).
"""

import asyncio
import contextvars
import heapq
import random
from asyncio import events
from collections.abc import Callable, Coroutine
from typing import Any

from tests.fakes.clock import START_US

_BEING: contextvars.ContextVar["Being | None"] = contextvars.ContextVar("being", default=None)
_MOST_STEPS = 400_000


class Being:
    """A process of the simulated world: a control plane, a host, a task, a user.

    Example:
        being = Being(loop, "cp-1")
        being.do(serve())
        being.kill()
    """

    def __init__(self, loop: "VirtualLoop", name: str) -> None:
        self.name = name
        self.alive = True
        self.stopped = False
        self.bereaved: list[Callable[[], None]] = []
        """Called at its death, outside of it."""
        self._loop = loop
        self._waiting: list[asyncio.Handle] = []
        loop.beings.append(self)
        self.context = contextvars.copy_context()
        self.context.run(_BEING.set, self)

    def do(self, work: Coroutine[Any, Any, Any], name: str | None = None) -> "asyncio.Task[Any]":
        """Run a coroutine as a part of this being."""
        return self._loop.create_task(work, name=name, context=self.context.copy())

    def kill(self) -> None:
        """Nothing of it runs any more, from the next await on."""
        if self.alive:
            self.alive = False
            for tell in self.bereaved:
                self._loop.call_soon(tell, context=self._loop.outside)

    def stop(self) -> None:
        """Nothing of it runs until it may go on."""
        self.stopped = True

    def go_on(self) -> None:
        """Everything that was due meanwhile runs now."""
        self.stopped = False
        self._loop.take_back(self._waiting)
        self._waiting = []

    def keep(self, handle: asyncio.Handle) -> None:
        """What would run now, if it could; of a dead one for the memory only: nothing may be collected half-way."""
        self._waiting.append(handle)


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose time jumps to the next timer when nobody is ready; shuffles who is ready, if it gets dice."""

    def __init__(self, dice: random.Random | None = None) -> None:
        super().__init__()
        self.outside = contextvars.copy_context()
        """The context of what belongs to nobody: messages on their way, the world's plans."""
        self.steps = 0
        self._now = 0.0
        self._dice = dice
        self._made: list[asyncio.Task[Any]] = []
        self.beings: list[Being] = []
        self._is_over = False
        self.set_task_factory(self._make)

    def time(self) -> float:
        return self._now

    def later(self, seconds: float, work: Callable[..., object], *values: Any) -> None:
        """Call something that belongs to nobody."""
        self.call_later(seconds, work, *values, context=self.outside)

    def take_back(self, handles: list[asyncio.Handle]) -> None:
        """Run what was kept for a stopped being."""
        self._ready.extend(handles)

    def raise_the_dead(self) -> None:
        """Let everybody run again: at the end of the world, to be ended properly."""
        self._is_over = True
        for being in self.beings:
            being.go_on()

    def unfinished(self) -> list["asyncio.Task[Any]"]:
        """All tasks that have not ended, those of the dead too."""
        return [task for task in self._made if not task.done()]

    def _make(self, loop: Any, work: Any, **kwargs: Any) -> "asyncio.Task[Any]":
        task = asyncio.Task(work, loop=loop, **kwargs)
        self._made.append(task)
        return task

    def _run_once(self) -> None:
        """One turn, as the base class has it, without waiting."""
        if not self._ready:
            self._advance()
        batch = [self._ready.popleft() for _ in range(len(self._ready))]
        if self._dice is not None and len(batch) > 1:
            self._dice.shuffle(batch)
        for handle in batch:
            self.steps += 1
            if handle._cancelled:
                continue
            being = handle._context.get(_BEING)
            if being is None or self._is_over:
                handle._run()
            elif being.stopped or not being.alive:
                being.keep(handle)
            else:
                handle._run()
        if self.steps > _MOST_STEPS:
            raise AssertionError(f"the world does not come to rest: {self.steps} steps")

    def _advance(self) -> None:
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
            self._timer_cancelled_count -= 1
        if not timers:
            raise AssertionError("everybody waits and nothing will happen any more")
        self._now = max(self._now, timers[0]._when)
        while timers and timers[0]._when <= self._now:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            if timer._cancelled:
                self._timer_cancelled_count -= 1
            else:
                self._ready.append(timer)

    def _process_events(self, event_list: Any) -> None:
        raise NotImplementedError("there are no sockets in this world")

    def _write_to_self(self) -> None:
        """Nobody sleeps, so nobody has to be woken."""


def current() -> Being | None:
    """Whose code runs."""
    return _BEING.get()


def running() -> VirtualLoop:
    """The loop of this world."""
    loop = events.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


async def never() -> None:
    """What a dead being awaits."""
    await running().create_future()


class WallClock:
    """The clock on the wall of one machine; somebody sets it ahead or back."""

    def __init__(self) -> None:
        self.offset_us = 0

    def now_us(self) -> int:
        return START_US + self.offset_us + round(running().time() * 1_000_000)

    def jump(self, seconds: float) -> None:
        """Set it ahead (or back)."""
        self.offset_us += round(seconds * 1_000_000)


class SteadyClock:
    """What `flyte_server.clock.RealClock` makes of the wall clock: it follows a jump ahead, and goes on where it was
    when the wall clock is set back."""

    def __init__(self, wall: WallClock) -> None:
        self._wall = wall
        self._last_us = 0
        self._last_monotonic = self.monotonic()

    def now_us(self) -> int:
        monotonic = self.monotonic()
        steady = self._last_us + round((monotonic - self._last_monotonic) * 1_000_000)
        self._last_us, self._last_monotonic = max(self._wall.now_us(), steady), monotonic
        return self._last_us

    def monotonic(self) -> float:
        return running().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
