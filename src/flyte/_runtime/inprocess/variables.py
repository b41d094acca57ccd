"""Environment variables for tasks that run in the caller's process."""

import logging
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager

logger = logging.getLogger(__name__)


class Variables:
    """Sets the variables that tasks ask for, for as long as a local run lasts.

    A process has one environment, so the variables of a task stay visible to the tasks that run
    after it; when two tasks want different values for one name the first keeps it, and a warning
    says so.
    """

    def __init__(self) -> None:
        self._set: dict[str, str] = {}
        self._before: dict[str, str | None] = {}

    @contextmanager
    def restored(self) -> Generator[None]:
        """Give the caller's environment back at the end of the block."""
        try:
            yield
        finally:
            for name, value in self._before.items():
                if value is None:
                    os.environ.pop(name, None)  # noqa: TID251 - a local task reads this process's environment
                else:
                    os.environ[name] = value  # noqa: TID251 - as above

    def want(self, variables: Mapping[str, str], *, secret: bool = False) -> None:
        """Set variables that no earlier task of the run has set; a secret value is told nobody."""
        for name, value in variables.items():
            kept = self._set.setdefault(name, value)
            if kept != value:
                logger.warning(
                    "local run: %s stays %r; a task that wants %r sees the first value, "
                    "because all tasks share this process's environment",
                    name,
                    "***" if secret else kept,
                    "***" if secret else value,
                )
            elif name not in self._before:
                self._before[name] = os.environ.get(name)  # noqa: TID251 - as above
                os.environ[name] = value  # noqa: TID251 - as above
