"""What can be chosen about replicas."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flyte_server.executors.common.limits.watch import WatchOptions

MODULE = "flyte._entrypoints.replica"
TOKEN = "_U_WORKER_TOKEN"
"""Variable of a replica with what it shows us."""
PROTOCOL = 1
"""The version of the worker protocol that this control plane speaks."""


def unmasked(devices: Sequence[str]) -> Mapping[str, str]:
    """Of a machine without accelerators."""
    return {}


@dataclass(frozen=True, slots=True)
class Options:
    """Numbers and programs; the defaults are for a person's own machine."""

    endpoint: str
    """Where replicas reach this control plane, as a URL."""
    prefix: Path = field(default_factory=lambda: Path(sys.prefix))
    """Python environment of attempts that name none by VIRTUAL_ENV."""
    words: tuple[str, ...] = ("-P", "-m", MODULE)
    """What an interpreter is given to be a replica; -P keeps the current directory off its path."""
    lease_seconds: float = 10.0
    """A replica that gives no sign of life for longer is ended."""
    start_seconds: float = 60.0
    """One that has not registered so long after its start is ended."""
    answer_seconds: float = 2.0
    """How long a replica may take beyond the grace to end an attempt, before it is ended itself."""
    drain_seconds: float = 10.0
    """How long one that holds nothing may take to end itself."""
    failed_starts: int = 3
    """After so many starts in succession that came to nothing, waiting attempts fail."""
    watch: WatchOptions = field(default_factory=WatchOptions)
    """How replicas are held to their bounds."""
    accelerators: Callable[[Sequence[str]], Mapping[str, str]] = unmasked
    """Variables by which a process sees its own accelerators only."""
    token: Callable[[str], str] | None = None
    """What a replica shows us to lease attempts under its name; None: nobody asks."""
    watch_seconds: float = 0.1
    """How often is looked whether the processes are still there."""
