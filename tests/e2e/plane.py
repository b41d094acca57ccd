"""A real control plane of a test's own, and the real command line in processes of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from tests.support import wait_until

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
FLYTE = Path(sys.executable).parent / "flyte"
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
PATIENCE_SECONDS = 3000 if NIGHTLY else 50
"""How long a command may take at most."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def flyte(
    *arguments: str, expect: int | None = 0, cwd: Path = PROGRAMS
) -> subprocess.CompletedProcess[str]:
    """The `flyte` command; fails the test when it ends with another status than `expect`."""
    done = subprocess.run(
        [str(FLYTE), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=PATIENCE_SECONDS,
    )
    assert expect in (None, done.returncode), f"flyte {' '.join(arguments)}\n{_all_of(done)}"
    return done


def _all_of(done: subprocess.CompletedProcess[str]) -> str:
    return f"status {done.returncode}\n{done.stdout}\n{done.stderr}"


@dataclass
class Plane:
    """A control plane on a directory and a port that stay the same when it is started again."""

    home: Path
    port: int = field(default_factory=free_port)
    _begun: "list[subprocess.Popen[str]]" = field(default_factory=list)

    def start(self) -> None:
        flyte("start", "server", "--port", str(self.port))

    @property
    def pid(self) -> int:
        return json.loads((self.home / "server.json").read_text())["pid"]

    @property
    def guardian_pid(self) -> int:
        """The process that starts the control plane again when it dies."""
        return int((self.home / "guardian.pid").read_text())

    def kill(self) -> None:
        """End it, guardian first, as a power failure would: nobody starts it again."""
        for pid in (self.guardian_pid, self.pid):
            if not gone(pid):
                kill(pid)

    def shut_down(self) -> None:
        """End the control plane and every process that worked for it."""
        for begun in self._begun:
            begun.kill()
            begun.communicate()
        flyte("stop", "server")
        for process in self.processes():
            process.kill()
        wait_until(lambda: not self.processes())

    def processes(self) -> list[psutil.Process]:
        """Everything that lives on this control plane's directory, hosts and tasks included."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                if self._owns(process) and process.pid != os.getpid() and not gone(process.pid):
                    found.append(process)
            except (psutil.AccessDenied, psutil.NoSuchProcess):
                continue
        return found

    def _owns(self, process: psutil.Process) -> bool:
        home = str(self.home)
        return process.environ().get("FLYTE_HOME") == home or home in process.cmdline()

    def run(
        self,
        file: Path | str,
        *arguments: str,
        options: tuple[str, ...] = (),
        cwd: Path = PROGRAMS,
    ) -> "Ended":
        """`flyte run` to its end, read as a program reads it."""
        command = ("-of", "json", "run", *options, str(file), *arguments)
        return Ended.of(flyte(*command, expect=None, cwd=cwd))

    def begin(self, file: Path | str, *arguments: str, name: str) -> "subprocess.Popen[str]":
        """`flyte run` in the background; the run has the given name."""
        return self.spawn("-of", "json", "run", "--name", name, str(file), *arguments)

    def spawn(self, *arguments: str) -> "subprocess.Popen[str]":
        """A `flyte` command in the background; it ends with the control plane at the latest."""
        # Whoever runs the tests as a background job of a shell ignores SIGINT, and so would the command.
        begun = subprocess.Popen(
            ["env", "--default-signal=INT", str(FLYTE), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROGRAMS,
        )
        self._begun.append(begun)
        return begun

    def actions(self, run: str) -> list[dict[str, Any]]:
        """What `flyte get action RUN` lists, as JSON."""
        return json.loads(flyte("-of", "json", "get", "action", run).stdout)


@dataclass(frozen=True)
class Ended:
    """How a run ended, as the command line told it."""

    status: int
    run: str
    phase: str
    outputs: Mapping[str, Any] | None
    error: Mapping[str, str] | None

    @classmethod
    def of(cls, done: "subprocess.CompletedProcess[str]") -> "Ended":
        assert done.stdout.strip(), _all_of(done)
        told = json.loads(done.stdout)
        return cls(done.returncode, told["run"], told["phase"], told["outputs"], told["error"])

    @classmethod
    def waited_for(cls, process: "subprocess.Popen[str]", timeout: float = 40) -> "Ended":
        out, err = process.communicate(timeout=timeout)
        return cls.of(subprocess.CompletedProcess([], process.returncode, out, err))


def here(
    file: Path | str, *arguments: str, options: tuple[str, ...] = (), cwd: Path = PROGRAMS
) -> Ended:
    """`flyte run --local`, read as a program reads it."""
    command = ("-of", "json", "run", "--local", *options, str(file), *arguments)
    return Ended.of(flyte(*command, expect=None, cwd=cwd))


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: gone(pid))


class Marks:
    """A directory in which tasks leave a line each time they are executed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def pids(self) -> list[int]:
        return [
            int(line) for path in self.folder.glob("*.pid") for line in path.read_text().split()
        ]

    def counts(self) -> dict[str, int]:
        return {path.name: len(path.read_text().splitlines()) for path in self.folder.iterdir()}

    def put(self, name: str) -> None:
        """Let the tasks that wait for this file go on."""
        (self.folder / name).touch()
