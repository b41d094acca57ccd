"""The official client as a witness: unchanged, in its own virtual environment, its tasks in its own entrypoint."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.official.plane import SCOPE, Witness, marks, serving
from tests.e2e.plane import flyte

pytestmark = marks


@pytest.fixture
def witness(flyte_home: Path, tmp_path: Path) -> Iterator[Witness]:
    with serving(flyte_home, tmp_path) as made:
        yield made


def test_official_program_runs_unchanged(witness: Witness, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.mkdir()

    run = witness.run("program.py", "main", "--n", "4", "--marker", str(marker))

    io = witness("get", "io", *SCOPE, run)
    assert "total=14 tries=3 half=7.0 caught=ValueError" in io

    assert len((marker / "flaky").read_text().splitlines()) == 3
    assert len((marker / "halve-14").read_text().splitlines()) == 1

    assert run in witness("get", "run", *SCOPE)
    actions = witness("get", "action", *SCOPE, run)
    for name in ("witness.main", "witness.square", "witness.flaky", "witness.broken", "halve"):
        assert name in actions or name.partition(".")[2] in actions
    assert "all done" in witness("get", "logs", *SCOPE, run)
    assert "witness.main" in witness("get", "action", *SCOPE, run, "a0")
    assert "total=14" in witness("get", "io", *SCOPE, run, "a0", "--outputs-only")


def test_an_official_client_recovers_a_run(witness: Witness, tmp_path: Path) -> None:
    """Its own runtime finds what our control plane takes over: steps that succeeded, and traces."""
    marker = tmp_path / "marker"
    marker.mkdir()
    witness.run("recovering.py", "main", "--marker", str(marker), options=("--name", "failing"))
    assert counts(marker) == {"main": 1, "halve-10": 1, "step-0": 1, "step-1": 1, "step-2": 1}

    (marker / "go").touch()
    witness("rerun", *SCOPE, "failing", "--recover", "--name", "recovered", "--follow")
    assert "11.0" in witness("get", "io", *SCOPE, "recovered")
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
    told = witness.python("large.py", "ours")
    assert told == {"text": True, "numbers": True, "own": True}
