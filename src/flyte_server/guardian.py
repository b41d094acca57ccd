"""`python -m flyte_server.guardian HOME …`: the control plane as a child that is started again when it dies.

A run whose client has gone must not wait for the next `flyte` command because something killed the control plane.
The guardian starts `python -m flyte_server --home HOME …` and waits.  It is small on purpose: what
imports nothing has nothing to crash of.

* The control plane ended by a signal, or broke: it is started again, after a pause that grows from 0.1 s to 30 s.
* It ended cleanly (SIGTERM, `flyte stop server`), or refused to start (1: one sentence in the log, 2: wrong
  arguments): the guardian ends with the same status.
* The guardian gets SIGTERM or SIGINT: it passes it on, and ends when the control plane has ended.
* The guardian is killed: the control plane goes on without one, until somebody starts it anew.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0
_WELL_SECONDS = 60.0
"""A control plane that has lived so long was well: the pauses begin anew."""
_MEANT = (0, 1, 2)
"""Exit statuses that are an answer; starting it again would give the same."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Guardian:
    """Keeps one command alive.

    Args:
        command: program and arguments; the program's path is absolute.
        note: file that gets our process id, for whoever wants to end us; it stays when we are gone.
    """

    def __init__(self, command: Sequence[str], note: str) -> None:
        self._command = list(command)
        self._note = note
        self._child: int | None = None
        self._ending = False

    def keep(self) -> int:
        """Run the command until it ends on purpose, or we are told to; the exit status."""
        for number in _SIGNALS:
            signal.signal(number, self._end)
        self._leave_note()
        pause = _FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            status = self._run()
            if self._ending or status in _MEANT:
                return max(status, 0)
            if time.monotonic() - began >= _WELL_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            self._say(f"the control plane {_how(status)}; it is started again in {pause:g} s")
            select.select((), (), (), pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _leave_note(self) -> None:
        try:
            with open(self._note, "w", encoding="ascii") as note:  # noqa: PTH123 - pathlib doubles our start
                note.write(str(os.getpid()))
        except OSError as error:
            self._say(f"cannot write {self._note} ({error.strerror}): end the guardian by hand")

    def _run(self) -> int:
        """Start the command and wait for its end: its exit status, negative for a signal."""
        # A signal between the start and the note of whom it started would reach nobody.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        environment = os.environ  # noqa: TID251 - a process's edge: passed on as it is
        self._child = os.posix_spawn(
            self._command[0], self._command, environment, setsigmask=(), setsigdef=_SIGNALS
        )
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        _, status = os.waitpid(self._child, 0)
        self._child = None
        return os.waitstatus_to_exitcode(status)

    def _end(self, number: int, _: FrameType | None) -> None:
        self._ending = True
        if self._child is None:
            sys.exit(0)
        os.kill(self._child, number)

    def _say(self, sentence: str) -> None:
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        sys.stderr.write(f"{now} WARNING flyte_server.guardian: {sentence}\n")
        sys.stderr.flush()


def _how(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"broke (status {status})"


def main() -> int:
    """Guard the control plane on the directory that is our first argument; the others are its own."""
    home, *options = sys.argv[1:]
    command = [sys.executable, "-P", "-m", "flyte_server", "--home", home, *options]
    return Guardian(command, note=f"{home}/guardian.pid").keep()


if __name__ == "__main__":
    sys.exit(main())
