"""A host of realistic size whose attempts do nearly nothing: they write one small file.  Started
by `host_fork.py`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from flyte._entrypoints.hosting import serve
from flyte._entrypoints.starters import Forker
from flyte._runtime import runner


class TrivialProgram:
    """Everything that a task's child has imported, and nothing that it does."""

    def preload(self, argv: Sequence[str], env: Mapping[str, str]) -> Path | None:
        assert runner.preload, "imported for its size"
        return None

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> int:
        Path(argv[1]).write_bytes(b"42")
        return 0


if __name__ == "__main__":
    serve(sys.argv[1:], Forker(TrivialProgram()))
