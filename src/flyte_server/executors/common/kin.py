"""Whether anything of an attempt is alive, wherever it went; and its end.

A process is *kin* of an attempt by what it cannot help inheriting:

* the attempt's token in its environment: every program that was started below the attempt has it, and on Linux every
  forked process too (the host's children write it into the memory that they pass on);
* its session: that of the attempt's leader, or of a process that has the token;
* its output, which goes to the attempt's log;
* its working directory, which is the attempt's, unless it has a terminal: a person's shell may stand there;
* its parent, if that is kin.

What no mark betrays is a program that was started with an emptied environment, in a session of its own, with other
outputs, in another directory, and whose parent has ended.  While its host lives that one is caught too: orphans come
back to the host.  Without /proc (macOS) there are only environment, session and parents, and a forked process that
left its session has no mark.  A process of another user (`sudo`) can neither be looked at nor killed.
"""

import asyncio
import logging
import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from flyte_server.clock import Clock
from flyte_server.executors.common import processes
from flyte_server.executors.common.processes import Seen

TOKEN_VARIABLE = "FLYTE_ATTEMPT_TOKEN"
_TOKEN = re.compile(rb"(?:^|\0)" + TOKEN_VARIABLE.encode() + rb"=([^\0]+)")
_SCRIBE = b"scribe"
"""What the process that writes a host's logs shows in place of a token; it outlives the host until all is written."""
_DIRECTORY = re.compile(r"/work/[^/]+/\d+\.([^/ ]+)")
"""What `_entrypoints/nursery.py` calls the working directory of an attempt: its number and its token."""
_EMPTY_LOOKS = 2
"""So many in succession must find nothing: a look takes a while, and does not see a process that is being born or is
between two programs at that moment."""
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0
_MENTION_SECONDS = 2.0
"""How long SIGKILL may take before it is worth a line in the log."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Marks:
    """By what the processes of one attempt are known."""

    token: str
    leader: int = 0
    """The process that leads the attempt's session; 0: not known.  The number must be a fresh one: heard of from a host
    that was there until a moment ago."""
    log_path: str = ""
    """Empty: not known."""


def find(wanted: Collection[Marks], spared: Collection[int] = ()) -> dict[Marks, list[Seen]]:
    """What is alive of each of these attempts, by one look at all processes.

    Args:
        wanted: the attempts.
        spared: processes that are nobody's kin, whatever they look like: the control plane and its hosts.
    """
    alive = processes.all_alive()
    spared = {*spared, *_lineage(os.getpid(), alive)}
    strange = {alive[pid].session for pid in spared if pid in alive}
    alive = {pid: seen for pid, seen in alive.items() if pid not in spared}
    look = _Look(wanted)
    owners = {pid: owner for pid, seen in alive.items() if (owner := look.owner(seen)) is not None}
    for pid, seen in alive.items():
        owner = look.sessions.get(seen.session)
        if owner is not None and seen.session not in strange:
            owners.setdefault(pid, owner)
    _add_descendants(owners, alive)
    found: dict[Marks, list[Seen]] = {marks: [] for marks in wanted}
    for pid, owner in owners.items():
        found[owner].append(alive[pid])
    return found


def _lineage(pid: int, alive: Mapping[int, Seen]) -> Iterator[int]:
    """A process, its parent, and so on."""
    while pid in alive:
        yield pid
        pid = alive[pid].parent


class _Look:
    """The marks of several attempts, by what they are compared with."""

    def __init__(self, wanted: Collection[Marks]) -> None:
        self._by_token = {marks.token: marks for marks in wanted if marks.token}
        self._by_log = {marks.log_path: marks for marks in wanted if marks.log_path}
        self.sessions = {marks.leader: marks for marks in wanted if marks.leader}
        """Grows by the sessions of those that have a token: the leader makes one before anything else."""

    def owner(self, seen: Seen) -> Marks | None:
        """Whose process it is by its own marks."""
        token = _TOKEN.search(processes.environment(seen.pid))
        if token and token[1] == _SCRIBE:
            return None  # it writes to the logs of many
        marks = self._by_token.get(token[1].decode(errors="replace")) if token else None
        if marks is not None:
            self.sessions.setdefault(seen.session, marks)
            return marks
        if not seen.has_terminal:
            place = _DIRECTORY.search(processes.directory(seen.pid))
            marks = self._by_token.get(place[1]) if place else None
        return marks or self._by_output(seen)

    def _by_output(self, seen: Seen) -> Marks | None:
        written = processes.written_files(seen.pid) if self._by_log else ()
        return next((self._by_log[path] for path in written if path in self._by_log), None)


def _add_descendants(owners: dict[int, Marks], alive: Mapping[int, Seen]) -> None:
    children: defaultdict[int, list[int]] = defaultdict(list)
    for pid, seen in alive.items():
        children[seen.parent].append(pid)
    parents = list(owners)
    while parents:
        parent = parents.pop()
        for pid in children[parent]:
            if pid not in owners:
                owners[pid] = owners[parent]
                parents.append(pid)


def strike(wanted: Collection[Marks], spared: Collection[int] = ()) -> dict[Marks, list[Seen]]:
    """`find`, and SIGKILL to all that was found."""
    found = find(wanted, spared)
    for survivors in found.values():
        for seen in survivors:
            seen.kill()
    return found


@dataclass(slots=True, eq=False)
class _Pursuit:
    """Somebody waits for the end of an attempt's processes."""

    marks: Marks
    give_up: Callable[[float], bool]
    since: float
    over: asyncio.Future[None]
    empty_looks: int = 0
    """How many in succession have found nothing."""
    mentioned: set[int] = field(default_factory=set[int])


