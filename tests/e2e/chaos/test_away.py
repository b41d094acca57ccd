"""The control plane is away under running actions: no action fails, nothing is executed twice, nothing is told twice.

CHAOS=long: ten minutes, under more than two hundred running actions.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.chaos import books
from tests.e2e.chaos.books import Ledger
from tests.e2e.chaos.conftest import Strength
from tests.e2e.plane import Plane, free_port, gone, kill
from tests.support import wait_until

if TYPE_CHECKING:
    from subprocess import Popen

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

PROGRAMS = Path(__file__).parent / "programs"
WIDTH = 9
RUN = "crowded"


@contextmanager
def stopped(plane: Plane) -> Iterator[None]:
    """The control plane accepts connections, and says nothing."""
    pid = plane.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def killed(plane: Plane) -> Iterator[None]:
    """The control plane refuses connections, and nobody starts it again."""
    plane.kill()
    yield
    plane.start()


def begin(plane: Plane, ledger: Ledger, parents: int) -> "Popen[str]":
    """A crowd of running actions, and a `flyte run` that prints what the first of them prints."""
    words = {"ledger": ledger, "parents": parents, "width": WIDTH}
    inputs = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    program = str(PROGRAMS / "nested.py")
    following = plane.spawn("run", "--follow", "--name", RUN, program, "crowd", *inputs)
    everybody = 1 + parents * (1 + WIDTH)
    wait_until(lambda: len(ledger.lines("executed")) == everybody, timeout_seconds=120)
    return following


@pytest.mark.parametrize("away", [stopped, killed])
def test_no_action_notices(
    plane: Plane,
    ledger: Ledger,
    strength: Strength,
    away: Callable[[Plane], "contextmanager[None]"],
) -> None:
    following = begin(plane, ledger, strength.parents)
    began = time.monotonic()
    with away(plane):
        ledger.put("away")  # parents record steps and call children that nobody accepts now
        wait_until(
            lambda: time.monotonic() > began + strength.away_seconds / 2, timeout_seconds=1e9
        )
        ledger.put("go")  # children end, and nobody hears of it now
        wait_until(lambda: time.monotonic() > began + strength.away_seconds, timeout_seconds=1e9)
    back = time.monotonic()
    said, complained = following.communicate(timeout=120)
    print(f"{len(ledger.lines('executed'))} actions, away for {back - began:.0f} s, ended", end=" ")
    print(f"{time.monotonic() - back:.1f} s after the control plane was back")
    check_output(following.returncode, said, complained)
    check_actions(plane, ledger, strength)


def check_output(status: int, said: str, complained: str) -> None:
    """What the task printed and what the command says, each once."""
    assert status == 0, complained
    # Between them may stand what the task's own log says of waiting for the control plane.
    lines = [line for line in said.splitlines() if not line.startswith("the control plane")]
    assert lines[:4] == ["line 1: before", "line 2: away", "line 3: go", "line 4: after"]
    assert len(lines) == 5, "and the output of the run"
    assert complained.count("has been away since") == 1, complained
    assert complained.count("is back") == 1, complained
    progress = [line for line in complained.splitlines() if "actions done" in line]
    assert len(progress) == len(set(progress)), "progress is not repeated"


def check_actions(plane: Plane, ledger: Ledger, strength: Strength) -> None:
    stored = books.stored(plane.home, RUN)
    assert stored == books.told(RUN, plane.port)
    assert {facts.phase for facts in stored.values()} == {"succeeded"}
    assert {facts.attempts for facts in stored.values()} == {1}, "no attempt was lost"
    assert set(ledger.executions().values()) == {1}
    parents, crowd = strength.parents, strength.parents * (WIDTH + 2) + 1
    assert len(ledger.executions()) == crowd, "late children too"
    assert len(ledger.lines("steps")) == parents
    wait_until(lambda: all(map(gone, ledger.pids())), timeout_seconds=30)


def test_somebody_else_is_at_the_old_address(
    plane: Plane, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another directory's control plane has taken the port: tasks neither believe it nor miss the new address."""
    following = begin(plane, ledger, parents=1)
    plane.kill()
    stranger = Plane(tmp_path / "elsewhere", port=plane.port)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("FLYTE_HOME", str(stranger.home))
        stranger.start()
        try:
            ledger.put("away")
            wait_until(lambda: "away since" in "".join(logs(plane)), timeout_seconds=30)
            elsewhere.setenv("FLYTE_HOME", str(plane.home))
            plane.port = free_port()
            plane.start()
            ledger.put("go")
            said, complained = following.communicate(timeout=60)
        finally:
            elsewhere.setenv("FLYTE_HOME", str(stranger.home))
            stranger.shut_down()
    assert following.returncode == 0, complained
    assert "line 4: after" in said
    stored = books.stored(plane.home, RUN)
    assert {(facts.phase, facts.attempts) for facts in stored.values()} == {("succeeded", 1)}
    assert books.runs(stranger.home) == set()


def logs(plane: Plane) -> list[str]:
    """What all attempts have said."""
    return [path.read_text() for path in (plane.home / "logs").rglob("*") if path.is_file()]


def test_a_run_goes_on_when_its_command_is_killed(plane: Plane, ledger: Ledger) -> None:
    following = begin(plane, ledger, parents=1)
    kill(following.pid)
    kill(plane.pid)  # and then the control plane, which nobody but its guardian starts again
    for moment in ("away", "go"):
        ledger.put(moment)
    wait_until(lambda: not books.unfinished(plane.home), timeout_seconds=60)
    stored = books.stored(plane.home, RUN)
    assert {(facts.phase, facts.attempts) for facts in stored.values()} == {("succeeded", 1)}
