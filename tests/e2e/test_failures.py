"""Twelve induced failures: each has its type, one sentence, the evidence and the next step; real processes."""

import json
import re
import signal

import psutil
import pytest
from tests.e2e.plane import Ended, Marks, Plane, flyte, kill
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def of(plane: Plane, task: str, *arguments: str) -> tuple[str, str]:
    """Code and message of a task that fails."""
    ended = plane.run("failing.py", task, *arguments, options=("--name", task.replace("_", "-")))
    assert ended.error is not None, ended
    return ended.error["code"], ended.error["message"]


def sentence(message: str) -> str:
    return message.partition("\n")[0]


def next_step(message: str) -> str:
    return message.rpartition("\n\nnext: ")[2]


def is_shaped(message: str, evidence: str) -> bool:
    """Whether it has its evidence between the sentence and the next step."""
    first, _, rest = message.partition("\n\n")
    return bool(first) and evidence in rest.rpartition("\n\nnext: ")[0]


def test_an_exception(plane: Plane) -> None:
    code, message = of(plane, "raises")
    assert (code, sentence(message)) == ("ValueError", "no rows")
    assert is_shaped(message, "IndexError: list index out of range")
    assert "on 2026-01-01" in message, "its note"
    assert re.search(r'File "\S+/failing.py", line \d+, in deeper', message)
    frames = re.findall(r'File "(.*?)"', message)
    assert all(frame.endswith("/failing.py") for frame in frames), "the user's frames only"
    assert re.fullmatch(r"look at failing\.py:\d+ in raises", next_step(message))
    shown = flyte("get", "action", "raises", "a0").stdout
    assert "ValueError: no rows" in shown
    assert next_step(message) in shown
    assert "Traceback (most recent call last):" in shown
    log = flyte("get", "logs", "raises", "a0").stdout
    assert "ValueError: no rows" in log
    assert "_runtime" not in log


def test_an_exception_with_its_local_variables(plane: Plane) -> None:
    ended = plane.run("failing.py", "raises", options=("-e", "FLYTE_TRACEBACK_LOCALS=1"))
    assert ended.error is not None
    assert "n = 1000" in ended.error["message"]
    assert "rows = [0, 1, 2" in ended.error["message"]
    assert "secret_key = (hidden)" in ended.error["message"]
    assert "xyzzy" not in ended.error["message"].replace('secret_key = "xyzzy"', "")


def test_an_import_error(plane: Plane, marks: Marks) -> None:
    program = marks.folder / "imports.py"
    program.write_text(
        "import os\nimport flyte\n"
        "if os.environ.get('BROKEN'):\n    import no_such_library\n"
        "env = flyte.TaskEnvironment('imports')\n"
        "@env.task\nasync def main() -> int:\n    return 1\n"
    )
    ended = plane.run(program, "main", options=("-e", "BROKEN=1"), cwd=marks.folder)
    assert ended.error is not None
    assert ended.error["code"] == "ModuleLoadError"
    message = ended.error["message"]
    assert re.fullmatch(
        r"module imports \(\S+/imports\.py, line 4\) cannot be imported: ModuleNotFoundError: No module named "
        r"'no_such_library'; install no_such_library in the task's image, or add it to the code bundle",
        sentence(message),
    )
    assert is_shaped(message, "import no_such_library")
    assert next_step(message) == "look at imports.py:4 in <module>"


def test_an_output_that_cannot_be_stored(plane: Plane) -> None:
    code, message = of(plane, "unserializable")
    assert code == "Unserializable"
    assert re.fullmatch(
        r"outputs\.o0\['model'\]\['lock'\]: expected a value that can be stored, found lock <unlocked _thread\.lock "
        r"object at \S+>; it cannot be pickled \(cannot pickle '_thread\.lock' object\); return its data instead, or "
        r"register a TypeTransformer for lock",
        message,
    )


def test_out_of_memory(plane: Plane) -> None:
    code, message = of(plane, "out_of_memory")
    assert code == "OOMKilled"
    assert re.fullmatch(
        r"The task ran out of memory: it had \d+ MiB of memory, and its bound is 256 MiB\.",
        sentence(message),
    )
    assert next_step(message) == (
        'give it more, like resources=flyte.Resources(memory="512Mi"), or hold less in memory at once'
    )


def test_a_crash_in_native_code(plane: Plane) -> None:
    code, message = of(plane, "crashes")
    assert code == "SIGSEGV"
    assert re.fullmatch(
        r"The task's process crashed with SIGSEGV in native code called at failing\.py:\d+ in crashes\.",
        sentence(message),
    )
    assert is_shaped(message, "Fatal Python error: Segmentation fault")
    assert next_step(message).startswith("look at the library that this line calls")
    assert "Segmentation fault" in flyte("get", "logs", "crashes", "a0").stdout


def test_a_signal(plane: Plane) -> None:
    code, message = of(plane, "killed")
    assert code == "Killed"
    assert sentence(message) == (
        "The task's process was killed by SIGKILL from outside; the control plane did not ask for it."
    )
    assert is_shaped(message, "at its peak")
    assert "find who killed it" in next_step(message)


@pytest.mark.parametrize("task", ["awaits_too_long", "computes_too_long"])
def test_a_time_limit(plane: Plane, task: str) -> None:
    code, message = of(plane, task)
    assert code == "MaxRuntimeExceeded"
    assert re.fullmatch(
        rf"Attempt 1 of failing\.{task} ran for \d+\.\d s, longer than its max_runtime of 2 s; "
        rf"it was at failing\.py:\d+ in {task}\.",
        sentence(message),
    )
    assert is_shaped(message, "failing.py"), "the stacks of that moment"
    assert next_step(message) == (
        "make the task faster there, or raise max_runtime in its timeout=flyte.Timeout(…)"
    )


