"""The scan for the processes of an attempt: what each mark finds, whom it spares, and when a pursuit ends."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from tests.support import eventually, wait_until

from flyte_server.clock import RealClock
from flyte_server.executors.common import kin, processes
from flyte_server.executors.common.kin import TOKEN_VARIABLE, Kin, Marks
from flyte_server.executors.common.processes import Seen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="marks of /proc")

_FORKS = """
import os, sys, time
sys.path.insert(0, {source!r})
from flyte._entrypoints.mark import TokenMark
mark = TokenMark()
if os.fork() == 0:
    os.setsid()
    mark.write({token!r})
    if os.fork() == 0:
        os.setsid()
        os.chdir("/")
        os.closerange(0, 64)
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(600)
"""
"""A host, its child that forks a daemon and ends, and the daemon, which executes nothing."""


@dataclass
class Family:
    """Processes of an attempt that has no host any more."""

    folder: Path
    token: str = field(default_factory=lambda: secrets.token_hex(12))
    _started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def marks(self) -> Marks:
        return Marks(self.token)

    @property
    def log(self) -> Path:
        return self.folder / "attempt.log"

    def start(self, *words: str, env: dict[str, str] | None = None, **how: object) -> int:
        """A process in a session of its own; without marks unless they are given."""
        chosen = {"cwd": "/", "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **how}
        begun = subprocess.Popen(
            words or ("sleep", "600"), env=env or {}, start_new_session=True, **chosen
        )
        self._started.append(begun)
        return begun.pid

    def shell(self, script: str, **how: object) -> int:
        return self.start("/bin/sh", "-c", script, **how)

    @property
    def with_token(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], TOKEN_VARIABLE: self.token}

    def found(self, *also: Marks) -> set[int]:
        return {seen.pid for seen in kin.find([self.marks, *also])[self.marks]}

    def strike(self) -> None:
        for seen in kin.find([self.marks])[self.marks]:
            seen.kill()
        for begun in self._started:
            with suppress(ProcessLookupError):
                os.killpg(begun.pid, signal.SIGKILL)
            begun.wait()


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    made = Family(tmp_path)
    yield made
    made.strike()


def pid_in(path: Path) -> int:
    return int(wait_until(lambda: path.exists() and path.read_text().strip()))


def test_a_program_is_known_by_the_token_in_its_environment(family: Family) -> None:
    own = family.start(env=family.with_token)
    family.start(env={TOKEN_VARIABLE: "x" + family.token})
    family.start(env={"OTHER": f"{TOKEN_VARIABLE}={family.token}"})
    wait_until(lambda: family.found() == {own})


def test_who_shares_the_session_of_one_with_the_token_is_kin(family: Family) -> None:
    pid_file = family.folder / "pid"
    script = f"env -i sleep 600 </dev/null >/dev/null 2>&1 & echo $! > {pid_file}; sleep 600"
    leader = family.shell(script, env=family.with_token)
    wait_until(lambda: {leader, pid_in(pid_file)} <= family.found())


def test_the_leaders_session_counts_when_nobody_has_the_token(family: Family) -> None:
    pid_file = family.folder / "pid"
    leader = family.shell(f"(sleep 600 & echo $! > {pid_file}); true", env={"PATH": "/bin"})
    orphan = pid_in(pid_file)
    wait_until(lambda: psutil.Process(leader).status() == psutil.STATUS_ZOMBIE)
    marks = Marks(family.token, leader)
    assert {seen.pid for seen in kin.find([marks])[marks]} == {orphan}
    assert family.found() == set()


def test_an_emptied_environment_is_betrayed_by_the_log(family: Family) -> None:
    with family.log.open("a") as log:
        writer = family.start(stdout=log)
    with family.log.open() as log:
        reader = family.start(stdin=log)
    marks = Marks(family.token, log_path=str(family.log))
    found = {seen.pid for seen in kin.find([marks])[marks]}
    assert found == {writer}, "who only reads the log is somebody who looks at it"
    assert reader not in found


def test_an_emptied_environment_is_betrayed_by_the_directory(family: Family) -> None:
    directory = family.folder / "work" / "h-1" / f"7.{family.token}"
    directory.mkdir(parents=True)
    inside = family.start(cwd=directory)
    wait_until(lambda: family.found() == {inside})
    directory.rmdir()
    assert family.found() == {inside}, "also when the directory has been removed"


def test_children_of_kin_are_kin(family: Family) -> None:
    pid_file = family.folder / "pid"
    script = f"cd /; setsid env -i sh -c 'echo $$ > {pid_file}; exec sleep 600' >/dev/null 2>&1"
    parent = family.shell(f"({script}) & sleep 600", env=family.with_token)
    child = pid_in(pid_file)
    wait_until(lambda: {parent, child} <= family.found())


def test_a_forked_daemon_that_closed_everything_is_known_by_its_memory(family: Family) -> None:
    source = str(Path(kin.__file__).parents[3])
    script = _FORKS.format(source=source, token=family.token)
    env = {TOKEN_VARIABLE: 64 * "-", "PATH": os.environ["PATH"]}
    host = family.start(sys.executable, "-c", script, env=env)
    (daemon,) = wait_until(family.found)
    assert daemon != host
    assert Path(f"/proc/{daemon}/cwd").readlink() == Path("/")
    assert os.getsid(daemon) != host


def test_what_gives_up_every_mark_escapes(family: Family) -> None:
    """The limit of the scan, written down: while a host lives it is not needed, orphans come back to the host."""
    pid_file = family.folder / "pid"
    script = f"cd /; exec setsid env -i sh -c 'echo $$ > {pid_file}; exec sleep 600'"
    family.shell(f"({script}) >/dev/null 2>&1 </dev/null &", env=family.with_token)
    escaped = pid_in(pid_file)
    wait_until(lambda: not family.found())
    os.kill(escaped, signal.SIGKILL)


def test_we_and_those_above_us_are_nobodys_kin(family: Family) -> None:
    """A look that found ourselves would end the control plane, and with it everything."""
    with family.log.open("a"):
        marks = Marks(family.token, os.getsid(0), str(family.log))
        found = {seen.pid for seen in kin.find([marks])[marks]}
    assert os.getpid() not in found
    assert os.getppid() not in found


def test_spared_processes_are_nobodys_kin(family: Family) -> None:
    own = family.start(env=family.with_token)
    wait_until(family.found)
    assert kin.find([family.marks], {own})[family.marks] == []


def test_one_look_serves_many_attempts(family: Family, tmp_path: Path) -> None:
    other = Family(tmp_path)
    own, foreign = family.start(env=family.with_token), other.start(env=other.with_token)

    def look() -> list[list[int]]:
        found = kin.find([family.marks, other.marks, Marks("nobody's")])
        return [[seen.pid for seen in each] for each in found.values()]

    try:
        wait_until(lambda: look() == [[own], [foreign], []])
    finally:
        other.strike()


def test_a_number_that_belongs_to_somebody_else_by_now_is_not_killed(family: Family) -> None:
    pid = family.start()
    before = Seen(pid, parent=1, session=pid, started=processes.start_ticks(pid) - 1)
    before.kill()
    assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_what_can_be_asked_without_proc_is_the_same(family: Family) -> None:
    """The way of macOS, tried on Linux; it has neither terminals nor start times."""
    pid = family.start(env=family.with_token)
    seen = processes._seen(pid)
    assert seen is not None
    asked = processes._asked(psutil.Process(pid))
    assert asked == Seen(pid, seen.parent, seen.session, started=0)
    assert processes._asked(psutil.Process(os.getpid())) is not None
    family.strike()
    with pytest.raises(psutil.NoSuchProcess):
        psutil.Process(pid)


async def test_a_pursuit_ends_when_nothing_is_alive(family: Family) -> None:
    script = "trap '' TERM; setsid sleep 600 & sleep 600"
    family.shell(script, env=family.with_token)
    wait_until(lambda: len(family.found()) == 3)
    pursuits = Kin(RealClock(), lambda: ())
    await asyncio.gather(*(pursuits.end(family.marks, never) for _ in range(3)))
    assert family.found() == set()
    await pursuits.end(Marks("nobody's"), never)


async def test_a_pursuit_goes_on_while_something_survives(family: Family) -> None:
    """A process that resists SIGKILL cannot be had in a test; one that comes anew each time can."""
    pursuits = Kin(RealClock(), lambda: ())
    survivor = family.start(env=family.with_token)
    wait_until(family.found)
    asked: list[float] = []

    def give_up(waited: float) -> bool:
        asked.append(waited)
        family.start(env=family.with_token)
        wait_until(family.found)
        return len(asked) > 3

    await pursuits.end(family.marks, give_up)
    assert len(asked) == 4, "it was asked again after each look that found something"
    assert asked == sorted(asked)
    await eventually(lambda: psutil.Process(survivor).status() == psutil.STATUS_ZOMBIE)


async def test_who_stops_waiting_stops_the_pursuit(family: Family) -> None:
    pursuits = Kin(RealClock(), lambda: ())
    waiting = asyncio.create_task(pursuits.end(family.marks, never))
    await pursuits.close()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.done()


def never(_waited: float) -> bool:
    return False
