"""The two ways in which a child gets to work: with everything imported, or by a command."""

import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from flyte._entrypoints import child, processes
from flyte._entrypoints.child import Launch
from flyte._kit import scenes

_RECORDS = "FLYTE_LOG_RECORDS"
"""Tells a program that its output is kept as records (`flyte._loggers`)."""
_NOT_FOUND = 127
"""Exit code of shells for a command that cannot be executed."""


class Program(Protocol):
    """What a host prepares once and its children perform: Flyte's task runner, or a test's own."""

    def preload(self, argv: Sequence[str], env: Mapping[str, str]) -> Path | None:
        """Import what every child needs; returns the directory whose entries children see as
        their own."""
        ...

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> int:
        """Perform one attempt and return the exit code."""
        ...


class Starter(Protocol):
    """How the children of a host start working.  Implemented by `Forker` and `Executer`."""

    @property
    def links(self) -> tuple[Path, ...]:
        """What the working directory of every child refers to."""
        ...

    def prepare(self, launch: Launch, direct_output: Callable[[], None]) -> str:
        """Do once what all children share; a sentence says why this host cannot have children.

        Args:
            launch: the attempt that comes first.
            direct_output: lets descriptors 1 and 2 lead to its log.
        """
        ...

    def perform(self, launch: Launch) -> int:
        """In the child: do the work and return the exit code."""
        ...


class Forker:
    """Children that find everything imported already.  Forking needs a process without threads."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._prepared = False
        self._unfit = ""
        self.links: tuple[Path, ...] = ()

    def prepare(self, launch: Launch, direct_output: Callable[[], None]) -> str:
        """Preload once.

        What the task's modules print while they are imported goes to the log of the attempt that
        came first, as it would in an interpreter of its own.  A preload that fails is no error
        here: the child tries again, and tells the user.
        """
        if not self._prepared:
            self._prepared = True
            problem = self._preload(launch, direct_output)
            if problem:
                print(  # noqa: T201 - the host's own log
                    f"preload for {launch.key} failed; children import by themselves:\n{problem}"
                )
            gc.collect()
            gc.freeze()  # else the collector of each child would write to all of the host's pages
            self._unfit = _threads()
        return self._unfit

    def perform(self, launch: Launch) -> int:
        return self._program.run(launch.argv, launch.env)

    def _preload(self, launch: Launch, direct_output: Callable[[], None]) -> str:
        sys.argv = list(launch.argv)
        with _output_directed(direct_output), _signals_kept():
            try:
                root = self._program.preload(launch.argv, launch.env)
                self.links = tuple(sorted(root.iterdir())) if root is not None else ()
            except BaseException:  # noqa: BLE001 - user code: it may raise or exit as it likes
                return traceback.format_exc()
        return ""


class Executer:
    """Children that execute the command: any interpreter, any program."""

    links: tuple[Path, ...] = ()

    def prepare(self, launch: Launch, direct_output: Callable[[], None]) -> str:
        return ""

    def perform(self, launch: Launch) -> int:
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)  # Python ignores them, other programs do not
        try:
            os.execvpe(
                launch.argv[0], launch.argv, {_RECORDS: "1", **launch.env, **scenes.hand_on()}
            )
        except OSError as error:
            print(f"flyte: cannot execute {launch.argv[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return _NOT_FOUND


def _threads() -> str:
    """Why this process cannot fork; empty if it can.

    Threads do not survive a fork, but the locks that they hold do.  Threads of numerical libraries
    carry the process's own name, and their libraries are prepared for a fork; others say by their
    name what they belong to.
    """
    names = [
        thread.name for thread in threading.enumerate() if thread is not threading.main_thread()
    ]
    names += ["(unnamed)"] * (len(sys._current_frames()) - 1 - len(names))  # noqa: SLF001 - documented
    names += processes.foreign_threads()
    return f"importing the task's module started threads: {', '.join(names)}" if names else ""


@contextmanager
def _output_directed(direct_output: Callable[[], None]) -> Generator[None]:
    """Let file descriptors 1 and 2 lead to a log for a while."""
    kept = [os.dup(1), os.dup(2)]
    try:
        direct_output()
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, descriptor in enumerate(kept, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)


@contextmanager
def _signals_kept() -> Generator[None]:
    """Put the host's signal handlers back, whatever modules do to them while they are imported."""
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    handlers = {number: signal.getsignal(number) for number in child.MANAGED_SIGNALS}
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        for number, handler in handlers.items():
            signal.signal(number, handler)