class Kin:
    """Ends what is left of attempts.  All who ask at the same time are served by the same looks: a look costs some
    milliseconds, however many attempts it is for.

    Args:
        clock: for pauses.
        spared: processes that are nobody's kin.
    """

    def __init__(self, clock: Clock, spared: Callable[[], Collection[int]]) -> None:
        self._clock = clock
        self._spared = spared
        self._pursuits: list[_Pursuit] = []
        self._work: asyncio.Task[None] | None = None

    async def end(self, marks: Marks, give_up: Callable[[float], bool]) -> None:
        """Return when nothing of the attempt is found alive any more; until then kill what is.

        Args:
            marks: how the processes are known.
            give_up: asked, with the seconds that have passed, while something survives; True: return all the same.
        """
        over = asyncio.get_running_loop().create_future()
        self._pursuits.append(_Pursuit(marks, give_up, self._clock.monotonic(), over))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._pursue(), name="kin")
        await over

    async def close(self) -> None:
        """Stop looking; who waits is cancelled."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        for pursuit in self._pursuits:
            pursuit.over.cancel()

    async def _pursue(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while self._pursuits:
            asked = list(self._pursuits)
            wanted = [pursuit.marks for pursuit in asked]
            found = await self._strike(wanted)
            ended = {
                pursuit
                for pursuit in asked
                if pursuit.marks in found and self._is_over(pursuit, found[pursuit.marks])
            }
            for pursuit in ended:
                if not pursuit.over.done():
                    pursuit.over.set_result(None)
            self._pursuits = [each for each in self._pursuits if each not in ended]
            if self._pursuits:
                await self._clock.sleep(pause)
                pause = _FIRST_PAUSE_SECONDS if ended else min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _strike(self, wanted: Collection[Marks]) -> Mapping[Marks, Collection[Seen]]:
        try:
            return await asyncio.to_thread(strike, wanted, self._spared())
        except Exception:  # noqa: BLE001 - the edge of a loop on whose answers ends of attempts wait
            _log.exception("the processes of this machine could not be looked at; trying again")
            return {}

    def _is_over(self, pursuit: _Pursuit, survivors: Collection[Seen]) -> bool:
        if pursuit.over.cancelled():
            return True
        if not survivors:
            pursuit.empty_looks += 1
            return pursuit.empty_looks >= _EMPTY_LOOKS
        pursuit.empty_looks = 0
        waited = self._clock.monotonic() - pursuit.since
        new = {seen.pid for seen in survivors} - pursuit.mentioned
        if new and waited > _MENTION_SECONDS:
            pursuit.mentioned |= new
            _log.warning(
                "attempt %s: processes survive SIGKILL and are killed again: %s",
                pursuit.marks.token,
                ", ".join(seen.describe() for seen in survivors),
            )
        return pursuit.give_up(waited)
