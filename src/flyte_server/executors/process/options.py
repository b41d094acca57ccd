"""What can be chosen about the process executor."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from flyte_server.executors.common import interpreter
from flyte_server.executors.common.limits.watch import WatchOptions

SPAWN_HOST_WORDS = ("-P", "-m", "flyte._entrypoints.spawn_host")


@dataclass(frozen=True, slots=True)
class Options:
    """Numbers and programs; the defaults are for a person's own machine."""

    prefix: Path = field(default_factory=lambda: Path(sys.prefix))
    """Python environment of attempts that name none by VIRTUAL_ENV."""
    host_words: tuple[str, ...] = ("-P", "-m", interpreter.HOST_MODULE)
    """What an interpreter is given to be a host that forks; -P keeps the current directory off
    its path."""
    watch: WatchOptions = field(default_factory=WatchOptions)
    """How bounds are enforced and what attempts use is measured."""
    log_bytes: int = 1024**3
    """Of an attempt's log that is larger, the middle is left out."""
    keep_warm: bool = True
    """Have a host ready that has imported the SDK, so that the first attempt of a new bundle
    starts at once."""
    idle_hosts: int = 4
    """Hosts without an attempt that are kept; the one that was needed last comes first."""
    idle_seconds: float = 900.0
    """How long one of them is kept."""
    linger_seconds: float = 300.0
    """How long a host waits for a new control plane when it has nothing to do."""
    lease_seconds: float = 10.0
    """A host that gives no sign of life for longer, without an excuse, is ended."""
    answer_seconds: float = 10.0
    """How long a host may think about a kill, beyond the grace, before it is ended."""
    adopt_seconds: float = 3.0
    """How long the start waits until the hosts of an earlier control plane have said what they hold; who is later is
    heard later."""
