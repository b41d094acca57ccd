"""What happens in a process between the fork and its end, to make it the attempt's own.

A child is the leader of its own session, so that it can be ended with all it started; it dies with
its host, so that no attempt goes on that nobody holds; it writes to its log by file descriptors, so
that output of C code and of subprocesses is in it too; and it leaves by `os._exit`, because the
interpreter's teardown costs half a second.
"""

import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn, Protocol

from flyte._entrypoints import bounds, hiding, mark, processes
from flyte._entrypoints.channel import Message
from flyte._entrypoints.folders import Folder
from flyte._entrypoints.mark import TokenMark
from flyte._entrypoints.scribe.attempt_log import LIMIT_BYTES
from flyte._kit import scenes

MANAGED_SIGNALS = (signal.SIGTERM, signal.SIGCHLD)
"""Signals that a host handles in its own way, and its children as every process."""
_SOURCES = "_F_SOURCES"
"""Variable with the folder of files that belong to the image."""
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
    log_bytes: int = LIMIT_BYTES
    """Of a log that is larger the middle is left out."""

    devices: bool = False
    """Whether it has accelerators of its own."""

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
            log_bytes=message.get("log_bytes", LIMIT_BYTES),
            devices=message.get("devices", False),
        )


class Variables:
    """The environment of a host, and what makes it the environment of one attempt."""

    def __init__(self) -> None:
        self._given: Mapping[str, str] = dict(os.environ)  # noqa: TID251 - a process's edge
        self.mark = TokenMark()

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
        self.mark.write(env.get(mark.VARIABLE, ""))


class Closable(Protocol):
    """A socket or selector of the host."""

    def close(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a child takes over from its host, or gets rid of."""

    host_pid: int
    folder: Folder
    """The attempt's private working directory."""
    inherited: tuple[Closable, ...]
    """The host's own connections."""
    direct_output: Callable[[], None]
    """Lets descriptors 1 and 2 lead to the attempt's log."""
    variables: Variables
    scene: int = -1
    """Descriptor for what it writes down in its last moment."""


def live(launch: Launch, surroundings: Surroundings, perform: Callable[[Launch], int]) -> NoReturn:
    """Be the process of one attempt, from right after the fork to the end."""
    code = 1
    try:
        code = perform(_settle(launch, surroundings))
    except SystemExit as leaving:
        code = exit_code(leaving)
    except BaseException:  # noqa: BLE001 - a process's edge: the traceback goes to the attempt's log
        traceback.print_exc()
    finally:
        leave(code, surroundings.folder.leave)


def _settle(launch: Launch, surroundings: Surroundings) -> Launch:
    """Be apart from the host; gives the launch with its secrets among its variables."""
    problem = bounds.enter(launch.cgroups, launch.bounds)
    os.setsid()
    surroundings.direct_output()
    processes.die_with(surroundings.host_pid)
    processes.adopt_orphans()
    _forget_signals()
    for connection in surroundings.inherited:
        connection.close()
    surroundings.variables.adapt(launch.env)
    scenes.announce(surroundings.scene)
    surroundings.folder.enter()
    add_sources(launch.env)
    _furnish(launch, surroundings.folder.path, problem)
    _reseed()
    sys.argv = list(launch.argv)
    return _uncovered(launch)


def redirect_output(log_path: str) -> None:
    """Let file descriptors 1 and 2 append to a file, whose directory is made when it is missing.

    So it is where no scribe can be had: the log has neither times nor streams then.
    """
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


def add_sources(env: Mapping[str, str]) -> None:
    """What was copied into the task's image lies in its working directory; its code wins over it."""
    folder = env.get(_SOURCES)
    for source in Path(folder).iterdir() if folder else ():
        if not Path(source.name).exists():
            Path(source.name).symlink_to(source)


def _furnish(launch: Launch, directory: Path, problem: str) -> None:
    """What the attempt's bounds change about its files, and in its log what could not be bounded."""
    problems = [problem]
    if launch.bounds.get("shm"):
        problems.append(bounds.private_shared_memory(launch.bounds["shm"]))
    if launch.bounds.get("disk"):
        bounds.bound_temporary_files(directory)
    for each in filter(None, problems):
        print(f"flyte: {each}", file=sys.stderr, flush=True)  # noqa: T201 - the attempt's log


def _uncovered(launch: Launch) -> Launch:
    """Last of all, so that nothing of ours has seen a secret before the task does."""
    extra = hiding.uncovered(launch.hidden_env, launch.hidden_files)
    os.environ.update(extra)  # noqa: TID251 - a process's edge
    return replace(launch, env={**launch.env, **extra}) if extra else launch


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
