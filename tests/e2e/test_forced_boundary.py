"""In this process with the boundary forced: the same values, error classes and counts as on a control plane."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.plane import PROGRAMS, Marks
from tests.e2e.test_modes import COUNTS, EXPECTED

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

_CLIENT = """
import json, sys
import flyte, zoo
run = flyte.with_runcontext(mode="local", force_serialization=True, name="forced").run(zoo.everything, sys.argv[1])
print(json.dumps(run.outputs()[0]))
"""


def test_values_errors_and_retries_are_those_of_a_control_plane(
    flyte_home: Path, tmp_path: Path
) -> None:
    marks = Marks(tmp_path / "marks")
    done = subprocess.run(
        [sys.executable, "-c", _CLIENT, str(marks)],
        cwd=PROGRAMS,
        check=True,
        capture_output=True,
        text=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told | EXPECTED == told
    assert marks.counts() == COUNTS

    # Each attempt of each action has left what one on a control plane leaves.
    attempts = [path.parent for path in flyte_home.glob("local/forced/*/[0-9]*/*.pb")]
    assert len(attempts) == len(set(attempts)) > len(EXPECTED)
