"""How much an attempt has written into its working directory, found without hurry."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

_BLOCK = 512
_SHARE = 50
"""A look that took a millisecond is followed by a pause of fifty: large trees cost no more than small ones."""


@dataclass(slots=True)
class Scratch:
    """One working directory."""

    directory: str
    _due: float = 0.0

    def occupied(self, now: float) -> int | None:
        """Bytes on the disk; None while a look would cost too much.

        Args:
            now: on the monotonic clock.
        """
        if now < self._due:
            return None
        began = time.perf_counter()
        total = sum(_files(self.directory))
        self._due = now + _SHARE * (time.perf_counter() - began)
        return total


def _files(top: str) -> Iterator[int]:
    """Bytes of each file and directory; what is linked to counts where it lies."""
    waiting = [top]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    yield _occupied(entry)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue  # removed meanwhile, or closed to us


def _occupied(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * _BLOCK
    except OSError:
        return 0
