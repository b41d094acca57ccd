"""The issue's promises on real data, through the real command line."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.plane import PROGRAMS, ROOT, Ended, Marks, Plane, flyte, here
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SWEEP = ROOT / "examples" / "digits" / "sweep.py"
HELLO = ROOT / "examples" / "hello.py"
DATA = ROOT / "examples" / "data.py"
READINGS = str(ROOT / "examples" / "readings.csv")


def attempts_of(plane: Plane, run: str, task: str) -> list[int]:
    return sorted(
        action["status"].get("attempts", 0)
        for action in plane.actions(run)
        if action["metadata"].get("task", {}).get("id", {}).get("name") == task
    )


def cache_of(plane: Plane, run: str, task: str) -> list[str]:
    return [
        action["status"].get("cacheStatus", "")
        for action in plane.actions(run)
        if action["metadata"].get("task", {}).get("id", {}).get("name") == task
    ]


def test_the_digits_sweep(plane: Plane) -> None:
    first = plane.run(SWEEP, "sweep", "--folds", "3")
    assert first.phase == "succeeded", first.error
    assert first.outputs is not None
    assert first.outputs["accuracy"] > 0.95
    assert attempts_of(plane, first.run, "digits_training.train") == [1] * 23 + [2]

    again = plane.run(SWEEP, "sweep", "--folds", "3")
    assert again.outputs == first.outputs
    assert cache_of(plane, again.run, "digits_training.train") == ["CACHE_HIT"] * 24

    assert here(SWEEP, "sweep", "--folds", "3").outputs == first.outputs


def test_a_run_is_found_again_by_every_command(plane: Plane) -> None:
    done = flyte("run", str(HELLO), "main", "--names", '["Ada", "Grace"]')
    assert done.stdout == "ActionOutputs(o0='Hello, Ada! Hello, Grace!')\n"
    run = re.search(r"flyte get action (\S+)\n", done.stderr)
    assert run, done.stderr
    name = run[1]

    assert name in flyte("get", "run").stdout
    assert "succeeded" in flyte("get", "run", name).stdout

    actions = flyte("get", "action", name).stdout.splitlines()
    assert [line.split()[0] for line in actions[1:]] == ["hello.main", "hello.greet", "hello.greet"]
    assert actions[2].startswith("  hello.greet"), "children stand below their caller"

    io = json.loads(flyte("-of", "json", "get", "io", name).stdout)
    assert io == {
        "inputs": {"names": ["Ada", "Grace"]},
        "outputs": {"o0": "Hello, Ada! Hello, Grace!"},
    }
    child = plane.actions(name)[1]["id"]["name"]
    assert "Hello, " in flyte("get", "io", name, child, "--outputs-only").stdout
    assert flyte("get", "logs", name).stdout == ""


def test_output_is_captured_below_python(plane: Plane) -> None:
    ended = plane.run("talking.py", "say", "--word", "there")
    said = flyte("get", "logs", ended.run).stdout.splitlines()
    assert set(said) >= {
        "printed there",
        "complained there",
        "written there",
        "echoed there",
        "from C there",
        "without a line end",
    }
    assert flyte("get", "logs", ended.run, "--lines", "1").stdout.count("\n") == 1


def test_a_log_can_be_followed(plane: Plane, marks: Marks) -> None:
    running = plane.begin("talking.py", "narrate", "--marks", str(marks), name="story")
    wait_until(lambda: marks.lines("began"), timeout_seconds=30)
    assert flyte("get", "logs", "story").stdout == "once upon a time\n", "what is there so far"

    following = plane.spawn("get", "logs", "story", "--follow")
    assert following.stdout is not None
    assert following.stdout.readline() == "once upon a time\n"
    marks.put("go")
    assert following.communicate(timeout=20)[0] == "they lived happily ever after\n"
    assert Ended.waited_for(running).phase == "succeeded"


def test_each_attempt_has_its_own_log(plane: Plane) -> None:
    ended = plane.run("talking.py", "says_and_fails")
    assert (ended.status, ended.phase) == (1, "failed")
    for attempt in (1, 2):
        said = flyte("get", "logs", ended.run, "--attempt", str(attempt)).stdout
        assert f"this is attempt {attempt - 1}\n" in said
        assert f"this is attempt {2 - attempt}\n" not in said


def test_a_second_run_takes_cached_results(plane: Plane, marks: Marks) -> None:
    first = plane.run("talking.py", "twice", "--marks", str(marks))
    again = plane.run("talking.py", "twice", "--marks", str(marks))
    assert first.outputs == again.outputs == {"o0": 5}
    assert marks.counts() == {"cached-1": 1, "cached-2": 1}
    assert cache_of(plane, again.run, "talking.cached") == ["CACHE_HIT"] * 2

    plane.run("talking.py", "twice", "--marks", str(marks), options=("--overwrite-cache",))
    assert marks.counts() == {"cached-1": 2, "cached-2": 2}


def test_a_file_is_known_by_its_content(plane: Plane, tmp_path: Path) -> None:
    copied = tmp_path / "copy.csv"
    copied.write_bytes(Path(READINGS).read_bytes())
    first = plane.run(DATA, "main", "--readings", READINGS)
    second = plane.run(DATA, "main", "--readings", str(copied))
    assert first.outputs is not None, first.error
    assert second.outputs is not None, second.error
    assert [run.outputs["o0"]["rows"] for run in (first, second)] == [3, 3]
    assert cache_of(plane, first.run, "data.main") == ["CACHE_POPULATED"]
    assert cache_of(plane, second.run, "data.main") == ["CACHE_HIT"]
    told = flyte("get", "action", second.run, "a0").stdout
    assert f"hit: the outputs of {first.run}/a0" in told
    copied.write_text(copied.read_text() + "2026-02-04,roof,6.0\n")
    third = plane.run(DATA, "main", "--readings", str(copied))
    told = flyte("get", "action", third.run, "a0").stdout
    assert f"miss: input readings changed since {first.run}/a0" in told


def test_environment_variables_of_environment_and_run(plane: Plane) -> None:
    ended = plane.run("talking.py", "surroundings", options=("--env", "FROM_RUN=yes"))
    assert ended.outputs == {"o0": {"GREETING": "hello", "FROM_RUN": "yes"}}


@pytest.mark.parametrize(
    "example",
    [
        ("hello.py", "main"),
        ("traces.py", "main"),
        ("retries.py", "main"),
        ("fan_out.py", "main", "--n", "6"),
    ],
    ids=lambda words: words[0],
)
def test_examples_give_the_same_in_both_modes(plane: Plane, example: tuple[str, ...]) -> None:
    file, *words = example
    remote = plane.run(ROOT / "examples" / file, *words)
    assert remote.phase == "succeeded", remote.error
    assert remote.outputs == here(ROOT / "examples" / file, *words).outputs


def test_a_failed_run_says_why_and_where(plane: Plane) -> None:
    done = flyte("run", "zoo.py", "through", "--n", "5", expect=1)
    assert done.stdout == ""
    assert re.search(
        r"^Error: run \S+ failed: child \S+ \(zoo\.leaf\) failed at zoo\.py:\d+ in leaf: ValueError: leaf 3$",
        done.stderr,
        re.MULTILINE,
    ), done.stderr
    assert 'raise ValueError(f"leaf {n}")' in done.stderr, "the user's traceback"
    assert "flyte get logs" in done.stderr


def script(file: Path, **environment: str) -> str:
    """What a script prints when it is run by Python itself."""
    done = subprocess.run(
        [sys.executable, str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        cwd=ROOT,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_script_runs_where_its_configuration_says(plane: Plane, tmp_path: Path) -> None:
    """Without an endpoint in its own process; the endpoint `local` is this machine's control plane."""
    file = PROGRAMS / "scripted.py"
    assert script(file) == "local ActionOutputs(o0=49)\n"
    assert "no runs" in flyte("get", "run").stdout

    config = tmp_path / "config.yaml"
    flyte("create", "config", "--endpoint", "local", "--output", str(config))
    assert script(file, FLYTECTL_CONFIG=str(config)) == "remote ActionOutputs(o0=49)\n"
    assert "scripted.square" in flyte("get", "run").stdout


def test_the_first_script_of_the_readme(plane: Plane, tmp_path: Path) -> None:
    source = re.search(
        r"```python\n# first\.py\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    assert source
    file = tmp_path / "first.py"
    file.write_text(source[1])
    ended = plane.run(file, "main", "--n", "5")
    assert ended.outputs == here(file, "main", "--n", "5").outputs == {"o0": 30}
    assert attempts_of(plane, ended.run, "first.square") == [1, 1, 1, 1, 2]
