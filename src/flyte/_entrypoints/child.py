"""What happens in a process between the fork and its end, to make it the attempt's own.

A child is the leader of its own session, so that it can be ended with all it started; it dies with
its host, so that no attempt goes on that nobody holds; it writes to its log by file descriptor, so
that output of C code and of subprocesses is in it too; and it leaves by `os._exit`, because the
interpreter's teardown costs half a second.
"""

import atexit
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol

from flyte._entrypoints import mark, processes
from flyte._entrypoints.channel import Message
from flyte._entrypoints.mark import TokenMark

MANAGED_SIGNALS = (signal.SIGTERM, signal.SIGCHLD)
"""Signals that a host handles in its own way, and its children as every process."""
_LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Launch:
    """One attempt that the control plane wants started."""

    key: tuple[Any, ...]
    """The attempt's name; only the control plane knows what it means."""
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log_path: str
    output_prefix: str
    cgroups: tuple[str, ...] = ()
    """Directories of control groups that its process enters before anything else."""
    bounds: Mapping[str, int] = field(default_factory=dict[str, int])
    """What it may use at most: `cpu_milli`, `memory`, `disk`, `shm` (bytes); 0: no bound."""
    hidden_env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Secrets that become variables."""
    hidden_files: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Secrets that become files, by their paths."""

    @property
    def token(self) -> str:
        """By which its processes are known; empty if it has none."""
        return self.env.get(mark.VARIABLE, "")

    @classmethod
    def read(cls, message: Message) -> "Launch":
        return cls(
            key=tuple(message["key"]),
            argv=tuple(message["argv"]),
            env=message["env"],
            log_path=message["log_path"],
            output_prefix=message["output_prefix"],
            cgroups=tuple(message.get("cgroups", ())),
            bounds=message.get("bounds", {}),
            hidden_env=message.get("hidden_env", {}),
            hidden_files=message.get("hidden_files", {}),
        )


class Variables:
    """The environment of a host, and what makes it the environment of one attempt."""

    def __init__(self) -> None:
        self._given: Mapping[str, str] = dict(os.environ)  # noqa: TID251 - a process's edge
        self._mark = TokenMark()

    def replace(self, env: Mapping[str, str]) -> None:
        """In the host: make `env` the whole environment."""
        os.environ.clear()  # noqa: TID251 - a process's edge
        os.environ.update(env)  # noqa: TID251 - a process's edge
        self._given = env

    def adapt(self, env: Mapping[str, str]) -> None:
        """In the child: change what differs.

        What the task's modules set while they were imported stays, as it would in an interpreter of
        its own; and writing sixty variables again would double the time that a fork takes.
        """
        for name in self._given.keys() - env.keys():
            os.environ.pop(name, None)  # noqa: TID251 - a process's edge
        for name, value in env.items():
            if self._given.get(name) != value:
                os.environ[name] = value  # noqa: TID251 - a process's edge
        self._mark.write(env.get(mark.VARIABLE, ""))


class Closable(Protocol):
    """A socket or selector of the host."""

    def close(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a child takes over from its host, or gets rid of."""

    host_pid: int
    directory: Path
    """The attempt's private working directory, still to be made."""
    links: tuple[Path, ...]
    """Files and directories that the working directory refers to."""
    inherited: tuple[Closable, ...]
    """The host's own connections."""
    variables: Variables


def live(launch: Launch, surroundings: Surroundings, perform: Callable[[Launch], int]) -> NoReturn:
    """Be the process of one attempt, from right after the fork to the end."""
    code = 1
    try:
        _settle(launch, surroundings)
        code = perform(launch)
    except SystemExit as leaving:
        code = exit_code(leaving)
    except BaseException:  # noqa: BLE001 - a process's edge: the traceback goes to the attempt's log
        traceback.print_exc()
    finally:
        leave(code, lambda: _remove_directory(surroundings))


def _settle(launch: Launch, surroundings: Surroundings) -> None:
    os.setsid()
    redirect_output(launch.log_path)
    processes.die_with(surroundings.host_pid)
    processes.adopt_orphans()
    _forget_signals()
    for connection in surroundings.inherited:
        connection.close()
    surroundings.variables.adapt(launch.env)
    _enter_directory(surroundings)
    _reseed()
    sys.argv = list(launch.argv)


def redirect_output(log_path: str) -> None:
    """Let file descriptors 1 and 2 append to a file, whose directory is made when it is missing."""
    try:
        descriptor = os.open(log_path, _LOG_FLAGS, 0o644)
    except FileNotFoundError:
        Path(log_path).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(log_path, _LOG_FLAGS, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _forget_signals() -> None:
    """The defaults of a fresh interpreter."""
    signal.set_wakeup_fd(-1)
    for number in MANAGED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def _enter_directory(surroundings: Surroundings) -> None:
    surroundings.directory.mkdir(parents=True)
    for target in surroundings.links:
        (surroundings.directory / target.name).symlink_to(target)
    os.chdir(surroundings.directory)


def _remove_directory(surroundings: Surroundings) -> None:
    """Remove the working directory: entry by entry if the task wrote nothing there, else as a
    tree."""
    os.chdir("/")
    try:
        for target in surroundings.links:
            (surroundings.directory / target.name).unlink()
        surroundings.directory.rmdir()
    except OSError:
        shutil.rmtree(surroundings.directory, ignore_errors=True)


def _reseed() -> None:
    """Siblings must not draw the same numbers.  A task that wants them seeds inside its function.

    Python's own `random` does this by itself after a fork.
    """
    numpy_random: Any = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.seed()


def exit_code(leaving: SystemExit) -> int:
    """The code that an interpreter would end with; a message goes to stderr as it would there."""
    if leaving.code is None:
        return 0
    if isinstance(leaving.code, int):
        return leaving.code & 0xFF
    print(leaving.code, file=sys.stderr)  # noqa: T201 - what `sys.exit("message")` means
    return 1


def leave(code: int, clean_up: Callable[[], None] | None = None) -> NoReturn:
    """End this process now: wait for its threads, run its exit functions, flush, and skip the
    teardown."""
    try:
        threading._shutdown()  # type: ignore[attr-defined] # noqa: SLF001 - what interpreters do at their end
        atexit._run_exitfuncs()  # noqa: SLF001 - as multiprocessing does in its children
    except BaseException:  # noqa: BLE001 - a process's edge: whatever an exit function does, we leave
        traceback.print_exc()
    finally:
        _flush()
        if clean_up is not None:
            clean_up()
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # closed or replaced by the user's code; the other one may still work
