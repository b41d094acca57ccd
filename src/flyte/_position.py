"""Where a process stands among those that work on one task together, as torchrun and its like tell it.

They say so in variables of the environment.  A process that stands alone has none of them, and each answer is None.
"""

import os
from collections.abc import Mapping

CLUSTERED_WORKER_ENV = "FLYTE_CLUSTERED_WORKER"
"""Variable that marks a process of a clustered task."""


def is_clustered_worker_env(env: Mapping[str, str]) -> bool:
    """Whether variables are those of a process of a clustered task."""
    return env.get(CLUSTERED_WORKER_ENV, "").lower() in ("1", "true")


class Position:
    """The place of this process among others; a part of `TaskContext`."""

    __slots__ = ()

    @property
    def rank(self) -> int | None:
        """Number of the process among all, from 0."""
        return _number("RANK")

    @property
    def world_size(self) -> int | None:
        """How many processes there are."""
        return _number("WORLD_SIZE")

    @property
    def local_rank(self) -> int | None:
        """Number of the process on its machine, from 0."""
        return _number("LOCAL_RANK")

    @property
    def local_world_size(self) -> int | None:
        """How many processes there are on its machine."""
        return _number("LOCAL_WORLD_SIZE")

    @property
    def node_rank(self) -> int | None:
        """Number of its machine, from 0."""
        return _number("GROUP_RANK", "NODE_RANK")

    @property
    def nnodes(self) -> int | None:
        """How many machines there are."""
        return _number("GROUP_WORLD_SIZE", "NNODES")

    @property
    def master_addr(self) -> str | None:
        """Where the process of rank 0 listens: its host."""
        return _told("MASTER_ADDR") or None

    @property
    def master_port(self) -> int | None:
        """Where the process of rank 0 listens: its port."""
        return _number("MASTER_PORT")

    @property
    def restart_attempt(self) -> int | None:
        """How often the processes were started again together."""
        return _number("TORCHELASTIC_RESTART_COUNT")


def _number(*names: str) -> int | None:
    """The first of some variables that has a number."""
    found = (_told(name) for name in names)
    return next((int(text) for text in found if text.isdecimal()), None)


def _told(name: str) -> str:
    return os.environ.get(name, "")  # noqa: TID251 - no setting: what a launcher tells each process of its own
