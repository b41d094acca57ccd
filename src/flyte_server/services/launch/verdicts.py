"""What became of an ended process: read from what it left behind, not from its exit code alone.

A task that fails in user code writes `error.pb` and exits 0; so exit 0 means success only without
that file, and a process that ends in any other way died before it could say why.
"""

import signal
from pathlib import Path

from google.protobuf.message import DecodeError

from flyte_server import blobs
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Failure
from flyte_server.engine.ports import Exit
from flyte_server.services.wire import failures

ERROR_FILE = "error.pb"
_SHELL_SIGNAL_BASE = 128
_STOPPED_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT})


class FileVerdicts:
    """Implements `engine.ports.Verdicts` on attempt directories that are local files."""

    async def of(self, output_prefix: str, exit: Exit) -> Failure | None:  # noqa: A002
        """None for success, else the failure of the attempt.

        Reads in the event loop: one look for a small local file, thousands of times cheaper than a
        thread's turn.
        """
        return read_failure(blobs.local_path(output_prefix) / ERROR_FILE) or of_exit(exit)


def read_failure(path: Path) -> Failure | None:
    """The failure that an `error.pb` tells; None without the file."""
    try:
        document = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return failures.from_error_document(document)
    except DecodeError:
        return Failure(
            code="UnreadableError",
            message=f"The task failed, and its {path} is damaged; see the attempt's log.",
            blame=Blame.SYSTEM,
        )


def of_exit(ended: Exit) -> Failure | None:
    """The failure that an exit code or a signal means; None for exit code 0."""
    number = ended.signal
    if number is None and ended.code is not None and ended.code > _SHELL_SIGNAL_BASE:
        number = (
            ended.code - _SHELL_SIGNAL_BASE
        )  # a shell between us and the process reports it like this
    if number is not None and number in signal.valid_signals():
        return _of_signal(signal.Signals(number), ended.detail)
    if ended.code == 0:
        return None
    if ended.code is None:
        return Failure(
            code="WorkerLost",
            message=_sentence(
                "The task's process disappeared and nobody saw how it ended", ended.detail
            ),
            blame=Blame.SYSTEM,
        )
    return Failure(
        code="ExitCode",
        message=_sentence(
            f"The task's process ended with exit code {ended.code} without writing a result; see "
            "the attempt's log",
            ended.detail,
        ),
        blame=Blame.USER,
    )


def _of_signal(number: signal.Signals, detail: str) -> Failure:
    if number is signal.SIGKILL:
        said = (
            "The task's process was killed by SIGKILL; the usual cause is that the machine ran "
            "out of memory (then lower the number of parallel tasks or the memory they need)"
        )
        return Failure(code="Killed", message=_sentence(said, detail), blame=Blame.SYSTEM)
    if number in _STOPPED_FROM_OUTSIDE:
        said = f"The task's process was ended from outside by {number.name}"
        return Failure(code="Interrupted", message=_sentence(said, detail), blame=Blame.SYSTEM)
    said = f"The task's process crashed with {number.name} (native code?); see the attempt's log"
    return Failure(code=number.name, message=_sentence(said, detail), blame=Blame.USER)


def _sentence(text: str, detail: str) -> str:
    return f"{text} ({detail})." if detail else f"{text}."
