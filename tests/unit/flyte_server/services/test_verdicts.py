"""What an ended process left behind."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes import messages

from flyte_server.domain import telling
from flyte_server.domain.needs import Usage
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Failure
from flyte_server.engine.ports import (
    DISK_FULL,
    OUT_OF_MEMORY,
    TOO_MANY_PROCESSES,
    Exit,
    Overrun,
)
from flyte_server.services.launch.kernel import OutOfMemoryKills
from flyte_server.services.launch.verdicts import FileVerdicts

VERDICTS = FileVerdicts(OutOfMemoryKills(Path("/no/such/counters")))
MIB = 1024 * 1024
HEADER = json.dumps({"not_users": ["/lib/flyte/", "/lib/python/"]})
CRASH = f"""{HEADER}
Fatal Python error: Segmentation fault

Thread 0x02 (most recent call first):
  File "/lib/python/threading.py", line 331 in wait

Current thread 0x01 (most recent call first):
  File "/lib/python/ctypes/__init__.py", line 519 in string_at
  File "/code/train.py", line 12 in fit
  File "/code/train.py", line 40 in main
  File "/lib/flyte/_task.py", line 385 in execute
"""
STOPPED = f"""{HEADER}
Current thread 0x01 (most recent call first):
  File "/lib/python/selectors.py", line 468 in select

Task Task-1 (most recent call first):
  File "/lib/python/asyncio/tasks.py", line 649 in sleep
  File "/code/train.py", line 64 in fetch
