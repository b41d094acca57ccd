"""Starting the process of a host."""

import os
import secrets
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flyte_server.executors.common.kin import TOKEN_VARIABLE
from flyte_server.executors.process import records

_CONNECTION = 3
"""The host's file descriptor of the socket that leads to us."""
_NO_TOKEN = {TOKEN_VARIABLE: 64 * "-"}
"""Room in the host's memory into which its children write their tokens: a scan reads them there."""


@dataclass(frozen=True, slots=True)
class HostProgram:
    """How to start a host: which interpreter, with which words before the options."""

    python: Path
    words: tuple[str, ...]


def new_host_id() -> str:
    """A name that no other host of this home has had."""
    return f"h-{secrets.token_hex(6)}"


def spawn(
    home: Path,
    host_id: str,
    program: HostProgram,
    *,
    env: Mapping[str, str],
    connection: socket.socket,
) -> int:
    """Start a process in a session of its own, so that no signal to the control plane's terminal
    reaches it.

    Returns:
        The number of the process, a child of this one.
    """
    records.directory(home)
    options = ("--home", str(home), "--id", host_id, "--connection", str(_CONNECTION))
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        program.python,
        [str(program.python), *program.words, *options],
        {**env, **_NO_TOKEN},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(records.log_path(home, host_id)), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, connection.fileno(), _CONNECTION),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD),
    )