def test_a_full_disk(plane: Plane) -> None:
    code, message = of(plane, "disk_full")
    assert code == "DiskFull"
    assert re.fullmatch(
        r"The task filled its disk: it had \d+ MiB in its working directory, and its bound is 16 MiB\.",
        sentence(message),
    )
    assert 'resources=flyte.Resources(disk="32Mi")' in next_step(message)


def test_a_disk_without_room(plane: Plane) -> None:
    code, message = of(plane, "no_space")
    assert code == "DiskFull"
    assert sentence(message) == (
        "there is no room left: [Errno 28] No space left on device: '/data/big'"
    )
    assert re.fullmatch(r"look at failing\.py:\d+ in no_space", next_step(message))


def test_a_task_that_no_machine_can_take(plane: Plane) -> None:
    code, message = of(plane, "cannot_be_scheduled")
    assert code == "CannotSchedule"
    assert "900 Ti" in message or "921600" in message, message


def test_a_lost_worker(plane: Plane, marks: Marks) -> None:
    following = plane.begin("failing.py", "waits", "--marks", str(marks), name="lost")
    lost: list[str] = []
    for attempt in range(1, 5):
        wait_until(lambda n=attempt: len(marks.pids()) == n, timeout_seconds=60)
        host = psutil.Process(marks.pids()[-1]).parent()
        assert host is not None
        lost.append(str(host.pid))
        kill(host.pid)
    ended = Ended.waited_for(following, timeout=60)
    assert ended.error is not None
    assert ended.error["code"] == "WorkerLost"
    assert re.fullmatch(
        rf"worker lost: host h-\S+ \(process {lost[-1]}\) was killed by SIGKILL",
        sentence(ended.error["message"]),
    )
    assert next_step(ended.error["message"]).startswith("nothing: it is tried again")


def test_a_control_plane_that_cannot_be_reached(plane: Plane) -> None:
    plane.run("talking.py", "surroundings")
    asked = ("--endpoint", "http://127.0.0.1:9", "get", "run")
    said = flyte(*asked, expect=None)
    assert said.returncode != 0
    assert "cannot reach the control plane at http://127.0.0.1:9" in said.stderr
    assert "start it with `flyte start server`" in said.stderr.replace("\n", " ")


def test_an_abort_says_by_whom(plane: Plane, marks: Marks) -> None:
    following = plane.begin("failing.py", "waits", "--marks", str(marks), name="stopped")
    wait_until(marks.pids, timeout_seconds=60)
    flyte("abort", "run", "stopped", "--reason", "enough")
    assert Ended.waited_for(following).phase == "aborted"
    shown = flyte("get", "action", "stopped", "a0").stdout
    assert re.search(r"Aborted(Error)?: aborted by \S+: enough", shown), shown


def test_a_parents_failure_names_where_it_began(plane: Plane) -> None:
    ended = flyte("run", "--name", "deep", "failing.py", "root", "--n", "3", expect=1)
    names = {
        each["metadata"]["task"]["id"]["name"]: each["id"]["name"] for each in plane.actions("deep")
    }
    middle, leaf = names["failing.middle"], names["failing.leaf"]
    expected = (
        rf"child {middle} → {leaf} \(failing\.leaf\) failed at failing\.py:\d+ in deeper: "
        r"IndexError: list index out of range"
    )
    assert re.search(rf"Error: run deep failed: {expected}\n", ended.stderr), ended.stderr
    assert ended.stderr.count("Traceback (most recent call last):") == 1, "not the cascade"
    assert re.search(expected, flyte("get", "action", "deep", "a0").stdout)
    told = json.loads(flyte("-of", "json", "get", "action", "deep", "a0").stdout)
    assert re.match(expected, told["errorInfo"]["message"]), "for every client"


def test_a_group_of_failures_names_where_it_began(plane: Plane) -> None:
    code, message = of(plane, "group", "--n", "3")
    assert code in ("ExceptionGroup", "IndexError")
    shown = flyte("get", "action", "group", "a0").stdout
    assert re.search(r"child \S+ \(failing\.leaf\) failed at failing\.py:\d+ in deeper", shown)
    assert message


def test_a_parent_catches_each_by_its_class(plane: Plane) -> None:
    ended = plane.run("failing.py", "catches")
    assert ended.outputs == {
        "o0": [
            "RuntimeUserError: ValueError",
            "UnserializableError: Unserializable",
            "CrashedError: SIGSEGV",
            "KilledError: Killed",
            "MaxRuntimeExceededError: MaxRuntimeExceeded",
            "DiskFullError: DiskFull",
            "NoOutputsError: NoOutputs",
        ]
    }


def test_a_blocked_loop_is_told_while_it_is_blocked(plane: Plane) -> None:
    following = plane.spawn(
        *("-of", "json", "run", "--name", "blocked", "-e", "FLYTE_LOOP_STALL_SECONDS=1"),
        *("failing.py", "blocks", "--seconds", "20"),
    )
    wait_until(lambda: "event loop blocked" in _log("blocked"), timeout_seconds=60)
    assert following.poll() is None, "while it happens"
    assert re.search(
        r"flyte: event loop blocked for \d+ s at failing\.py:\d+ in blocks \(task failing\.blocks\)",
        _log("blocked"),
    )
    following.send_signal(signal.SIGINT)
    flyte("abort", "run", "blocked")


def _log(run: str) -> str:
    return flyte("get", "logs", run, "a0", expect=None).stdout
