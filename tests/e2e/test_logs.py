"""What attempts write, as people find it: with time, stream and attempt, live, searchable, bounded."""

import json
import re
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests import stored_logs
from tests.e2e.plane import Ended, Marks, Plane, flyte
from tests.support import wait_until

SPEAKING = "speaking.py"
pytestmark = pytest.mark.e2e


def logs(run: str, *options: str) -> list[dict[str, Any]]:
    """The log of a run's first action, line by line."""
    return json.loads(flyte("-of", "json", "get", "logs", run, *options).stdout)


def texts(found: list[dict[str, Any]], stream: str | None = None) -> list[str]:
    return [line["text"] for line in found if stream in {None, line["stream"]}]


def path_of(plane: Plane, run: str) -> Path:
    return next(plane.home.glob(f"logs/*/*/{run}/a0/1.log"))


def test_everything_that_is_written_is_there_with_time_and_stream(plane: Plane) -> None:
    done = plane.run(SPEAKING, "every_way")
    assert done.status == 0
    found = logs(done.run)
    out, err = texts(found, "out"), texts(found, "err")
    assert [line for line in out if not line.startswith(("x", "\x00"))] == [
        *("from print", "from a child", "from C", "no line end")
    ]
    assert "\x00\N{REPLACEMENT CHARACTER} binary \N{REPLACEMENT CHARACTER}" in out
    assert "".join(line for line in out if line.startswith("x")) == "x" * 200_000
    for wanted in ("to stderr", "a child complains", "from logging", "done"):
        assert wanted in err
    assert sum(line.endswith("%") for line in err) < 20, "of a progress bar some states are enough"
    trained = next(line for line in found if "trained" in line["text"])
    assert trained["text"] == "INFO trained loss=0.1 model=ünï"
    assert trained["fields"]["fields"] == {"loss": 0.1, "model": "ünï"}
    assert not any("not shown" in line for line in err)
    assert all(line["at"] for line in found)
    shown = flyte("get", "logs", done.run, "--timestamps", "--stream", "out").stdout.splitlines()
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00 from print$", shown[0])


def test_the_last_bytes_before_a_crash_and_a_kill_are_kept(plane: Plane) -> None:
    crashed, ended = plane.run(SPEAKING, "crash"), plane.run(SPEAKING, "killed")
    assert (crashed.phase, ended.phase) == ("failed", "failed")
    assert "the last words" in texts(logs(crashed.run), "out")
    assert "before the kill" in texts(logs(ended.run), "err")


def test_lines_are_seen_while_the_task_runs_and_partial_ones_too(
    plane: Plane, marks: Marks
) -> None:
    begun = plane.begin(SPEAKING, "live", "--marks", str(marks), name="live")
    wait_until(lambda: list(plane.home.glob("logs/*/*/live/a0/1.log")), timeout_seconds=30)
    following = plane.spawn("get", "logs", "live", "--follow")
    assert following.stdout is not None
    assert following.stdout.readline() == "early line\n"
    assert following.stdout.readline() == "a prompt: \n", "shown although its line has no end"
    marks.put("go")
    assert following.stdout.readline() == "answered\n"
    assert Ended.waited_for(begun).status == 0
    assert texts(logs("live"), "out") == ["early line", "a prompt: answered"], "joined afterwards"


def test_tasks_may_do_to_their_outputs_what_they_like(plane: Plane) -> None:
    closed = plane.run(SPEAKING, "closes")
    assert (closed.status, closed.outputs) == (0, {"o0": 7})
    assert texts(logs(closed.run)) == ["before"]
    left = plane.run(SPEAKING, "leaves_a_daemon")
    assert (left.status, left.outputs) == (0, {"o0": 3})
    found = logs(left.run)
    assert texts(found, "out") == ["the task", "the daemon"]
    assert any("ended what the task had left running" in line for line in texts(found, "system"))
    silent = plane.run(SPEAKING, "silent")
    assert logs(silent.run) == []
    assert not list(plane.home.glob(f"logs/*/*/{silent.run}")), "who says nothing costs no file"


def test_a_log_outlives_everything_that_wrote_it(plane: Plane) -> None:
    done = plane.run(SPEAKING, "killed")
    plane.kill()
    for process in plane.processes():
        process.kill()
    wait_until(lambda: not plane.processes())
    plane.start()
    assert "before the kill" in texts(logs(done.run), "err")


def test_the_search_finds_lines_with_their_surroundings(plane: Plane) -> None:
    done = plane.run(SPEAKING, "every_way")

    def grep(*options: str) -> dict[str, Any]:
        return json.loads(flyte("-of", "json", "get", "logs", done.run, *options).stdout)

    found = grep("--grep", r"from (print|C)$", "--stream", "out", "--since", "10m")
    assert texts(found["matches"]) == ["from print", "from C"]
    assert [match["action"] for match in found["matches"]] == ["a0", "a0"]
    match, *_ = grep("--grep", "a child c", "--fixed", "--context", "1")["matches"]
    assert (match["attempt"], match["stream"], match["text"]) == (1, "e", "a child complains")
    assert len(match["before"] + match["after"]) == 2
    assert grep("--grep", "from", "--until", "2001-01-01")["matches"] == []
    trained, *_ = grep("--grep", "loss=")["matches"]
    assert trained["fields"]["level"] == "INFO"
    refused = flyte("get", "logs", done.run, "--grep", "(", expect=None)
    assert refused.returncode != 0
    assert "no regular expression" in refused.stderr


def test_an_attempt_that_never_started_has_its_scheduling_events_as_its_log(
    plane: Plane, marks: Marks
) -> None:
    flyte("update", "limit", "environment", "speaking", "1")
    first = plane.begin(SPEAKING, "waits", "--marks", str(marks), name="first")
    wait_until((marks.folder / "running").exists, timeout_seconds=30)
    second = plane.begin(SPEAKING, "silent", name="second")
    wait_until(
        lambda: flyte("get", "logs", "second", expect=None).stdout.startswith("queued"),
        timeout_seconds=30,
    )
    waiting = texts(logs("second"), "system")
    assert waiting[0] == "queued"
    assert waiting[1].startswith("waits for")
    flyte("abort", "run", "second")
    Ended.waited_for(second)
    ended = texts(logs("second"))
    assert ended[0] == "queued"
    assert ended[-1].startswith("aborted before it started")
    marks.put("go")
    Ended.waited_for(first)


def test_a_flood_is_written_with_flat_memory_while_others_go_on(plane: Plane) -> None:
    begun = plane.begin(SPEAKING, "floods", "--megabytes", "200", name="flood")
    wait_until(lambda: list(plane.home.glob("logs/*/*/flood/a0/1.log")), timeout_seconds=30)
    following = plane.spawn("get", "logs", "flood", "--follow")
    other = plane.run(SPEAKING, "silent")
    assert other.status == 0
    largest = 0
    while begun.poll() is None:
        largest = max(largest, *(rss for rss in map(private, plane.processes())))
    assert Ended.waited_for(begun).status == 0
    following.kill()
    assert largest < 150 * 1024**2
    path = path_of(plane, "flood")
    wait_until(lambda: stored_logs.is_whole_at_end(path), timeout_seconds=30)
    assert path.stat().st_size > 200 * 1_000_000


def private(process: psutil.Process) -> int:
    """What a process has of its own; what hosts share with their children is not counted twice."""
    try:
        return process.memory_full_info().uss
    except psutil.Error:
        return 0
