"""Exit statuses of the `flyte` command: the one place, which `docs/cli.md` prints and a test compares.

A script can tell apart what it can do something about: mend the call, log in, start a control plane, or read
the message.
"""

from enum import IntEnum

from flyte import errors

_REFUSED = frozenset({"unauthenticated", "permission_denied"})


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    """It did what was asked; a run that was waited for has succeeded."""
    FAILED = 1
    """It failed, or the run did; the message on stderr says why."""
    USAGE = 2
    """The command was written wrongly: an unknown option, a missing argument, a value of another type."""
    NOT_YET = 3
    """This version cannot do that; the message says what to do instead."""
    NOT_ALLOWED = 4
    """The control plane wants a login, or another role."""
    UNREACHABLE = 5
    """Nobody answers at the control plane's address, or it can take nothing now (a full disk); try again later."""
    INTERRUPTED = 130
    """Ctrl-C, as shells have it."""


def of(error: BaseException) -> ExitCode:
    """The status for what a command raised.

    Example:
        >>> of(flyte.errors.ControlPlaneUnreachableError("unavailable", "nobody answers"))
        <ExitCode.UNREACHABLE: 5>
    """
    if isinstance(error, errors.ControlPlaneUnreachableError):
        return ExitCode.UNREACHABLE
    if isinstance(error, errors.UnionRpcError) and error.code in _REFUSED:
        return ExitCode.NOT_ALLOWED
    return ExitCode.FAILED
