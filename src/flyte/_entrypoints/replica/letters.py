"""Things for another thread, many with one call: to wake a thread costs more than most of what is then done there."""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Letters(Generic[T]):
    """Put in any thread, taken in the order in which they were put, in one thread.

    Args:
        call: has a function called in the thread that takes.
        take: gets each letter.
    """

    def __init__(
        self, call: Callable[[Callable[[], None]], object], take: Callable[[T], object]
    ) -> None:
        self._call = call
        self._take = take
        self._waiting: deque[T] = deque()
        self._announced = False

    def put(self, letter: T) -> None:
        """Send it."""
        self._waiting.append(letter)
        if not self._announced:
            self._announced = True
            self._call(self._deliver)

    def _deliver(self) -> None:
        self._announced = False  # first: what is put from here on may come too late for the loop
        while self._waiting:
            self._take(self._waiting.popleft())
