"""Plant known defects, one at a time, and see that the tests find each.

    python scripts/mutation_check.py            # all of them
    python scripts/mutation_check.py fencing    # those whose name contains the word
    python scripts/mutation_check.py --list

Each defect is a change of a few lines in a copy of the tree in a temporary directory; the working tree is not touched.
A defect is found when its tests fail.  Exit 1 if one was not found, or if its lines do not exist any more.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVER = "src/flyte_server"
WORLD = ("-m", "tests.sim.world", "--jobs", "1", "--seeds", "300", "-x")
"""The simulation, which ends at the first chunk of seeds that has a failure."""


def _pytest(*paths: str) -> tuple[str, ...]:
    return ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--timeout", "120", *paths)


@dataclass(frozen=True, slots=True)
class Defect:
    """A change that must not go unnoticed."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = WORLD
    """What finds it: arguments of Python."""


DEFECTS: Sequence[Defect] = (
    Defect(
        "fencing: a late report of an old attempt counts",
        f"{SERVER}/domain/transitions.py",
        "    foreign = fencing.objection(action, event.attempt)\n    if foreign is not None:\n"
        "        return _ignore(action, foreign)\n    started_at",
        "    if action.phase not in LIVE:\n        return _ignore(action, 'over')\n    started_at",
    ),
    Defect(
        "watching: the sentinel comes before the snapshot",
        f"{SERVER}/services/actions.py",
        "return itertools.chain(messages, (self.heartbeat(),))",
        "return itertools.chain((self.heartbeat(),), messages)",
    ),
    Defect(
        "committer: the answer comes before the commit",
        f"{SERVER}/engine/committer.py",
        "    async def _commit(self, batch: list[_Item]) -> None:\n        try:\n",
        "    async def _commit(self, batch: list[_Item]) -> None:\n"
        "        for item in batch:\n            _answer(item, None)\n        try:\n",
    ),
    Defect(
        "committer: a commit that the disk refused to keep counts as done",
        f"{SERVER}/engine/committer.py",
        "lasts = not done.must_last or await self._reached_disk()",
        "lasts = True",
    ),
    Defect(
        "recovery: the reconciler looks once",
        f"{SERVER}/engine/reconciler.py",
        "                    soon = await self.look(tasks)\n",
        "                    soon = await self.look(tasks)\n                    await asyncio.Event().wait()\n",
    ),
    Defect(
        "transitions: a terminal phase can be left",
        f"{SERVER}/domain/transitions.py",
        "    if action.phase.terminal:\n        return _ignore(",
        "    if action.phase is Phase.ABORTED:\n        return _ignore(",
        _pytest("tests/sim/test_decide.py"),
    ),
    Defect(
        "store: a save does not look at the version",
        f"{SERVER}/store/sql/actions.sql",
        "WHERE run_id = :run_id AND name = :name AND version = :expected;",
        "WHERE run_id = :run_id AND name = :name;",
        _pytest("tests/unit/flyte_server/engine", "tests/unit/flyte_server/store"),
    ),
    Defect(
        "abort: children of an aborted action go on",
        f"{SERVER}/store/sql/actions.sql",
        "    SELECT c.name FROM actions AS c JOIN tree AS t ON c.parent = t.name WHERE c.run_id = :run_id\n",
        "    SELECT c.name FROM actions AS c JOIN tree AS t ON c.parent = t.name WHERE c.run_id = -1\n",
    ),
    Defect(
        "retry: the user's budget pays for the system's failures",
        f"{SERVER}/domain/retry.py",
        "    if failure.blame is Blame.SYSTEM:\n",
        "    if failure.blame is None:\n",
    ),
    Defect(
        "leases: they never expire",
        f"{SERVER}/engine/leases.py",
        "        silent = self._silence.of(worker)\n",
        "        silent = 0.0\n",
    ),
    Defect(
        "leases: what we slept counts as the others' silence",
        f"{SERVER}/domain/silence.py",
        "self._awake += min(max(now - self._last, 0.0), self._most)",
        "self._awake += max(now - self._last, 0.0)",
        _pytest("tests/unit/flyte_server/domain", "tests/unit/flyte_server/engine"),
    ),
    Defect(
        "cache: a failed attempt publishes its outputs",
        f"{SERVER}/domain/transitions.py",
        "    if failure is None:\n        return _succeeded(action, attempt, event.at)\n",
        "    if failure is None:\n        return _succeeded(action, attempt, event.at)\n"
        "    if action.cache_key is not None and phase is Phase.FAILED:\n"
        "        published = _succeeded(action, attempt, event.at).publish\n"
        "        return Decision(_retry_or_finish(action, attempt, failure, now_us), attempt, published)\n",
    ),
    Defect(
        "retry: the next attempt does not wait for its backoff",
        f"{SERVER}/domain/transitions.py",
        "        due_at=now_us + plan.delay_us,\n",
        "        due_at=now_us,\n",
        _pytest("tests/unit/flyte_server/domain", "tests/unit/flyte_server/engine"),
    ),
    Defect(
        "kill: a process is asked once to end",
        f"{SERVER}/engine/reconciler.py",
        "        task.add_done_callback(lambda _: self._kills.pop(attempt, None))\n",
        "",
        _pytest("tests/unit/flyte_server/engine/test_reconciler.py"),
    ),
    Defect(
        "scheduler: what was aborted after its claim is launched",
        f"{SERVER}/engine/scheduler.py",
        "            if await self._still_wanted(action, aborts, seen):\n",
        "            if True:\n",
    ),
    Defect(
        "retry: a lost worker ends the action",
        f"{SERVER}/domain/transitions.py",
        'return Failure(WORKER_LOST, f"worker lost: {event.reason}", Blame.SYSTEM)',
        'return Failure(WORKER_LOST, f"worker lost: {event.reason}", Blame.SYSTEM, recoverable=False)',
    ),
    Defect(
        "intake: a parent that asks again gets its child twice, as an error",
        f"{SERVER}/engine/intake.py",
        "    if unit.action(ActionKey(run_id, command.name)) is not None:\n        return False\n",
        "",
    ),
    Defect(
        "capacity: parents that wait keep their places",
        f"{SERVER}/store/sql/actions.sql",
        "AND NOT EXISTS (",
        "AND NOT EXISTS (SELECT 1 WHERE 0) AND 0 < (SELECT 1) OR 0 AND NOT EXISTS (",
    ),
    Defect(
        "submitter: a request that was lost is not sent again",
        "src/flyte/_runtime/submitter.py",
        "                if error.is_final:\n",
        "                if True:\n",
    ),
    Defect(
        "informer: a stream that breaks is not opened again",
        "src/flyte/_runtime/informer.py",
        "            heard, error = await self._read_stream()\n",
        "            heard, error = await self._read_stream()\n            raise error\n",
    ),
)


