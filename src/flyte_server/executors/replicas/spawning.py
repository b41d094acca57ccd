"""Starting the process of a replica."""

import os
import secrets
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flyte_server.domain.needs import Bounds, Needs
from flyte_server.executors.common.kin import TOKEN_VARIABLE
from flyte_server.executors.replicas import records


@dataclass(frozen=True, slots=True)
class Program:
    """How the replicas of a pool are started."""

    python: Path
    words: tuple[str, ...]
    """What comes before the options."""
    endpoint: str
    env: Mapping[str, str]
    """Variables that all attempts of the pool have in common."""
    needs: Needs = field(default_factory=Needs)
    """What each of them reserves of the machine."""
    bounds: Bounds = field(default_factory=Bounds)
    """What each of them may use."""


def new_replica_id() -> str:
    """A name that no other replica of this home has had."""
    return f"w-{secrets.token_hex(6)}"


def spawn(
    home: Path,
    replica_id: str,
    program: Program,
    *,
    pool: str,
    concurrency: int,
    more_env: Mapping[str, str],
) -> int:
    """Start a process in a session of its own; all that it starts is known by its id as token.

    Returns:
        The number of the process, a child of this one.

    Raises:
        OSError: the machine cannot start it.
    """
    records.directory(home)
    options = {
        "--id": replica_id,
        "--pool": pool,
        "--endpoint": program.endpoint,
        "--concurrency": str(concurrency),
        "--home": str(home),
    }
    said = [word for option in options.items() for word in option]
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        program.python,
        [str(program.python), *program.words, *said],
        {**program.env, **more_env, TOKEN_VARIABLE: replica_id},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(records.log_path(home, replica_id)), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD),
    )
