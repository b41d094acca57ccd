"""Every kind of process is killed or frozen at random moments; the results are those of an undisturbed run.

What is hit and how follows from the seed, which is printed; CHAOS_SEED repeats it, CHAOS=long blows for half an hour.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.chaos import books
from tests.e2e.chaos.books import Ledger
from tests.e2e.chaos.conftest import Strength
from tests.e2e.chaos.storm import Storm, attempts, hosts, scribes
from tests.e2e.plane import Plane, gone, here
from tests.support import wait_until

if TYPE_CHECKING:
    from subprocess import Popen

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

PROGRAMS = Path(__file__).parent / "programs"
HELPER_RETRIES = 30
"""As `programs/nested.py` has it."""


@dataclass
class Workload:
    """Some runs of the same tree, each watched by a `flyte run` of its own."""

    plane: Plane
    ledger: Ledger
    strength: Strength
    clients: "list[Popen[str]]" = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = [f"storm-{number}" for number in range(self.strength.runs)]

    def start(self) -> None:
        self.clients = [
            self.plane.begin(PROGRAMS / "nested.py", "tree", *self.inputs(self.ledger), name=name)
            for name in self.names
        ]
        wait_until(lambda: len(books.runs(self.plane.home)) == len(self.names), timeout_seconds=60)

    def inputs(self, ledger: Ledger) -> tuple[str, ...]:
        chosen = {
            "ledger": ledger,
            "branches": self.strength.branches,
            "width": self.strength.width,
            "seconds": self.strength.seconds,
        }
        return tuple(word for name, value in chosen.items() for word in (f"--{name}", str(value)))

    def watching(self) -> list[int]:
        return [client.pid for client in self.clients if client.poll() is None]

    def over(self) -> bool:
        return not books.unfinished(self.plane.home)


@pytest.fixture
def slots() -> int:
    """Few enough that the work lasts as long as the storm."""
    return 40


def undisturbed(workload: Workload, ledger: Ledger) -> object:
    """What the same program gives in one process, where nothing is broken."""
    ended = here(PROGRAMS / "nested.py", "tree", *workload.inputs(ledger), cwd=PROGRAMS)
    assert ended.phase == "succeeded", ended.error
    return ended.outputs


def test_nothing_is_lost_in_a_storm(
    plane: Plane, ledger: Ledger, strength: Strength, seed: int, tmp_path: Path
) -> None:
    print(f"seed {seed}; repeat with CHAOS_SEED={seed}")
    workload = Workload(plane, ledger, strength)
    storm = Storm(plane, seed, 2.5 * strength.lease_seconds, workload.watching)
    workload.start()
    storm.blow(strength.faults, over=workload.over, gap_seconds=strength.gap_seconds)
    wait_until(workload.over, timeout_seconds=strength.patience_seconds)

    calm = Ledger(tmp_path / "calm")
    expected = undisturbed(workload, calm)
    for name in workload.names:
        assert books.outputs(name, plane.port) == expected, f"seed {seed}"
    check_actions(workload, calm)
    check_executions(workload)
    check_nothing_is_left(workload)
    summarize(workload, storm)
    assert sum(storm.faults.values()) >= strength.faults / 2, (
        "a storm that hits nobody proves nothing"
    )


def check_actions(workload: Workload, calm: Ledger) -> None:
    """No action is lost, and the three who can be asked agree on all of them."""
    wanted = len(calm.lines("executed"))
    for run in workload.names:
        stored = books.stored(workload.plane.home, run)
        assert stored == books.told(run, workload.plane.port)
        assert {name: facts.phase for name, facts in stored.items()} == books.listed(run)
        assert {facts.phase for facts in stored.values()} == {"succeeded"}
        tasks = Counter(facts.task for facts in stored.values())
        assert sum(number for task, number in tasks.items() if task.startswith("chaos.")) >= wanted
        executed = {action for of_run, action, _ in workload.ledger.executions() if of_run == run}
        assert len(executed) == wanted


def check_executions(workload: Workload) -> None:
    """An attempt is executed once, and there are no more attempts than the budgets allow."""
    executions = workload.ledger.executions()
    assert set(executions.values()) == {1}, "an attempt was executed twice"
    for run in workload.names:
        stored = books.stored(workload.plane.home, run)
        for name, (user, system) in books.budgets(workload.plane.home, run).items():
            facts = stored[name]
            retries = HELPER_RETRIES if facts.task == "chaos.helped" else 0
            assert user <= retries, name
            assert system <= workload.strength.faults + 3, name
            done = [number for of, action, number in executions if (of, action) == (run, name)]
            assert all(1 <= number <= facts.attempts for number in done), name
            assert facts.attempts <= 1 + user + system, name


def check_nothing_is_left(workload: Workload) -> None:
    """No attempt, no process of an attempt, no open row."""
    plane = workload.plane
    wait_until(lambda: all(map(gone, workload.ledger.pids())), timeout_seconds=30)
    wait_until(lambda: not attempts(plane), timeout_seconds=30)
    known = {plane.pid, plane.guardian_pid, *workload.watching(), *(h.pid for h in hosts(plane))}
    known |= {scribe.pid for scribe in scribes(plane)}
    assert {each.pid for each in plane.processes()} <= known
    assert books.open_attempts(plane.home) == []
    wait_until(lambda: len(books.leases(plane.home)) <= 1 + len(hosts(plane)), timeout_seconds=60)


def summarize(workload: Workload, storm: Storm) -> None:
    executions = workload.ledger.executions()
    actions = {(run, action) for run, action, _ in executions}
    print(f"seed {storm.seed}: {sum(storm.faults.values())} faults")
    for (target, kind), number in sorted(storm.faults.items()):
        print(f"  {number:4} x {target}: {kind}")
    print(f"{len(actions)} actions in {len(workload.names)} runs, {len(executions)} executions")
    failures = [
        failed
        for run in workload.names
        for failed in books.budgets(workload.plane.home, run).values()
    ]
    user, system = (sum(numbers) for numbers in zip(*failures, strict=True))
    print(f"retries: {user} for the user's failures, {system} for the system's")
