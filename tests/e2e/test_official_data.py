"""Data of official tasks: it outlives their working directories, and everybody can read it."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.official.plane import SCOPE, Witness, marks, serving
from tests.e2e.plane import FLYTE, PROGRAMS

pytestmark = marks

_READ = """
import json, sys
import flyte, flyte.remote
flyte.init(endpoint=sys.argv[1], project="flytesnacks", domain="development", insecure=True)
file = flyte.remote.Run.get(name="written").outputs()[0]
with file.open_sync("rb") as opened:
    print(json.dumps(opened.read().decode()))
"""


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    with serving(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("own")) as made:
        made.run("data.py", "main", "--text", "hello", options=("--name", "written"))
        yield made


def uri(witness: Witness) -> str:
    found = re.search(r"s3://flyte-objects-[0-9a-f]+/[^'\s]+", witness.outputs("written"))
    assert found
    return found[0]


def ours(witness: Witness, *command: str) -> str:
    """A command of our own package, with a session with that control plane."""
    done = subprocess.run(
        command,
        env={**os.environ, "FLYTE_HOME": str(witness.home)},
        capture_output=True,
        text=True,
        check=False,
        cwd=PROGRAMS,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_a_task_has_written_outlives_its_working_directory(witness: Witness) -> None:
    said = witness.outputs("written")
    assert "hello 12582912 0.txt,1.txt,2.txt 4950" in said
    path = witness.home / "data" / uri(witness).split("/", 3)[3]
    assert path.read_text() == "hello"


def test_our_client_reads_it(witness: Witness) -> None:
    assert json.loads(ours(witness, sys.executable, "-c", _READ, witness.endpoint)) == "hello"
    assert "out.txt" in ours(witness, str(FLYTE), "get", "io", "written")


def test_our_tasks_read_it(witness: Witness) -> None:
    command = ("-of", "json", "run", "foreign_file.py", "length", "--file", uri(witness))
    environment = ("env", f"VIRTUAL_ENV={sys.prefix}", str(FLYTE))
    told = json.loads(ours(witness, *environment, *command))
    assert told["outputs"] == {"o0": 5}


def test_the_official_client_reads_it_with_a_key_of_the_project(witness: Witness) -> None:
    request = urllib.request.Request(
        f"{witness.endpoint}/flyte_standalone.v1.DataService/ObjectCredentials",
        json.dumps({"project": "flytesnacks", "domain": "development"}).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        told: dict[str, Any] = json.load(answer)
    assert witness.python("reading.py", "written", json.dumps(told)) == {"content": "hello"}


def test_a_report_can_be_read(witness: Witness) -> None:
    reports = list((witness.home / "data").rglob("report.html"))
    assert any("a report" in path.read_text() for path in reports)


def test_its_code_can_be_read(witness: Witness, tmp_path: Path) -> None:
    witness("get", "code", *SCOPE, "written", "--dest", str(tmp_path / "code"))
    (program,) = (tmp_path / "code").rglob("data.py")
    assert "async def written" in program.read_text()
