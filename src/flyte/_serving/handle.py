"""An app that is served on this machine: its process, from the start to the end."""

import asyncio
import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import threading
import weakref
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from flyte import errors
from flyte._kit import clock
from flyte._kit.backoff import sleep_blocking
from flyte._serving import ports
from flyte.app import _context


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for what, in seconds."""

    activate_seconds: float = 60.0
    deactivate_seconds: float = 6.0
    check_seconds: float = 2.0
    interval_seconds: float = 0.1
    path: str | None = None
    """What is asked for to see whether it is well; None: only whether it accepts connections."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What is started."""

    name: str
    port: int
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    """What was made for it; removed when nobody holds its handle any more."""


class LocalApp:
    """An app on this machine.

    Its process has a group of its own, which ends with it, and a pipe to ours, by which it notices our end.
    """

    def __init__(self, launch: Launch, patience: Patience, needs: "Sequence[LocalApp]") -> None:
        self._launch, self._patience, self._needs = launch, patience, needs
        self._process: subprocess.Popen[bytes] | None = None
        self._status = 0
        self._ending = False
        self._lock = threading.RLock()
        weakref.finalize(self, shutil.rmtree, launch.folder, ignore_errors=True)

    def __repr__(self) -> str:
        return f"LocalApp({self.name!r}, {self.endpoint!r})"

    @property
    def name(self) -> str:
        """Its name."""
        return self._launch.name

    @property
    def endpoint(self) -> str:
        """Where its server is, for programs."""
        return f"http://localhost:{self._launch.port}"

    @property
    def url(self) -> str:
        """Where its server is, for people: the same."""
        return self.endpoint

    def is_active(self) -> bool:
        """Whether its process lives and its port answers."""
        return self._runs() and self._answers()

    def is_deactivated(self) -> bool:
        """Whether its process is gone."""
        return not self._runs()

    def activate(self, wait: bool = False) -> Self:
        """Start it, unless it runs.

        Args:
            wait: return when its port answers.

        Raises:
            DeploymentError: its port is taken, it has ended, or does not answer in time.
        """
        with self._lock:
            for other in self._needs:
                other.activate(wait=wait)
            if self._ending:
                self._finish()
            if not self._runs():
                self._start()
        if wait:
            self._wait_until_active()
        return self

    def deactivate(self, wait: bool = False) -> Self:
        """End it, and the apps that were started for it.

        Args:
            wait: return when its processes are gone; those that take too long are killed.
        """
        with self._lock:
            process = self._process
            if process is not None and process.poll() is None:
                process.terminate()
                self._ending = True
            if wait:
                self._finish()
        for other in self._needs:
            other.deactivate(wait=wait)
        return self

    @asynccontextmanager
    async def ephemeral_ctx(self) -> AsyncGenerator[None]:
        """Have it active for the length of an `async with`."""
        try:
            await asyncio.to_thread(self.activate, wait=True)
            yield
        finally:
            await asyncio.to_thread(self.deactivate, wait=True)

    @contextmanager
    def ephemeral_ctx_sync(self) -> Generator[None]:
        """Have it active for the length of a `with`."""
        try:
            self.activate(wait=True)
            yield
        finally:
            self.deactivate(wait=True)

    def wait(self) -> int:
        """Wait until its process ends by itself, and return the exit status."""
        process = self._process
        if process is not None:
            self._status = process.wait()
        self._runs()
        return self._status

    def _runs(self) -> bool:
        """Whether its process lives; one that has ended is put away."""
        process = self._process
        if process is None:
            return False
        if process.poll() is None:
            return True
        self._status = process.returncode
        self._finish()
        return False

    def _answers(self) -> bool:
        return ports.answers(self._launch.port, self._patience.path, self._patience.check_seconds)

    def _start(self) -> None:
        ports.check_free(self.name, self._launch.port)
        self._process = subprocess.Popen(
            list(self._launch.command),
            env=dict(self._launch.environment),
            stdin=subprocess.PIPE,
            process_group=0,
        )
        _context.SERVED[self.name] = self.endpoint
        atexit.register(self._finish)

    def _wait_until_active(self) -> None:
        deadline = clock.monotonic() + self._patience.activate_seconds
        while not self._answers():
            if not self._runs():
                raise errors.DeploymentError(
                    f"app {self.name!r} has ended with exit status {self._status} before its port {self._launch.port} "
                    "answered; what it has printed says why"
                )
            if clock.monotonic() > deadline:
                self.deactivate(wait=True)
                raise errors.DeploymentError(
                    f"app {self.name!r} does not answer on port {self._launch.port}"
                    f"{f' at {self._patience.path}' if self._patience.path else ''} after "
                    f"{self._patience.activate_seconds:g} s, and was ended; let its server listen on that port, or "
                    "give it more time with activate_timeout"
                )
            sleep_blocking(self._patience.interval_seconds)
        if not self._runs():
            # Somebody else answers: our process has found the port taken, and ended.
            raise errors.DeploymentError(
                f"app {self.name!r} has ended, and another process answers on port {self._launch.port}; end that one"
            )

    def _finish(self) -> None:
        """End the process and all that it has started."""
        with self._lock:
            process, self._process, self._ending = self._process, None, False
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self._patience.deactivate_seconds)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # the group is gone
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
        _context.SERVED.pop(self.name, None)
        atexit.unregister(self._finish)
