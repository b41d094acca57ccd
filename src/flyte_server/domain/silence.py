"""How long somebody has been silent, measured in the time that the listener itself was awake."""

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

_LARGEST_SHARE = 2.0
"""A tick counts for at most so many of its nominal lengths."""

Name = TypeVar("Name", bound=Hashable)


class Silence(Generic[Name]):
    """Counts, for each name, the waking seconds since it was heard.

    A listener that slept (a suspended laptop, SIGSTOP, a blocked loop) has heard nobody meanwhile, and that is nobody's
    fault: however long its sleep was, the tick after it counts for two ticks.  So a silence of n ticks means that at
    least n/2 times the listener was awake and heard nothing.  Wall clocks are not asked.

    Example:
        silence = Silence[str](tick_seconds=2.0)
        silence.heard("h-1")
        silence.tick(clock.monotonic())  # every two seconds
        silence.of("h-1")
    """

    def __init__(self, tick_seconds: float) -> None:
        self._most = _LARGEST_SHARE * tick_seconds
        self._last: float | None = None
        self._awake = 0.0
        self._heard_at: dict[Name, float] = {}

    def tick(self, now: float) -> None:
        """Let time pass until `now`, in seconds of a monotonic clock."""
        if self._last is not None:
            self._awake += min(max(now - self._last, 0.0), self._most)
        self._last = now

    def heard(self, name: Name) -> None:
        """A sign of life: the count begins anew."""
        self._heard_at[name] = self._awake

    def watch(self, name: Name) -> None:
        """Begin to count for a name; one that is watched already goes on."""
        self._heard_at.setdefault(name, self._awake)

    def of(self, name: Name) -> float:
        """Waking seconds since a name was heard; 0.0 for one that is not watched."""
        return self._awake - self._heard_at.get(name, self._awake)

    def keep(self, names: Collection[Name]) -> None:
        """Forget all but these."""
        self._heard_at = {name: at for name, at in self._heard_at.items() if name in names}
