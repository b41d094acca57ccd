"""The official client as a witness: unchanged, in its own virtual environment, its tasks in its own entrypoint."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.plane import flyte
from tests.support import wait_until

ROOT = Path(__file__).resolve().parents[2]
OFFICIAL = ROOT / ".venv-official"
PROGRAM = Path(__file__).parent / "official" / "program.py"

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

pytestmark = [
    pytest.mark.official_client,
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        not (OFFICIAL / "bin" / "flyte").exists(), reason="run `make official-client` first"
    ),
]


class Witness:
    """The official command line, pointed at our control plane."""

    def __init__(self, endpoint: str, home: Path) -> None:
        self.endpoint = endpoint.replace("http://", "dns:///")
        self.home = home

    def __call__(self, *arguments: str, expect: int = 0) -> str:
        command = [
            str(OFFICIAL / "bin" / "flyte"),
            *("--endpoint", self.endpoint, "--insecure", "--output-format", "json-raw"),
            *arguments,
        ]
        done = subprocess.run(
            command,
            env={**os.environ, "HOME": str(self.home), "DO_NOT_TRACK": "1", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            cwd=PROGRAM.parent,
        )
        output = _COLOUR.sub("", done.stdout + done.stderr)
        assert done.returncode == expect, output
        return output


@pytest.fixture
def witness(flyte_home: Path, tmp_path: Path) -> Iterator[Witness]:
    """A control plane whose tasks run in the official package's environment, and that package's client."""
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "flyte_server",
            "--home",
            str(flyte_home),
            "--port",
            "0",
            "--foreground",
        ],
        env={**os.environ, "FLYTE_TASK_PREFIX": str(OFFICIAL)},
    )
    record = flyte_home / "server.json"
    wait_until(record.exists, timeout_seconds=20)
    try:
        yield Witness(json.loads(record.read_text())["endpoint"], tmp_path)
    finally:
        server.terminate()
        server.wait(timeout=20)


def test_official_program_runs_unchanged(witness: Witness, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.mkdir()
    scope = ("--project", "flytesnacks", "--domain", "development")

    started = witness(
        *("run", *scope, "--follow", str(PROGRAM), "main", "--n", "4", "--marker", str(marker))
    )
    found = re.search(r"\br[a-z0-9]{19}\b", started)
    assert found, started
    run = found[0]

    io = witness("get", "io", *scope, run)
    assert "total=14 tries=3 half=7.0 caught=ValueError" in io

    assert len((marker / "flaky").read_text().splitlines()) == 3
    assert len((marker / "halve-14").read_text().splitlines()) == 1

    assert run in witness("get", "run", *scope)
    actions = witness("get", "action", *scope, run)
    for name in ("witness.main", "witness.square", "witness.flaky", "witness.broken", "halve"):
        assert name in actions or name.partition(".")[2] in actions
    assert "all done" in witness("get", "logs", *scope, run)


def test_an_official_client_recovers_a_run(witness: Witness, tmp_path: Path) -> None:
    """Its own runtime finds what our control plane takes over: steps that succeeded, and traces."""
    marker = tmp_path / "marker"
    marker.mkdir()
    scope = ("--project", "flytesnacks", "--domain", "development")
    program = str(PROGRAM.parent / "recovering.py")
    run = ("--name", "failing", "--follow", program, "main", "--marker", str(marker))
    witness("run", *scope, *run)
    assert counts(marker) == {"main": 1, "halve-10": 1, "step-0": 1, "step-1": 1, "step-2": 1}

    (marker / "go").touch()
    witness("rerun", *scope, "failing", "--recover", "--name", "recovered", "--follow")
    assert "11.0" in witness("get", "io", *scope, "recovered")
    assert counts(marker) == {
        "main": 2,
        "halve-10": 1,
        "step-0": 1,
        "step-1": 1,
        "step-2": 2,
        "step-3": 1,
        "go": 0,
    }


def counts(marker: Path) -> dict[str, int]:
    return {path.name: len(path.read_text().splitlines()) for path in marker.iterdir()}


def test_large_values_cross_between_the_packages(witness: Witness, tmp_path: Path) -> None:
    """Ours go by reference, which the official client follows; its own come inline."""
    flyte("run", "--name", "ours", "sizes.py", "plenty")
    read = subprocess.run(
        [str(OFFICIAL / "bin" / "python"), "large.py", witness.endpoint, "ours"],
        env={**os.environ, "HOME": str(tmp_path), "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
        cwd=PROGRAM.parent,
    )
    assert read.returncode == 0, read.stdout + read.stderr
    told = json.loads(read.stdout.splitlines()[-1])
    assert told == {"text": True, "numbers": True, "own": True}
