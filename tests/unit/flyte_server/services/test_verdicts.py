"""What an ended process left behind."""

import signal
from pathlib import Path

import pytest
from tests.fakes import messages

from flyte_server.domain.phases import Blame
from flyte_server.engine.ports import Exit
from flyte_server.services.launch.verdicts import FileVerdicts

VERDICTS = FileVerdicts()


async def test_exit_0_without_an_error_file_is_success(tmp_path: Path) -> None:
    assert await VERDICTS.of(str(tmp_path), Exit(code=0)) is None
    assert await VERDICTS.of(str(tmp_path / "never made"), Exit(code=0)) is None


@pytest.mark.parametrize("recoverable", [True, False])
@pytest.mark.parametrize("ended", [Exit(code=0), Exit(code=1), Exit(signal=9)])
async def test_an_error_file_is_the_verdict_however_the_process_ended(
    tmp_path: Path, ended: Exit, *, recoverable: bool
) -> None:
    document = messages.error_document("ValueError", "bad n", recoverable=recoverable)
    (tmp_path / "error.pb").write_bytes(document)
    failure = await VERDICTS.of(str(tmp_path), ended)
    assert failure is not None
    assert (failure.code, failure.message, failure.blame) == ("ValueError", "bad n", Blame.USER)
    assert failure.recoverable is recoverable


async def test_an_error_file_that_cannot_be_read_is_a_failure_all_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "error.pb").write_bytes(b"\xff\xff")
    failure = await VERDICTS.of(str(tmp_path), Exit(code=0))
    assert failure is not None
    assert failure.code == "UnreadableError"


@pytest.mark.parametrize(
    ("ended", "code", "blame", "says"),
    [
        (Exit(code=3), "ExitCode", Blame.USER, "exit code 3"),
        (Exit(signal=signal.SIGKILL), "Killed", Blame.SYSTEM, "out of memory"),
        (Exit(code=137), "Killed", Blame.SYSTEM, "SIGKILL"),
        (Exit(signal=signal.SIGTERM), "Interrupted", Blame.SYSTEM, "SIGTERM"),
        (Exit(signal=signal.SIGSEGV), "SIGSEGV", Blame.USER, "crashed"),
        (Exit(), "WorkerLost", Blame.SYSTEM, "nobody saw"),
        (Exit(code=3, detail="peak 2 GiB"), "ExitCode", Blame.USER, "(peak 2 GiB)."),
    ],
)
async def test_other_ends_are_told_in_a_sentence_with_who_is_to_blame(
    tmp_path: Path, ended: Exit, code: str, blame: Blame, says: str
) -> None:
    failure = await VERDICTS.of(str(tmp_path), ended)
    assert failure is not None
    assert (failure.code, failure.blame) == (code, blame)
    assert says in failure.message
    assert failure.message.endswith(".")
    assert failure.recoverable