"""


async def verdict(folder: Path, ended: Exit) -> Failure:
    failure = await VERDICTS.of(str(folder), ended)
    assert failure is not None
    return failure


async def test_exit_0_with_outputs_is_success(tmp_path: Path) -> None:
    (tmp_path / "outputs.pb").touch()
    assert await VERDICTS.of(str(tmp_path), Exit(code=0)) is None


@pytest.mark.parametrize("folder", ["", "never made"])
async def test_exit_0_without_outputs_is_no_success(tmp_path: Path, folder: str) -> None:
    failure = await verdict(tmp_path / folder, Exit(code=0))
    assert (failure.code, failure.blame) == ("NoOutputs", Blame.USER)


@pytest.mark.parametrize("recoverable", [True, False])
@pytest.mark.parametrize("ended", [Exit(code=0), Exit(code=1), Exit(signal=9)])
async def test_an_error_file_is_the_verdict_however_the_process_ended(
    tmp_path: Path, ended: Exit, *, recoverable: bool
) -> None:
    document = messages.error_document("ValueError", "bad n", recoverable=recoverable)
    (tmp_path / "error.pb").write_bytes(document)
    failure = await verdict(tmp_path, ended)
    assert (failure.code, failure.message, failure.blame) == ("ValueError", "bad n", Blame.USER)
    assert failure.recoverable is recoverable


async def test_an_error_file_that_cannot_be_read_is_a_failure_all_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "error.pb").write_bytes(b"\xff\xff")
    assert (await verdict(tmp_path, Exit(code=0))).code == "UnreadableError"


@pytest.mark.parametrize(
    ("ended", "code", "blame", "says"),
    [
        (Exit(code=3), "ExitCode", Blame.USER, "exit code 3"),
        (Exit(signal=signal.SIGKILL), "Killed", Blame.SYSTEM, "by SIGKILL from outside"),
        (Exit(code=137), "Killed", Blame.SYSTEM, "SIGKILL"),
        (Exit(signal=signal.SIGTERM), "Interrupted", Blame.SYSTEM, "SIGTERM"),
        (
            Exit(signal=signal.SIGSEGV),
            "SIGSEGV",
            Blame.USER,
            "crashed with SIGSEGV in native code.",
        ),
        (Exit(), "WorkerLost", Blame.SYSTEM, "nobody saw"),
        (Exit(code=3, detail="peak 2 GiB"), "ExitCode", Blame.USER, "(peak 2 GiB)."),
        (
            Exit(signal=9, overrun=Overrun(OUT_OF_MEMORY, 270 * MIB, 256 * MIB)),
            "OOMKilled",
            Blame.USER,
            "ran out of memory: it had 270 MiB of memory, and its bound is 256 MiB.",
        ),
        (
            Exit(signal=9, overrun=Overrun(DISK_FULL, 20 * MIB, 16 * MIB)),
            "DiskFull",
            Blame.USER,
            "filled its disk: it had 20 MiB in its working directory, and its bound is 16 MiB.",
        ),
        (
            Exit(signal=9, overrun=Overrun(TOO_MANY_PROCESSES, 1001, 1000)),
            "TooManyProcesses",
            Blame.USER,
            "it had 1001 of at most 1000 processes.",
        ),
    ],
)
async def test_other_ends_are_told_in_a_sentence_with_who_is_to_blame_and_what_to_do(
    tmp_path: Path, ended: Exit, code: str, blame: Blame, says: str
) -> None:
    failure = await verdict(tmp_path, ended)
    assert (failure.code, failure.blame) == (code, blame)
    told = telling.read(failure.message)
    assert says in told.sentence
    assert told.sentence.endswith(".")
    assert told.next_step
    assert failure.recoverable


async def test_a_crash_names_the_users_innermost_line(tmp_path: Path) -> None:
    failure = await verdict(tmp_path, Exit(signal=signal.SIGSEGV, scene=CRASH))
    told = telling.read(failure.message)
    assert told.sentence == (
        "The task's process crashed with SIGSEGV in native code called at train.py:12 in fit."
    )
    assert "string_at" in told.evidence, "what the user's line had called"
    assert "_task.py" not in told.evidence, "how every task is called"
    assert "threading.py" not in told.evidence


async def test_a_stop_names_where_the_task_waited(tmp_path: Path) -> None:
    failure = await verdict(tmp_path, Exit(code=143, detail="ended on request", scene=STOPPED))
    assert failure.place == "train.py:64 in fetch"
    assert "selectors.py" not in failure.message


@pytest.mark.parametrize("scene", ["", "no header\nat all", HEADER, f"{HEADER}\n\n"])
async def test_what_is_no_scene_names_no_place(tmp_path: Path, scene: str) -> None:
    failure = await verdict(tmp_path, Exit(signal=signal.SIGSEGV, scene=scene))
    assert failure.place == ""
    assert not telling.read(failure.message).evidence


async def test_a_part_that_was_ended_for_a_bound_is_evidence(tmp_path: Path) -> None:
    document = messages.error_document("BrokenProcessPool", "a worker died", recoverable=True)
    (tmp_path / "error.pb").write_bytes(document)
    overrun = Overrun(OUT_OF_MEMORY, 270 * MIB, 256 * MIB, ended=False)
    failure = await verdict(tmp_path, Exit(code=0, overrun=overrun))
    assert failure.code == "BrokenProcessPool"
    assert "a process of it was ended: it had 270 MiB of memory" in failure.message


async def test_the_kernels_own_count_tells_a_lack_of_memory(tmp_path: Path) -> None:
    counters = tmp_path / "vmstat"
    counters.write_text("pgfault 1\noom_kill 4\n")
    verdicts = FileVerdicts(OutOfMemoryKills(counters))
    killed = Exit(signal=signal.SIGKILL, usage=Usage(peak_memory=300 * MIB))
    first = await verdicts.of(str(tmp_path), killed)
    counters.write_text("pgfault 1\noom_kill 5\n")
    second = await verdicts.of(str(tmp_path), replace(killed))
    assert first is not None
    assert second is not None
    assert "has ended no process of this machine for want of memory" in first.message
    assert "its memory was 300 MiB at its peak" in first.message
    assert "the kernel has ended a process of this machine for want of memory" in second.message
