"""A host that imports a task's code once and then forks one child per attempt.

The control plane's process executor starts it, one per environment and code bundle:

    python -P -m flyte._entrypoints.host --home FLYTE_HOME --id ID --connection FD
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from flyte import _loggers
from flyte._entrypoints.hosting import serve
from flyte._entrypoints.starters import Forker
from flyte._runtime import arguments, runner


class TaskProgram:
    """Implements `starters.Program` with the runtime of tasks."""

    def preload(self, argv: Sequence[str], env: Mapping[str, str]) -> Path | None:
        return runner.preload(arguments.parse(argv, env))

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> int:
        _loggers.write_records()
        return runner.run(arguments.parse(argv, env))


def main() -> None:
    """Run the host until nobody needs it any more."""
    serve(sys.argv[1:], Forker(TaskProgram()))


if __name__ == "__main__":
    main()
