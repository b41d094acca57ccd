"""One attempt as its host sees it, and the messages that tell of it."""

import math
import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flyte._entrypoints import child
from flyte._entrypoints.channel import Message
from flyte._entrypoints.child import Launch
from flyte._entrypoints.scribe import logfile
from flyte._entrypoints.scribe.pens import Pens
from flyte._kit import clock, scenes

_UNKILLABLE_SECONDS = 5.0
"""How long a process may resist SIGKILL (it hangs in the kernel) before its attempt counts as
ended all the same."""
_RESIDENT_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the system counts the memory of a process that has ended."""


@dataclass(slots=True, eq=False)
class Attempt:
    """From the launch to the acknowledgement of its end."""

    launch: Launch
    directory: Path
    """Private working directory."""
    spare: Path
    """Where that is left for the next attempt if nothing was written there."""
    pens: Pens | None = None
    """With what it writes its log; None: its output goes to the file as it is."""
    scene: int = -1
    """Descriptor of what its process writes down in its last moment."""
    pid: int = 0
    """0 before the fork."""
    started_us: int = 0
    """Microseconds since the epoch, like every moment in a message."""
    doomed: bool = False
    """Somebody asked for its end."""
    reason: str = "ended on request"
    """Why it was asked for, in a few words."""
    overrun: Mapping[str, object] | None = None
    """The bound for which its end was asked for; only the control plane reads it."""
    kill_at: float = math.inf
    """When SIGKILL is due, on the monotonic clock."""
    give_up_at: float = math.inf
    warned: set[int] = field(default_factory=set[int])
    """Processes outside of the group that got SIGTERM."""
    strays: dict[int, str] = field(default_factory=dict[int, str])
    """Processes that outlived their leader and were killed: number and description."""
    end: Message | None = None
    """What the control plane is told of the end, until it acknowledges."""

    def direct_output(self) -> None:
        """Let descriptors 1 and 2 of the calling process lead to the attempt's log."""
        if self.pens is not None:
            self.pens.take()
        else:
            child.redirect_output(self.launch.log_path)

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
            "started",
            pid=self.pid,
            at=self.started_us,
            log_path=self.launch.log_path,
            directory=str(self.directory),
            bounds=self.launch.bounds,
            cgroups=self.launch.cgroups,
            devices=self.launch.devices,
        )

    def refuse(
        self, reason: str, *, at: int, unfit: bool = False, leaving: bool = False
    ) -> Message:
        """The attempt never got a process.

        Args:
            reason: a sentence that says why.
            at: now.
            unfit: none can get one in this host.
            leaving: none gets one in this host any more.
        """
        self.end = self._message("refused", reason=reason, unfit=unfit, leaving=leaving, at=at)
        return self.end

    def conclude(self, status: int, spent: resource.struct_rusage, *, now: float, at: int) -> None:
        """The process ended with a wait status, and had used that much.

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
            detail=self.reason if self.doomed and not self.overrun else "",
            doomed=self.doomed,
            overrun=self.overrun,
            peak_memory=spent.ru_maxrss * _RESIDENT_UNIT,
            cpu_seconds=spent.ru_utime + spent.ru_stime,
            bounds=self.launch.bounds,
            cgroups=self.launch.cgroups,
            scene=self._last_moment(status),
            started_at=self.started_us,
            at=at,
        )

    def note_crash(self) -> None:
        """Add the stacks of a crash to the attempt's log."""
        if self.end is not None and self.end.get("signal") and not self.doomed:
            _, _, stacks = str(self.end["scene"]).partition("\n")
            for line in filter(None, stacks.splitlines()):
                self.note(line)

    def _last_moment(self, status: int) -> str:
        """What its process wrote down at the end that it did not choose."""
        text = scenes.read(self.scene) if status != 0 or self.doomed else ""
        scenes.close(self.scene)
        return text

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
            logfile.append_note(self.launch.log_path, f"flyte: {text}", clock.now_us())
        except OSError as error:
            print(f"cannot write to {self.launch.log_path}: {error.strerror}")  # noqa: T201 - the host's own log
