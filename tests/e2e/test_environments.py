"""Images without Docker: tasks run in Python environments that a real control plane has made."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.plane import Ended, Plane, flyte
from tests.support import wait_until
from tests.wheels import wheel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
FILE = "environments.py"


@pytest.fixture(autouse=True)
def _wheels(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))
    folder = tmp_path / "wheels"
    wheel(folder, "w_one", value="11")
    wheel(folder, "w_two", value="22")
    wheel(folder, "w_picky", needs="protobuf<4")
    monkeypatch.setenv("TEST_WHEELS", str(folder))


def environments() -> list[dict[str, Any]]:
    return json.loads(flyte("-of", "json", "get", "environment").stdout)["environments"]


def half_made(plane: Plane) -> list[Path]:
    return list((plane.home / "environments").glob(".*"))


def test_a_task_has_what_its_image_asks_for_and_others_have_what_the_caller_has(
    plane: Plane,
) -> None:
    with pytest.raises(ModuleNotFoundError):
        __import__("w_one")
    ended = plane.run(FILE, "value")
    assert list((ended.outputs or {}).values()) == [
        11,
        "of the image",
        "of the task",
        "from a file",
    ]
    shown = flyte("run", FILE, "both")
    assert "making venv:" in shown.stderr
    assert "uv pip install" in shown.stderr
    values = list((plane.run(FILE, "both").outputs or {}).values())
    paths = {Path(each["path"]) for each in environments()}
    assert values[0] == 22
    assert {Path(str(value)) for value in values[1:]} == paths
    again = plane.run(FILE, "undeclared")
    assert list((again.outputs or {}).values()) == [sys.prefix, 11]


def test_ten_runs_at_once_have_it_made_once(plane: Plane) -> None:
    running = [plane.spawn("run", FILE, "value") for _ in range(10)]
    told = [process.communicate(timeout=200) for process in running]
    assert [process.returncode for process in running] == [0] * 10, told
    builds = {line for _, err in told for line in re.findall(r"ready after .*", err)}
    assert len(builds) == 1
    assert len(environments()) == 1
    assert half_made(plane) == []


def test_a_requirement_that_cannot_be_met_is_refused_in_the_words_of_uv(plane: Plane) -> None:
    refused = flyte("run", FILE, "impossible", expect=1)
    assert "the environment of image tests cannot be made; correct its layers" in refused.stderr
    assert "No solution found when resolving dependencies" in refused.stderr
    assert "w-picky" in refused.stderr
    assert json.loads(flyte("-of", "json", "get", "run").stdout) == []


def test_what_needs_an_image_builder_is_refused_before_anything_starts(plane: Plane) -> None:
    refused = flyte("run", FILE, "with_git", expect=1)
    assert "has a layer of apt packages (git)" in refused.stderr
    assert (
        "install them on this machine and leave the layer out, or use an image builder"
        in refused.stderr
    )
    assert json.loads(flyte("-of", "json", "get", "run").stdout) == []
    called = plane.run(FILE, "calls_git")
    assert called.error is not None
    assert "add its environment 'system' to depends_on" in called.error["message"]


def test_a_control_plane_that_was_killed_in_the_middle_of_a_build(plane: Plane) -> None:
    process = plane.spawn("run", FILE, "value")
    wait_until(
        lambda: any((plane.home / "environments").glob(".building-*/venv/bin/python")),
        timeout_seconds=60,
    )
    plane.kill()
    assert list((plane.home / "environments").glob("*-*/environment.json")) == []
    plane.start()
    assert plane.run(FILE, "value").phase == "succeeded"
    process.communicate(timeout=200)
    wait_until(lambda: half_made(plane) == [], timeout_seconds=60)
    assert len(environments()) == 1


def test_what_was_deleted_is_made_again_for_a_run_that_was_stored(plane: Plane) -> None:
    first = plane.run(FILE, "value")
    (there,) = environments()
    assert "w-one" in there["packages"]
    shown = flyte("get", "environment", there["name"]).stdout
    for line in ("package w-one", "variable MODE", "no run that goes on", there["python"]):
        assert line in shown
    assert json.loads(flyte("-of", "json", "get", "storage").stdout)["categories"]["environments"]
    flyte("delete", "environment", expect=2)
    assert "is deleted" in flyte("delete", "environment", there["name"]).stdout
    assert environments() == []
    again = Ended.of(flyte("-of", "json", "rerun", first.run))
    assert again.outputs == first.outputs
    assert [each["name"] for each in environments()] == [there["name"]]
    assert flyte("delete", "environment", "--unused").stdout.count("is deleted") == 1


def test_a_build_before_any_run(plane: Plane) -> None:
    made = json.loads(flyte("-of", "json", "build", FILE, "two").stdout)
    assert list(made) == ["two", "one"]
    assert {each["image"] for each in environments()} == set(made.values())
    wrong = flyte("build", FILE, "tow", expect=2)
    assert "did you mean 'two'" in wrong.stderr


def test_another_python(plane: Plane) -> None:
    refused = flyte("run", "environments_old.py", "main", expect=1)
    assert "the image asks for Python 3.10, and this SDK needs 3.11 or later" in refused.stderr
