"""The official command line in its own environment, and a control plane whose tasks run there."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support import wait_until

ROOT = Path(__file__).resolve().parents[3]
OFFICIAL = ROOT / ".venv-official"
PROGRAMS = Path(__file__).parent / "programs"
PATIENCE_SECONDS = 120
SCOPE = ("--project", "flytesnacks", "--domain", "development")

marks = [
    pytest.mark.official_client,
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        not (OFFICIAL / "bin" / "flyte").exists(), reason="run `make official-client` first"
    ),
]
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_RUN = re.compile(r"\br[a-z0-9]{19}\b")


@dataclass
class Witness:
    """The official command line, pointed at our control plane.

    Over plain HTTP it sends no Authorization header, so that control plane asks for none.
    """

    home: Path
    """Of our control plane."""
    own: Path
    """Its own HOME."""

    @property
    def server(self) -> dict[str, Any]:
        return json.loads((self.home / "server.json").read_text())

    @property
    def endpoint(self) -> str:
        return self.server["endpoint"]

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.own), "DO_NOT_TRACK": "1", "COLUMNS": "200"}

    def __call__(self, *arguments: str, expect: int | None = 0) -> str:
        """One command; what it printed."""
        done = subprocess.run(
            self._command(*arguments),
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            cwd=PROGRAMS,
            timeout=PATIENCE_SECONDS,
        )
        output = _COLOUR.sub("", done.stdout + done.stderr)
        assert expect in (None, done.returncode), output
        return output

    def run(self, program: str, task: str, *arguments: str, options: tuple[str, ...] = ()) -> str:
        """`flyte run`, followed to its end; the name of the run."""
        said = self("run", *SCOPE, "--follow", *options, str(PROGRAMS / program), task, *arguments)
        return options[options.index("--name") + 1] if "--name" in options else named(said)

    def python(self, program: str, *arguments: str) -> dict[str, Any]:
        """A script with the official package; the JSON in its last line."""
        done = subprocess.run(
            [str(OFFICIAL / "bin" / "python"), program, self.endpoint, *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            cwd=PROGRAMS,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def outputs(self, run: str) -> str:
        """What `flyte get io` shows."""
        return self("get", "io", *SCOPE, run)

    def _command(self, *arguments: str) -> list[str]:
        endpoint = self.endpoint.replace("http://", "dns:///")
        words = ("--endpoint", endpoint, "--insecure", "--output-format", "json-raw")
        return [str(OFFICIAL / "bin" / "flyte"), *words, *arguments]


def named(said: str) -> str:
    """The run that a command has told of."""
    found = _RUN.search(said)
    assert found, said
    return found[0]


@contextlib.contextmanager
def serving(home: Path, own: Path) -> Generator[Witness]:
    """A control plane whose tasks run in the official package's environment."""
    command = [sys.executable, "-m", "flyte_server", "--home", str(home), "--port", "0"]
    server = subprocess.Popen(
        [*command, "--foreground", "--auth", "none"],
        env={**os.environ, "FLYTE_TASK_PREFIX": str(OFFICIAL), "FLYTE_HOME": str(home)},
    )
    try:
        wait_until((home / "server.json").exists, timeout_seconds=20)
        yield Witness(home, own)
    finally:
        server.terminate()
        server.wait(timeout=30)
        for process in _left(home):
            process.kill()
        wait_until(lambda: not _left(home))


def _left(home: Path) -> list[psutil.Process]:
    """Processes that live on a control plane's directory."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.AccessDenied, psutil.NoSuchProcess):
            is_living = process.status() != psutil.STATUS_ZOMBIE
            if is_living and process.environ().get("FLYTE_HOME") == str(home):
                found.append(process)
    return [process for process in found if process.pid != os.getpid()]
