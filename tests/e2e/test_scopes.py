"""Projects, settings, secrets and their keys, the code of a run, durable time: from the command line to the task."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.plane import PROGRAMS, Ended, Marks, Plane, flyte, kill
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PROGRAM = "timely.py"
SLEEP_SECONDS = 6.0


def test_a_sleep_goes_on_where_the_killed_task_was(plane: Plane, marks: Marks) -> None:
    arguments = ("--marks", str(marks), "--seconds", str(SLEEP_SECONDS))
    following = plane.begin(PROGRAM, "sleeper", *arguments, name="asleep")
    wait_until(lambda: marks.lines("sleeper.pid"), timeout_seconds=30)
    wait_until(lambda: len(plane.actions("asleep")) == 3, timeout_seconds=30)
    kill(int(marks.lines("sleeper.pid")[0]))
    ended = Ended.waited_for(following)
    assert ended.phase == "succeeded", ended.error
    assert len(marks.lines("sleeper.pid")) == 2
    assert ended.outputs is not None
    began, woke = ended.outputs["o0"]
    assert SLEEP_SECONDS <= woke - began < SLEEP_SECONDS + 5


def test_the_narrowest_secret_wins_before_and_after_a_new_key(plane: Plane) -> None:
    scopes: dict[str, tuple[str, ...]] = {
        "of all": (),
        "of the domain": ("-d", "development"),
        "of the project": ("-p", "wx"),
        "of both": ("-p", "wx", "-d", "development"),
    }

    def told(*scope: str) -> str:
        ended = plane.run(PROGRAM, "told", options=scope)
        assert ended.outputs is not None, ended.error
        return ended.outputs["o0"][0]

    for value, scope in scopes.items():
        flyte("create", "secret", "token", "--value", value, *scope)
        assert told("-p", "wx") == value
    assert told("-p", "other") == "of the domain"
    rotated = json.loads(flyte("update", "secret-key", "--forget-old", "-o", "json").stdout)
    assert rotated["sealed"] == len(scopes)
    assert [key["id"] for key in json.loads(flyte("get", "secret-key", "-o", "json").stdout)] == [
        rotated["key"]
    ]
    assert told("-p", "wx") == "of both"
    shown = flyte("get", "secret").stdout + flyte("-o", "json", "get", "secret").stdout
    assert not any(value in shown for value in scopes)


def test_settings_are_edited_as_a_file_and_followed_by_runs(plane: Plane, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("environment_variables: {REGION: eu}\nlabels.team: weather\n")
    flyte("create", "secret", "token", "--value", "value")
    flyte("edit", "settings", "-d", "development", "--from-file", str(file))
    ended = plane.run(PROGRAM, "told")
    assert ended.outputs == {"o0": ["value", "eu"]}
    assert flyte("get", "run", "-q", "--with-label", "team=weather").stdout.split() == [ended.run]
    assert flyte("get", "run", "-q", "--with-label-key", "nothing").stdout == ""
    shown = flyte("get", "settings", "-p", "wx", "-d", "development").stdout
    assert '# labels: {"team": "weather"}  ## domain development' in shown
    flyte("get", "settings", "-d", "development", "-o", str(file))
    assert (
        "nothing was changed"
        in flyte("edit", "settings", "-d", "development", "-f", str(file)).stdout
    )
    file.write_text("pod_template_name: x\n")
    refused = flyte("edit", "settings", "-f", str(file), expect=1)
    assert "'pod_template_name' has no effect" in refused.stderr
    file.write_text("nonsense: x\n")
    assert "no setting 'nonsense'" in flyte("edit", "settings", "-f", str(file), expect=1).stderr


def test_an_archived_project_takes_in_nothing_new(plane: Plane) -> None:
    flyte("create", "project", "--id", "wx", "--name", "Weather", "-l", "zone=cold")
    ended = plane.run("talking.py", "surroundings", options=("-p", "wx"))
    flyte("update", "project", "wx", "--archive", "--description", "over")
    refused = plane.spawn("run", "-p", "wx", "talking.py", "surroundings")
    _, said = refused.communicate()
    assert refused.returncode == 1
    assert "flyte update project wx --unarchive" in said
    assert flyte("get", "run", "-p", "wx", "-q").stdout.split() == [ended.run]
    assert "wx" not in flyte("get", "project", "-q").stdout.split()
    assert flyte("get", "project", "--archived", "-q").stdout.split() == ["wx"]
    shown: dict[str, Any] = json.loads(flyte("get", "project", "wx", "-o", "json").stdout)
    assert (shown["description"], shown["labels"]) == ("over", {"values": {"zone": "cold"}})
    flyte("update", "project", "wx", "--unarchive")
    assert plane.run("talking.py", "surroundings", options=("-p", "wx")).phase == "succeeded"


def test_the_code_of_a_run_is_listed_and_brought_here(plane: Plane, tmp_path: Path) -> None:
    run = plane.run("talking.py", "surroundings").run
    listed = json.loads(flyte("get", "code", run, "-of", "json").stdout)
    assert "talking.py" in [each["name"] for each in listed]
    flyte("get", "code", run, "--dest", str(tmp_path / "there"))
    brought = (tmp_path / "there" / "talking.py").read_text()
    assert brought == (PROGRAMS / "talking.py").read_text()
    flyte("get", "code", run, "--dest", str(tmp_path / "archive"), "--no-extract")
    (archive,) = (tmp_path / "archive").iterdir()
    with tarfile.open(archive) as opened:
        assert "talking.py" in [name.removeprefix("./") for name in opened.getnames()]
    assert "--dest" in flyte("get", "code", run, "--no-extract", expect=2).stderr
    assert "1 attempts" in flyte("get", "code", run, "--attempt", "7", expect=1).stderr
