"""The children of a host: started, killed, reaped, and remembered until acknowledged."""

import math
import os
import shutil
import signal
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from flyte._entrypoints import child, hiding, mark, processes
from flyte._entrypoints.attempt import Attempt
from flyte._entrypoints.channel import Message
from flyte._entrypoints.child import Closable, Launch, Surroundings
from flyte._entrypoints.folders import Folder
from flyte._entrypoints.scribe.pens import Desk
from flyte._entrypoints.starters import Starter
from flyte._kit import clock, scenes

Key = tuple[object, ...]
_AT_ONCE = 4
"""Forks in a row: what the host touches in between is copied once for all of them."""
_DRAIN_POLL_SECONDS = 0.02
"""Where orphans do not come back to the host, nothing tells when the last one is gone."""


class Nursery:
    """Everything about processes; knows nothing of sockets.

    An attempt waits, then runs (it has a process), then drains (its process ended, others that it
    started may be left), then is over: kept until the control plane says that it knows.
    """

    def __init__(
        self,
        work: Path,
        starter: Starter,
        *,
        tell: Callable[[Message], None],
        inherited: Callable[[], tuple[Closable, ...]],
    ) -> None:
        self._work = work
        self._starter = starter
        self._tell = tell
        self._inherited = inherited
        self.variables = child.Variables()
        self.desk = Desk(self.variables.mark, self._is_no_attempt)
        self._prepared = False
        self._has_warned = False
        self._leaving = ""
        """Why the host takes nothing more; empty: it does."""
        self._serial = 0
        self._attempts: dict[Key, Attempt] = {}
        self._waiting: deque[Attempt] = deque()
        self._running: dict[int, Attempt] = {}
        self._doomed: list[Attempt] = []
        self._draining: list[Attempt] = []
        self._spares: list[Path] = []
        """Working directories in which earlier attempts have left nothing."""
        self._unrelated: set[int] = set()
        """Children of the host that belong to no attempt: what its imports started, and its own
        helpers."""

    @property
    def busy(self) -> bool:
        """Whether a process lives here or is about to."""
        return bool(self._waiting or self._running or self._draining)

    @property
    def empty(self) -> bool:
        """Whether there is nothing left that the control plane must know."""
        return not self._attempts

    def held(self) -> list[Message]:
        """What a control plane that connects must know: everything that waits, everything that runs,
        everything that ended."""
        waiting = [attempt.waits() for attempt in self._waiting]
        alive = [*self._running.values(), *self._draining]
        return [*waiting, *(attempt.started() for attempt in alive), *self.unacknowledged()]

    def unacknowledged(self) -> list[Message]:
        """How attempts ended whose end the control plane may not know."""
        draining = set(self._draining)
        return [a.end for a in self._attempts.values() if a.end and a not in draining]

    def patience(self) -> float:
        """Seconds until there is something to do without being told."""
        if self._waiting:
            return 0.0
        if self._draining:
            return _DRAIN_POLL_SECONDS
        due = min((attempt.kill_at for attempt in self._doomed), default=math.inf)
        return max(0.0, due - clock.monotonic())

    def add(self, launch: Launch) -> None:
        """Take over an attempt; one that is known already is not started again."""
        if launch.key not in self._attempts:
            self._serial += 1
            # The token in the name tells a scan whose process stands there.
            name = f"{self._serial}.{launch.token}".rstrip(".")
            attempt = Attempt(launch, self._work / name, self._work / f"spare-{self._serial}")
            self._attempts[launch.key] = attempt
            if self._leaving:
                self._refuse(attempt, self._leaving, leaving=True)
            else:
                self._waiting.append(attempt)

    def forget(self, keys: Iterable[Key]) -> None:
        """The control plane has kept how these ended."""
        for key in keys:
            self._attempts.pop(key, None)

    def start_some(self) -> None:
        """Start the attempts that have waited longest: a few at a time, so that messages are read in between."""
        for _ in range(min(_AT_ONCE, len(self._waiting))):
            self._start_one()

    def _start_one(self) -> None:
        attempt = self._waiting.popleft()
        launch = attempt.launch
        hidden = (*launch.hidden_env.values(), *launch.hidden_files.values())
        attempt.pens = self.desk.pens(launch.log_path, hidden, launch.log_bytes)
        unfit = self._starter.prepare(launch, attempt.direct_output)
        if not self._prepared:
            self._prepared = True
            self._unrelated |= processes.children()
        if unfit:
            self._warn_once(attempt, unfit)
            self._refuse(attempt, unfit, unfit=True)
        else:
            self._fork(attempt)

    def _warn_once(self, attempt: Attempt, unfit: str) -> None:
        """The one who can change it hears why actions of this environment start more slowly than others."""
        if not self._has_warned:
            self._has_warned = True
            attempt.note(
                f"every action of this environment starts in a fresh process, which takes about a second: {unfit}; "
                "start them inside of the task, or import that module there, to have them forked"
            )

    def _fork(self, attempt: Attempt) -> None:
        pens = () if attempt.pens is None else (attempt.pens,)
        attempt.scene = scenes.make()
        earlier = self._spares.pop() if self._spares else None
        surroundings = Surroundings(
            os.getpid(),
            Folder(attempt.directory, self._starter.links, attempt.spare, earlier),
            inherited=(*self._inherited(), self.desk, *pens),
            direct_output=attempt.direct_output,
            variables=self.variables,
            scene=attempt.scene,
        )
        try:
            pid = os.fork()
            if pid == 0:
                child.live(attempt.launch, surroundings, self._starter.perform)
        except OSError as error:
            scenes.close(attempt.scene)
            self._spares += [] if earlier is None else [earlier]
            self._refuse(attempt, f"the host could not fork: {error.strerror}")
            return
        attempt.pid, attempt.started_us = pid, _now_us()
        self._running[pid] = attempt
        if attempt.pens is not None:
            attempt.pens.close()
        self._tell(attempt.started())

    def _refuse(
        self, attempt: Attempt, reason: str, *, unfit: bool = False, leaving: bool = False
    ) -> None:
        if attempt.pens is not None:
            attempt.pens.close()
            self.desk.take_back(attempt.pens)
        self._tell(attempt.refuse(reason, at=_now_us(), unfit=unfit, leaving=leaving))

    def kill(
        self, key: Key, grace_seconds: float, overrun: Mapping[str, object] | None = None
    ) -> None:
        """End an attempt: SIGTERM now to its group and to all below it that left the group, SIGKILL
        after the grace.

        Args:
            key: which.
            grace_seconds: 0: SIGKILL follows at once.
            overrun: the bound that it has hit, if that is why; it is told with the end.
        """
        attempt = self._attempts.get(key)
        self._tell({"op": "killing", "key": key, "known": attempt is not None})
        if attempt is None or attempt.end is not None:
            return
        if attempt.pid == 0:
            self._waiting.remove(attempt)
            self._refuse(attempt, "it was ended before its process was started")
            return
        if not attempt.doomed:
            attempt.overrun = overrun
        if attempt.doom(clock.monotonic(), grace_seconds):
            self._doomed.append(attempt)
            # First who is there: what has lost its parent is a child of the leader only while that lives.
            below = processes.descendants(attempt.pid)
            _signal(attempt.pid, signal.SIGTERM)
            _warn(attempt, below)

    def note(self, key: Key, text: str) -> None:
        """Add a line of the platform to the log of an attempt that runs."""
        attempt = self._attempts.get(key)
        if attempt is not None and attempt.end is None:
            attempt.note(text)

    def leave(self, reason: str, grace_seconds: float) -> None:
        """The host has to go: end everything that runs; what waits, and what still comes, has to go elsewhere."""
        self._leaving = reason
        while self._waiting:
            self._refuse(self._waiting.popleft(), reason, leaving=True)
        for attempt in self._running.values():
            attempt.reason = reason if not attempt.doomed else attempt.reason
        self.kill_all(grace_seconds)

    def kill_all(self, grace_seconds: float) -> None:
        """End everything that runs."""
        for key, attempt in list(self._attempts.items()):
            if attempt.end is None:
                self.kill(key, grace_seconds)

    def reap(self) -> None:
        """Take note of the processes that have ended, and look after what they left behind."""
        while True:
            try:
                pid, status, spent = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            self._unrelated.discard(pid)
            self.desk.ended(pid)
            attempt = self._running.pop(pid, None)
            if attempt is not None:
                attempt.conclude(status, spent, now=clock.monotonic(), at=_now_us())
                self._draining.append(attempt)
        self._drain()

    def tick(self) -> None:
        """Do what is due by the clock."""
        now = clock.monotonic() if self._doomed else 0.0
        for attempt in self._doomed:
            if attempt.kill_at <= now and attempt.pid in self._running:
                _signal(attempt.pid, signal.SIGKILL)
        self._doomed = [
            attempt
            for attempt in self._doomed
            if attempt.kill_at > now and attempt.pid in self._running
        ]
        self._drain()

    def _drain(self) -> None:
        """Let go of ended attempts that left nothing behind; end what the others left behind."""
        if not self._draining:
            return
        now = clock.monotonic()
        strays = self._strays()
        waiting: list[Attempt] = []
        for attempt in self._draining:
            left = strays.get(attempt.pid, set())
            if not left and not processes.signal_group(attempt.pid, 0):
                self._finish(attempt)
            elif now >= attempt.give_up_at:
                self._unrelated |= left
                self._finish(attempt)
            else:
                _end_strays(attempt, left, now)
                waiting.append(attempt)
        self._draining = waiting

    def _strays(self) -> dict[int, set[int]]:
        """Children of the host that it never forked, by the attempt whose process they belonged to.

        Every attempt's process adopts the orphans below it, so what comes up here lost that process
        itself.  One that moved to a session of its own is known by its token; without one it is put
        down to the attempt that ended last.
        """
        found: dict[int, set[int]] = {}
        ended = {attempt.pid: attempt for attempt in self._draining}
        tokens = {attempt.launch.token: attempt for attempt in self._draining}
        for pid in processes.children() - self._running.keys() - self._unrelated:
            group, session = processes.group_and_session(pid)
            owner = ended.get(session) or ended.get(group) or tokens.get(mark.shown_by(pid))
            found.setdefault((owner or self._draining[-1]).pid, set()).add(pid)
        return found

    def _finish(self, attempt: Attempt) -> None:
        if attempt.strays and not attempt.doomed:
            attempt.note(
                f"ended what the task had left running: {', '.join(attempt.strays.values())}"
            )
        if attempt.pens is not None:
            self.desk.take_back(attempt.pens)
        attempt.note_crash()
        if attempt.launch.hidden_files:
            hiding.remove(attempt.pid)
        if attempt.end is not None:
            self._tell(attempt.end)
        if os.path.lexists(attempt.spare):
            self._spares.append(attempt.spare)
        elif os.path.lexists(attempt.directory):  # its child removes it, unless it is killed
            self._sweep(attempt.directory)

    def _is_no_attempt(self, pid: int) -> None:
        self._unrelated.add(pid)

    def _sweep(self, directory: Path) -> None:
        """Remove a directory, whatever its size, without making anybody wait."""
        try:
            pid = os.fork()
        except OSError:
            return  # it goes with the host's own directory
        if pid == 0:
            shutil.rmtree(directory, ignore_errors=True)
            os._exit(0)
        self._unrelated.add(pid)


def _signal(leader: int, number: int) -> None:
    """Signal a group; its leader alone as long as it has not made the group."""
    if not processes.signal_group(leader, number):
        processes.signal_one(leader, number)


def _warn(attempt: Attempt, below: set[int]) -> None:
    """SIGTERM, once, to processes that its group's SIGTERM has not reached."""
    for pid in below - attempt.warned:
        attempt.warned.add(pid)
        if processes.group_and_session(pid)[0] != attempt.pid:
            processes.signal_one(pid, signal.SIGTERM)


def _end_strays(attempt: Attempt, left: set[int], now: float) -> None:
    if now < attempt.kill_at:
        _warn(attempt, left)
        return
    for pid in left:
        attempt.strays.setdefault(pid, processes.describe(pid))
        processes.signal_one(pid, signal.SIGKILL)
    processes.signal_group(attempt.pid, signal.SIGKILL)


def _now_us() -> int:
    return int(clock.now().timestamp() * 1_000_000)
