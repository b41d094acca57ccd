"""What the kernel counts of its own killing."""

from pathlib import Path

_COUNTERS = Path("/proc/vmstat")
_PREFIX = "oom_kill "


class OutOfMemoryKills:
    """How many processes of this machine the kernel has ended for want of memory since it was asked last.

    Args:
        counters: where it says so; elsewhere than on Linux there is no such file.
    """

    def __init__(self, counters: Path = _COUNTERS) -> None:
        self._counters = counters
        self._seen = self._count()

    def since_last(self) -> int:
        """How many more there are; 0 where the system does not tell."""
        before, self._seen = self._seen, self._count()
        return max(0, self._seen - before)

    def _count(self) -> int:
        try:
            lines = self._counters.read_text().splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith(_PREFIX)), 0)
