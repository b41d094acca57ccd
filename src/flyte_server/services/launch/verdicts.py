"""What became of an ended process: read from what it left behind, not from its exit code alone.

A task that fails in user code writes `error.pb` and exits 0; so exit 0 means success only without that file and with
`outputs.pb`, and a process that ends in any other way died before it could say why.
"""

import json
from dataclasses import replace
from pathlib import Path

from google.protobuf.message import DecodeError

from flyte_server import blobs
from flyte_server.domain import telling
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Failure
from flyte_server.engine.ports import Exit
from flyte_server.services.launch import causes, scenes
from flyte_server.services.launch.kernel import OutOfMemoryKills
from flyte_server.services.wire import failures

ERROR_FILE = "error.pb"
OUTPUTS_FILE = "outputs.pb"
PARKED_FILE = "parked.json"


class FileVerdicts:
    """Implements `engine.ports.Verdicts` on attempt directories that are local files.

    Args:
        kills: what the kernel says of processes that it has ended.
    """

    def __init__(self, kills: OutOfMemoryKills | None = None) -> None:
        self._kills = kills or OutOfMemoryKills()

    async def of(self, output_prefix: str, exit: Exit) -> Failure | None:  # noqa: A002
        """None for success, else the failure of the attempt.

        Reads in the event loop: one look for a small local file, thousands of times cheaper than a
        thread's turn.
        """
        directory = blobs.local_path(output_prefix)
        overrun = exit.overrun
        if overrun is not None and overrun.ended:
            self._kills.since_last()  # where the kernel did it, it counts it too
            return causes.of_overrun(overrun, scenes.read(exit.scene))
        failure = read_failure(directory / ERROR_FILE)
        if failure is None and exit.code == 0:
            return None if (directory / OUTPUTS_FILE).exists() else causes.no_outputs()
        scene, oom_kills = scenes.read(exit.scene), self._kills.since_last()
        if failure is None:
            return causes.of_exit(exit, scene, oom_kills)
        if overrun is not None:
            failure = replace(failure, message=_with_overrun(failure.message, exit))
        return replace(failure, place=scene.place)

    async def awaited(self, output_prefix: str) -> tuple[str, ...]:
        """The names that the process wrote down before it gave itself back."""
        try:
            told = json.loads((blobs.local_path(output_prefix) / PARKED_FILE).read_bytes())
            names = told["awaits"]
        except (OSError, ValueError, TypeError, KeyError):
            return ()
        is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
        return tuple(names) if is_list else ()


def _with_overrun(message: str, ended: Exit) -> str:
    """The task's own error, with the bound that a process of it had hit."""
    told = telling.read(message)
    bound = f"a process of it was ended: {causes.figures(ended.overrun)}" if ended.overrun else ""
    evidence = f"{told.evidence}\n\n{bound}" if told.evidence else bound
    return str(replace(told, evidence=evidence))


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
            message=telling.told(
                f"The task failed, and what it wrote about it in {path} is damaged.",
                next_step="look at the attempt's log",
            ),
            blame=Blame.SYSTEM,
        )
