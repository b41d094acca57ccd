"""A plain script as a run: its arguments, its files, what it leaves, and how it fails."""

import json
from pathlib import Path

import pytest
from tests.e2e.plane import Plane, flyte

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SCRIPT = """
import pathlib, sys
from below import helper
print("script says", sys.argv[1:], helper.X)
pathlib.Path("out").mkdir()
pathlib.Path("out/result.txt").write_text("done")
if "fail" in sys.argv:
    sys.exit(3)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "helper.py").write_text("X = 41\n")
    (tmp_path / "unneeded.bin").write_bytes(b"x")
    file = tmp_path / "plain.py"
    file.write_text(SCRIPT)
    return file


NEEDS = ("--memory", "200Mi", "--include-files", "below")


def test_a_script_runs_with_its_arguments_and_files_and_leaves_a_folder(
    plane: Plane, script: Path
) -> None:
    done = flyte(
        "-of", "json", "run", "--name", "s", "python-script", str(script), *NEEDS,
        *("--extra-args", "a,b", "--output-dir", "out"),
    )  # fmt: skip
    assert json.loads(done.stdout)["phase"] == "succeeded"
    assert "script says ['a', 'b'] 41" in flyte("get", "logs", "s").stdout
    told = json.loads(flyte("get", "io", "s", "-of", "json").stdout)
    assert (Path(told["outputs"]["o0"]["path"]) / "result.txt").read_text() == "done"
    sent = Path(told["inputs"]["code"]["path"])
    assert sorted(path.name for path in sent.rglob("*.*")) == ["helper.py", "plain.py"]


def test_a_script_that_fails_fails_the_run(plane: Plane, script: Path) -> None:
    command = ("run", "--name", "f", "python-script", str(script), *NEEDS)
    flyte(*command, "--extra-args", "fail", expect=1)
    shown = flyte("get", "action", "f", "a0").stdout
    assert "ScriptFailed: plain.py ended with exit status 3" in shown


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("../*", "is not below"), ("/etc/passwd", "is not below"), ("no*", "is called")],
)
def test_files_that_are_not_there_or_lie_elsewhere_are_refused(
    flyte_home: Path, script: Path, pattern: str, said: str
) -> None:
    done = flyte("run", "python-script", str(script), "--include-files", pattern, expect=1)
    assert said in done.stderr
