"""What a client in Python sends and asks beside runs: files, folders, values in its own types, code, settings."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.plane import PROGRAMS, Plane

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def test_a_client_sends_files_and_reads_a_run_in_its_own_types(
    plane: Plane, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / "asking.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROGRAMS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    name = "Kiel one a.txt b.txt"
    assert told["md5"] == hashlib.md5(b"one", usedforsecurity=False).hexdigest()
    assert told["typed"] == f"Station(name={name!r}, height=5)"
    assert (told["deserialized"], told["height"]) == (name, 5)
    assert told["inputs"] == ["file", "folder", "station"]
    assert "asking.py" in told["code"]
    assert told["debug"] is None
    assert told["local"] == {"labels": {"team": "weather"}, "run.max_action_concurrency": 7}
    assert told["effective"] == {
        "labels": "domain development",
        "run.max_action_concurrency": "domain development",
    }
    assert (told["archived"], told["active"]) == (1, 0)
    assert "no 'o7', only: o0" in told["refused"]
