"""The bus says "look now" and nothing else: whoever is woken reads rows.

A wake that nobody waits for is not lost for its subscribers: the next `wait` returns at once.
"""

import asyncio
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager

Topic = tuple[str] | tuple[str, int]
"""`("run", run_id)`, `("ends", run_id)`, or one of the constants below."""

RUNS: Topic = ("runs",)
"""A run came or its root changed."""
QUEUE: Topic = ("queue",)
"""An action became claimable, or a slot free."""
ABORTS: Topic = ("aborts",)
"""A living process is to be ended, or children lost their parent."""
LIMITS: Topic = ("limits",)
"""An action got a time limit that it did not have."""
HOOKS: Topic = ("hooks",)
"""Somebody is to be told that a condition waits."""


TRIGGERS: Topic = ("triggers",)
"""A trigger came, or its next tick changed."""


def run_topic(run_id: int) -> Topic:
    """Topic of all changes in one run."""
    return ("run", run_id)


def ends_topic(run_id: int) -> Topic:
    """Topic of what ends in one run: actions, and attempts of actions that go on."""
    return ("ends", run_id)


class Subscription:
    """One listener; made by `Bus.subscribe`."""

    wakes: int
    """How often it was woken: whoever compares two looks at it knows without waiting whether there
    was a wake."""

    def __init__(self) -> None:
        self.wakes = 0
        self._woken = False
        self._waiter: asyncio.Future[None] | None = None

    def notify(self) -> None:
        """Remember the wake, and end a `wait` that is going on."""
        self.wakes += 1
        self._woken = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait for a wake since the last `wait`, at most that long.

        Returns:
            Whether there was one; False after the timeout.
        """
        if not self._woken:
            loop = asyncio.get_running_loop()
            self._waiter = waiter = loop.create_future()
            timer = loop.call_later(max(timeout_seconds, 0.0), _release, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiter = None
        woken, self._woken = self._woken, False
        return woken


class Bus:
    """Wakes subscribers by topic, within one process and one event loop."""

    def __init__(self) -> None:
        self._subscribers: defaultdict[Topic, dict[Subscription, None]] = defaultdict(dict)
        """In the order of their coming: the same events wake in the same order, always."""

    def wake(self, *topics: Topic) -> None:
        """Tell the subscribers of these topics to look at the rows now."""
        for topic in sorted(topics):  # the same order always: a simulation can be replayed
            for subscription in self._subscribers.get(topic, ()):
                subscription.notify()

    @contextmanager
    def subscribe(self, *topics: Topic) -> Generator[Subscription]:
        """Listen to these topics.  Subscribe first and read rows then: nothing falls between.

        Example:
            with bus.subscribe(run_topic(7)) as changes:
                while not done(await read()):
                    await changes.wait(5.0)
        """
        subscription = Subscription()
        for topic in topics:
            self._subscribers[topic][subscription] = None
        try:
            yield subscription
        finally:
            for topic in topics:
                self._subscribers[topic].pop(subscription, None)
                if not self._subscribers[topic]:
                    del self._subscribers[topic]


def _release(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
