"""The door to the embedded control plane: find the one of this machine, start it, end it.

A server that runs describes itself in `$FLYTE_HOME/server.json`.  A record is believed only if its process lives and
answers at the recorded address, so that neither a crash nor a reused process id leads anywhere wrong.  All functions
block; coroutines call them in a thread.

What is started in the background is a guardian (`flyte_server.guardian`), which starts the server and starts it again
should it die: runs go on although nobody types another command.  The record names the server itself, not its guardian.
"""

import fcntl
import http.client
import ipaddress
import itertools
import json
import logging
import os
import shutil
import signal
import ssl
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flyte import errors
from flyte._kit import backoff, clock, optional
from flyte._version import __version__
from flyte.config import _read

T = TypeVar("T")

ENDPOINT_NAMES = ("local", "dns:///local")
"""What a configuration may say as its endpoint to mean the control plane of this machine."""

_LEAST_BYTES = 1024 * 1024
_START_SECONDS = 20.0
_STOP_SECONDS = 20.0
_PROBE_SECONDS = 2.0
_WINNER_SECONDS = 5.0
_POLL = backoff.Backoff(base=0.01, factor=1.3, cap=0.02)
_LOG_TAIL_LINES = 12
_GUARDIAN = "flyte_server.guardian"

_log = logging.getLogger("flyte.embedded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A control plane of this machine that is running."""

    url: str
    """Its address, such as `http://127.0.0.1:8090`."""
    host: str
    port: int
    pid: int
    version: str
    home: Path
    """Its directory."""
    ca_cert: Path | None = None
    """The certificate to trust, when it speaks TLS with one of its own."""


def find(home: Path | None = None) -> Endpoint | None:
    """The control plane that runs on `home` (default: `$FLYTE_HOME`, else `~/.flyte`); None when none does."""
    recorded = _recorded(home or _read.flyte_home())
    return recorded if recorded and _alive(recorded.pid) and _answers(recorded) else None


def at(endpoint: str, home: Path | None = None) -> Endpoint | None:
    """The control plane that runs on `home`, if that is what answers at this address; None: another one, or none.

    Only addresses of this machine are looked at: its token must never leave it.

    Args:
        endpoint: as in a configuration; `localhost` stands for the address at which it listens.
    """
    recorded = _recorded(home or _read.flyte_home())
    if recorded is None or not _is_this_machine(recorded.host):
        return None
    return find(home) if _place(endpoint, recorded) == _place(recorded.url, recorded) else None


def _place(endpoint: str, like: Endpoint) -> tuple[str, str, int | None]:
    scheme = urlsplit(like.url).scheme
    text = endpoint.strip().removeprefix("dns:///")
    parts = urlsplit(text if "://" in text else f"{scheme}://{text}")
    host = parts.hostname or ""
    try:
        return parts.scheme, like.host if host == "localhost" else host, parts.port
    except ValueError:  # the client says what is wrong with the number of the port
        return parts.scheme, host, None


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find_or_start(
    home: Path | None = None,
    *,
    host: str | None = None,
    port: int | None = None,
    more: Sequence[str] = (),
) -> Endpoint:
    """The control plane that runs on `home`; it is started in the background if there is none.

    Any number of processes may ask at the same time: they all get the same server.

    Args:
        home: its directory (default: `$FLYTE_HOME`, else `~/.flyte`).
        host: address to listen at, should it be started (default: this machine only).
        port: port to listen at, should it be started (default: 8090, else a free one).
        more: more options of `python -m flyte_server`, should it be started.

    Raises:
        ServerStartError: it did not come up; the message has the end of its log.
    """
    home = home or _read.flyte_home()
    found = find(home)
    if found:
        _warn_of_another_version(found)
        return found
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _one_starter(home):
            return find(home) or _arriving(home) or _start(home, [*_options(host, port), *more])
    except OSError as error:
        raise errors.ServerStartError(
            f"the control plane cannot use {home} ({error.strerror}); "
            "make the directory writable, or choose another one with FLYTE_HOME"
        ) from error


def stop(home: Path | None = None) -> bool:
    """End the control plane that runs on `home`, and its guardian, and wait until they are gone.

    One that does not answer, or was stopped by a signal, is ended too.  Tasks that run go on; the next control plane
    adopts them.

    Returns:
        False when none was running.

    Raises:
        ServerStartError: it does not end.
    """
    home = home or _read.flyte_home()
    server, guardian = _holder(home), _guardian(home)
    running = [pid for pid in (guardian, server) if pid is not None]
    if not running:
        return False
    # What is stopped hears of the first signal only when it goes on.
    for number in (signal.SIGTERM, signal.SIGCONT):
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
    if not _until(lambda: all(map(_ended, running)), _STOP_SECONDS):
        pids = " ".join(map(str, running))
        raise errors.ServerStartError(
            f"the control plane on {home} (processes {pids}) did not end within {_STOP_SECONDS:.0f} s; "
            f"end it with: kill -9 {pids}"
        )
    return True


def log_path(home: Path | None = None) -> Path:
    """Where a control plane that was started in the background writes what it has to say."""
    return (home or _read.flyte_home()) / "server.log"


def _warn_of_another_version(found: Endpoint) -> None:
    if found.version != __version__:
        _log.warning(
            "the control plane at %s is of version %s, this is %s; restart it with: flyte stop server",
            found.url,
            found.version,
            __version__,
        )


def _recorded(home: Path) -> Endpoint | None:
    """What `server.json` says; None when there is none, or it is half written."""
    try:
        record: dict[str, Any] = json.loads((home / "server.json").read_bytes())
        return Endpoint(
            url=str(record["endpoint"]),
            host=str(record["host"]),
            port=int(record["port"]),
            pid=_process_id(record["pid"]),
            version=str(record["version"]),
            home=home,
            ca_cert=Path(record["ca_cert"]) if record.get("ca_cert") else None,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _process_id(recorded: Any) -> int:
    pid = int(recorded)
    if pid <= 1:
        raise ValueError("0 and negative numbers mean whole groups of processes to kill()")
    return pid


def _alive(pid: int) -> bool:
    with suppress(ChildProcessError):
        # A server that this process itself started leaves a zombie until it is waited for.
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _ended(pid: int) -> bool:
    """Whether a process has ended, be it that the one that started it has not taken notice (a zombie)."""
    if not _alive(pid):
        return True
    psutil = optional.module("psutil", needed_for="stopping the control plane")
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _holder(home: Path) -> int | None:
    """The server that holds the directory, whether it answers or not."""
    try:
        with (home / "server.lock").open("r+") as lock:
            return None if _locked(lock.fileno()) else _process_id(lock.read())
    except (OSError, ValueError):  # never used, or held by one that is about to write its number
        return None


def _guardian(home: Path) -> int | None:
    """The guardian of the directory, should it live: it may be about to start the server again."""
    psutil = optional.module("psutil", needed_for="stopping the control plane")
    try:
        pid = _process_id((home / "guardian.pid").read_text())
        words: list[str] = psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if _GUARDIAN in words and str(home) in words else None


def _answers(recorded: Endpoint) -> bool:
    """Whether the process that listens at the recorded address is the recorded one."""
    connection = _connection(recorded)
    try:
        connection.request("GET", "/healthz")
        health: Any = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return isinstance(health, dict) and health.get("pid") == recorded.pid


def _connection(recorded: Endpoint) -> http.client.HTTPConnection:
    if not recorded.url.startswith("https://"):
        return http.client.HTTPConnection(recorded.host, recorded.port, timeout=_PROBE_SECONDS)
    # Nothing secret is asked, and the answer is only a number: whom to trust is the client's matter.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(
        recorded.host, recorded.port, timeout=_PROBE_SECONDS, context=context
    )


@contextmanager
def _one_starter(home: Path) -> Generator[None]:
    """Let one process at a time start a server on `home`; the others wait and then find it."""
    with (home / "start.lock").open("a") as lock:
        if not _until(lambda: _locked(lock.fileno()), 2 * _START_SECONDS):
            raise errors.ServerStartError(
                f"another process has been starting the control plane on {home} for too long; "
                "end that process, then try again"
            )
        yield  # closing the file gives the lock back


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _arriving(home: Path) -> Endpoint | None:
    """The server that holds the directory and will answer in a moment, started by its guardian or by hand."""
    holder = _holder(home)
    if holder is None:
        return None
    seen = _until(lambda: find(home) or _holder(home) is None, _WINNER_SECONDS)
    if seen is False:
        raise errors.ServerStartError(
            f"a control plane (process {holder}) holds {home} but does not answer; "
            "let it go on if it was stopped, or end it with: flyte stop server"
        )
    return seen if isinstance(seen, Endpoint) else None


def _options(host: str | None, port: int | None) -> list[str]:
    given = {"--host": host, "--port": port}
    return [
        text for name, value in given.items() if value is not None for text in (name, str(value))
    ]


def _start(home: Path, options: Sequence[str]) -> Endpoint:
    log = log_path(home)
    written_before = log.stat().st_size if log.exists() else 0
    pid = _spawn(home, log, options)
    outcome = _until(lambda: find(home) or _exit_status(pid), _START_SECONDS)
    if isinstance(outcome, int) and _lost_a_race(log, written_before):
        outcome = _until(lambda: find(home), _WINNER_SECONDS)
    if isinstance(outcome, Endpoint):
        return outcome
    raise errors.ServerStartError(_why_not(home, _tail(log, written_before)))


def _why_not(home: Path, said: str) -> str:
    """One sentence if the server left one, else the end of what it wrote."""
    free = shutil.disk_usage(home).free
    if free < _LEAST_BYTES:  # the server's own words may have had no room either
        return (
            f"the control plane did not start: the disk of {home} is full ({free:,} bytes are free); "
            "make room, or choose another directory with FLYTE_HOME"
        )
    if said and "\n" not in said:
        return f"the control plane did not start: {said}"
    return f"the control plane did not start on {home}; the end of {log_path(home)} says:\n" + (
        said or "(nothing; try: flyte start server --foreground)"
    )


def _spawn(home: Path, log: Path, options: Sequence[str]) -> int:
    """Start the guardian and with it the server, in a session of their own: neither Ctrl-C nor a closed terminal
    reaches them."""
    # -P: a file of the user's directory must not shadow a module of the server.
    command = [sys.executable, "-P", "-m", _GUARDIAN, str(home), *options]
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    return os.posix_spawn(
        sys.executable,
        command,
        _read.environment(),
        setsid=True,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )


def _exit_status(pid: int) -> int | None:
    """The status of a child that failed; None while it runs, and when it went on in the background (status 0)."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) or None if ended else None


def _lost_a_race(log: Path, written_before: int) -> bool:
    """Whether the server ended because another one, started by hand at the same moment, holds the directory."""
    return "server.lock" in _tail(log, written_before)


def _tail(log: Path, written_before: int) -> str:
    with suppress(FileNotFoundError), log.open("rb") as lines:
        lines.seek(written_before)
        text = lines.read().decode(errors="replace")
        return "\n".join(text.strip().splitlines()[-_LOG_TAIL_LINES:])
    return ""


def _until(look: Callable[[], T], seconds: float) -> T:
    """Look again and again until something is seen or the time is up; what was seen last."""
    deadline = clock.monotonic() + seconds
    pauses = map(_POLL.delay, itertools.count())
    while not (seen := look()) and clock.monotonic() < deadline:
        backoff.sleep_blocking(next(pauses))
    return seen
