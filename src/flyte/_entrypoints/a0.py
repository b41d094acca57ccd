"""`a0`: the task process that a control plane starts, one per attempt, when it does not fork one
from a host."""

import os
import sys

from flyte import _loggers, errors
from flyte._entrypoints import child
from flyte._runtime import arguments, runner

_USAGE = 2


def main() -> None:
    """Perform one attempt and leave without the interpreter's teardown, which takes longer than
    many a task."""
    if _loggers.RECORDS_VARIABLE in os.environ:  # noqa: TID251 - a process's edge
        _loggers.write_records()
    try:
        code = runner.run(arguments.parse(sys.argv[1:], os.environ))  # noqa: TID251 - a process's edge
    except errors.ConfigError as error:
        print(f"a0: {error}", file=sys.stderr)  # noqa: T201 - a process's edge
        code = _USAGE
    except SystemExit as leaving:
        code = child.exit_code(leaving)
    child.leave(code)


if __name__ == "__main__":
    main()
