"""Files that codecs read: local paths, or objects of a store that are read in ranges."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a table.

    Args:
        name: its address, for messages.
        path: where it is, if it is on this machine.
        open_ranges: opens it for blocking reads of ranges, if it is not.
        download: copies it to a path that stays as long as the process may need it.
    """

    name: str
    path: Path | None
    open_ranges: Callable[[], Any]
    download: Callable[[], Path]

    @contextlib.contextmanager
    def opened(self) -> Generator[Any]:
        """The path, or an open binary file."""
        if self.path is not None:
            yield self.path
            return
        with self.open_ranges() as file:
            yield file

    def local(self) -> Path:
        """A path; what is not on this machine is copied first."""
        return self.path or self.download()
