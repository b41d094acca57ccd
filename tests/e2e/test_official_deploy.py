"""What one client deploys, the other lists, runs and calls."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.official.plane import SCOPE, Witness, marks, named, serving
from tests.e2e.plane import Ended, flyte

pytestmark = marks
RUN = ("--follow", *SCOPE, "--run-project", "flytesnacks", "--run-domain", "development")


@pytest.fixture
def witness(flyte_home: Path, tmp_path: Path) -> Iterator[Witness]:
    with serving(flyte_home, tmp_path) as made:
        yield made


def test_the_official_client_deploys_and_ours_runs(witness: Witness) -> None:
    said = witness("deploy", *SCOPE, "--all", "deploying.py")
    assert "official_tools.scale" in said
    again = witness("deploy", *SCOPE, "--all", "deploying.py")
    assert "Traceback" not in again

    listed = json.loads(flyte("-of", "json", "get", "task").stdout)
    names = {each["taskId"]["name"] for each in listed}
    assert names == {"official_app.main", "official_tools.scale"}
    help_text = flyte("run", "deployed-task", "official_tools.scale", "--help").stdout
    assert "--factor INTEGER  [default: 3]" in help_text
    ended = ours("official_app.main", "--n", "4")
    assert ended.outputs == {"o0": 12}, ended.error

    across = Ended.of(
        flyte(
            *("-of", "json", "run", "deploying_across.py", "across", "--n", "2"),
            expect=None,
        )
    )
    assert across.outputs == {"o0": 6 + 20}, across.error


def test_ours_deploys_and_the_official_client_runs(witness: Witness) -> None:
    flyte("deploy", "deploying_across.py")
    assert "own_app.shift" in witness("get", "task", *SCOPE)
    run = named(witness("run", *RUN, "deployed-task", "own_app.shift", "--n", "5"))
    assert "105" in witness.outputs(run)

    witness("deploy", *SCOPE, "--all", "deploying.py")
    called = named(
        witness(
            *("run", *RUN, "deployed-task", "official_app.main"),
            *("--n", "7", "--called", "own_app.shift"),
        )
    )
    assert "107" in witness.outputs(called)


def ours(task: str, *inputs: str) -> Ended:
    return Ended.of(flyte("-of", "json", "run", "deployed-task", task, *inputs, expect=None))
