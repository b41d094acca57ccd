"""Growing pauses between tries, and the one place of the SDK that blocks on purpose."""

import random
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that grow from try to try up to a limit.

    Args:
        base: the first pause, in seconds.
        factor: by how much each pause is longer than the one before.
        cap: the longest pause, in seconds.
        jitter: the share of a pause that is random (0 to 1), so that many clients do not come back
            together.

    Example:
        >>> [Backoff(0.5, 2, 3).delay(n) for n in range(4)]
        [0.5, 1.0, 2.0, 3.0]
    """

    base: float
    factor: float = 2.0
    cap: float = 30.0
    jitter: float = 0.0

    def delay(self, n: int) -> float:
        """Seconds to wait after `n` pauses have passed already (0: the first one)."""
        try:
            pause = min(self.cap, self.base * self.factor**n)
        except OverflowError:
            pause = self.cap
        return pause * (1 - self.jitter * random.random())


def sleep_blocking(seconds: float) -> None:
    """Block the calling thread; negative and zero pauses return at once."""
    if seconds > 0:
        time.sleep(seconds)  # noqa: TID251 - this is the one home of blocking pauses
