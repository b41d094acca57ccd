"""One attempt as its host sees it, and the messages that tell of it."""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from flyte._entrypoints.channel import Message
from flyte._entrypoints.child import Launch

_UNKILLABLE_SECONDS = 5.0
"""How long a process may resist SIGKILL (it hangs in the kernel) before its attempt counts as
ended all the same."""


@dataclass(slots=True, eq=False)
class Attempt:
    """From the launch to the acknowledgement of its end."""

    launch: Launch
    directory: Path
    """Private working directory."""
    pid: int = 0
    """0 before the fork."""
    started_us: int = 0
    """Microseconds since the epoch, like every moment in a message."""
    doomed: bool = False
    """Somebody asked for its end."""
    kill_at: float = math.inf
    """When SIGKILL is due, on the monotonic clock."""
    give_up_at: float = math.inf
    warned: set[int] = field(default_factory=set[int])
    """Processes outside of the group that got SIGTERM."""
    strays: dict[int, str] = field(default_factory=dict[int, str])
    """Processes that outlived their leader and were killed: number and description."""
    end: Message | None = None
    """What the control plane is told of the end, until it acknowledges."""

    def doom(self, now: float, grace_seconds: float) -> bool:
        """Set the time of SIGKILL; a later demand may only bring it nearer.

        Whether this is the first demand.
        """
        first, self.doomed = not self.doomed, True
        self.kill_at = min(self.kill_at, now + grace_seconds)
        return first

    def waits(self) -> Message:
        """Tells that the attempt is known and has no process yet."""
        return self._message("waiting", log_path=self.launch.log_path)

    def started(self) -> Message:
        """Tells that the attempt has a process."""
        return self._message(
            "started", pid=self.pid, at=self.started_us, log_path=self.launch.log_path
        )

    def refuse(self, reason: str, *, at: int, unfit: bool = False) -> Message:
        """The attempt never got a process; `unfit` says that none can get one in this host."""
        self.end = self._message("refused", reason=reason, unfit=unfit, at=at)
        return self.end

    def conclude(self, status: int, *, now: float, at: int) -> None:
        """The process ended with a wait status.

        What it left behind is due now, or when the grace is over.
        """
        code = os.waitstatus_to_exitcode(status)
        self.kill_at = self.kill_at if self.doomed else now
        self.give_up_at = max(self.kill_at, now) + _UNKILLABLE_SECONDS
        self.end = self._message(
            "exited",
            pid=self.pid,
            code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            detail="ended on request" if self.doomed else "",
            doomed=self.doomed,
            started_at=self.started_us,
            at=at,
        )

    def _message(self, op: str, **fields: object) -> Message:
        return {
            "op": op,
            "key": self.launch.key,
            "output_prefix": self.launch.output_prefix,
            **fields,
        }

    def note(self, text: str) -> None:
        """Add a line of ours to the attempt's log."""
        try:
            with Path(self.launch.log_path).open("a", encoding="utf-8") as log:
                log.write(f"flyte: {text}\n")
        except OSError as error:
            print(f"cannot write to {self.launch.log_path}: {error.strerror}")  # noqa: T201 - the host's own log
