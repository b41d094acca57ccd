"""The official command line and runtime, unchanged: deploy, cache, crash, abort, secrets, projects."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.e2e.official.plane import PROGRAMS, SCOPE, Witness, marks, serving
from tests.support import wait_until

pytestmark = marks
FLOWS = str(PROGRAMS / "flows.py")


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    with serving(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("own")) as made:
        yield made


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    folder = tmp_path / "marker"
    folder.mkdir()
    return folder


def counts(marker: Path) -> dict[str, int]:
    return {path.name: len(path.read_text().splitlines()) for path in marker.iterdir()}


def began(witness: Witness, name: str, task: str, *arguments: str) -> None:
    """A run that goes on in the background."""
    witness("run", *SCOPE, "--name", name, FLOWS, task, *arguments)


def ended(witness: Witness, name: str, phase: str = "SUCCEEDED") -> None:
    """Wait until the last attempt of a run's root has ended so."""
    wait_until(
        lambda: f"ACTION_PHASE_{phase}" in witness("get", "run", *SCOPE, name),
        timeout_seconds=90,
    )


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_cached_task_runs_once_per_key(witness: Witness, marker: Path) -> None:
    where = ("--x", "1", "--marker", str(marker))
    first = witness.run("flows.py", "twice", *where)
    assert "4" in witness.outputs(first)
    assert counts(marker) == {"costly": 1}
    witness.run("flows.py", "twice", *where)
    assert counts(marker) == {"costly": 1}
    witness.run("flows.py", "costly", *where)
    assert counts(marker) == {"costly": 2}
    witness.run("flows.py", "costly", *where)
    assert counts(marker) == {"costly": 2}


def test_a_parent_that_is_killed_finds_what_it_had_done(witness: Witness, marker: Path) -> None:
    began(witness, "durable", "durable", "--marker", str(marker))
    wait_until((marker / "pid-2").exists, timeout_seconds=60)
    os.kill(int((marker / "parent").read_text()), signal.SIGKILL)
    wait_until(lambda: len((marker / "values").read_text().splitlines()) == 2, timeout_seconds=60)
    (marker / "go").touch()
    ended(witness, "durable")
    first, second = (marker / "values").read_text().splitlines()
    assert first == second
    assert f"3 {first}" in witness.outputs("durable")
    ran = {name: n for name, n in counts(marker).items() if name.startswith(("drawn", "step"))}
    assert ran == {f"{kind}-{n}": 1 for kind in ("drawn", "step") for n in range(3)}
    assert counts(marker)["durable"] == 2


def test_an_abort_ends_every_process_below(witness: Witness, marker: Path) -> None:
    began(witness, "asleep", "asleep", "--marker", str(marker))
    pids = marker / "pids"
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 4, timeout_seconds=60)
    witness("abort", "run", *SCOPE, "asleep")
    ended(witness, "asleep", "ABORTED")
    wait_until(
        lambda: all(is_gone(int(pid)) for pid in pids.read_text().split()), timeout_seconds=30
    )
    assert witness("get", "action", *SCOPE, "asleep").count("ACTION_PHASE_ABORTED") == 3


def test_a_secret_reaches_its_task_and_nobody_else(witness: Witness) -> None:
    witness("create", "secret", *SCOPE, "witness-secret", "--value", "0123456789")
    run = witness.run("flows.py", "knows")
    assert "10" in witness.outputs(run)
    listed = witness("get", "secret", *SCOPE)
    assert "witness-secret" in listed
    assert "0123456789" not in listed


def test_a_deployed_task_runs_by_reference(witness: Witness) -> None:
    witness("deploy", *SCOPE, FLOWS, "env")
    assert "flows.nightly" in witness("get", "task", *SCOPE)
    assert witness.python("deployed.py") == {"value": 42}
    assert "nightly" in witness("get", "trigger", *SCOPE)
    again = witness("deploy", *SCOPE, FLOWS, "env")
    assert "Traceback" not in again


def test_projects_are_made_and_listed(witness: Witness) -> None:
    witness("create", "project", "--id", "museum", "--name", "The museum")
    assert "The museum" in witness("get", "project")
    assert "museum" in witness("get", "project", "museum")


def test_a_checkpoint_is_there_for_the_next_attempt(witness: Witness, marker: Path) -> None:
    began(witness, "resumed", "resumed", "--steps", "2", "--marker", str(marker))
    ended(witness, "resumed")
    assert "o0=2" in witness.outputs("resumed")
    assert counts(marker) == {"step-0": 1, "step-1": 1, "step-2": 1}


def test_settings_and_who_asks_can_be_read(witness: Witness) -> None:
    assert "local:" in witness("whoami")
    assert "Traceback" not in witness("get", "settings")