def main() -> int:
    """Exit 1 if a defect was not found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only defects whose names contain one of these")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    chosen = [
        defect
        for defect in DEFECTS
        if not arguments.words or any(word in defect.name for word in arguments.words)
    ]
    if arguments.list:
        print("\n".join(defect.name for defect in chosen))
        return 0
    verdicts = [_check(defect) for defect in chosen]
    print(f"{verdicts.count(True)} of {len(verdicts)} planted defects were found")
    return 0 if all(verdicts) else 1


def _check(defect: Defect) -> bool:
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        tree = Path(folder)
        for name in ("src", "tests"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        if not _plant(defect, tree / defect.file):
            print(f"STALE      {defect.name}: its lines are not in {defect.file}", flush=True)
            return False
        began = time.monotonic()
        rc, last = _run(defect.tests, tree)
    verdict = "found" if rc else "NOT FOUND"
    print(f"{verdict:10} {defect.name} ({time.monotonic() - began:.0f} s) {last}", flush=True)
    return rc != 0


def _plant(defect: Defect, path: Path) -> bool:
    text = path.read_text()
    if defect.old not in text:
        return False
    path.write_text(text.replace(defect.old, defect.new))
    return True


def _run(tests: Sequence[str], tree: Path) -> tuple[int, str]:
    """The exit status of the tests, and the line that says why."""
    env = {**os.environ, "PYTHONPATH": f"{tree / 'src'}:{tree}"}
    made = subprocess.run(
        [sys.executable, *tests], cwd=tree, env=env, capture_output=True, text=True, check=False
    )
    lines = [
        line for line in made.stdout.splitlines() if line.startswith(("FAILED", "  * ", "E  "))
    ]
    errors = made.stderr.strip().splitlines()[-1:]
    return made.returncode, (lines or errors or [""])[0].strip()[:160]


if __name__ == "__main__":
    sys.exit(main())
