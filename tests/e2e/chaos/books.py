"""What is compared after a storm: the ledger of executions, the raw store, the API and the command line."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.plane import flyte

from flyte import _session
from flyte.remote import Action, Run


class Ledger:
    """A directory in which executions leave their lines; see `programs/ledger.py`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def lines(self, book: str) -> list[list[str]]:
        path = self.folder / book
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def executions(self) -> Counter[tuple[str, str, int]]:
        """How often each attempt (run, action, number) was executed."""
        return Counter(
            (run, action, int(number)) for run, action, number, _ in self.lines("executed")
        )

    def pids(self) -> set[int]:
        """Every process that has ever worked for an action."""
        return {
            int(line[-1]) for book in ("executed", "steps", "helpers") for line in self.lines(book)
        }

    def put(self, name: str) -> None:
        """Let those go on that wait for this file."""
        (self.folder / name).touch()


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """What one source says of an action."""

    task: str
    phase: str
    attempts: int


def stored(home: Path, run: str) -> dict[str, ActionFacts]:
    """What the database has, read past the control plane."""
    found = _rows(
        home,
        "SELECT a.name, a.task_name, a.phase, max(a.attempt, a.kind = 'trace')"
        " FROM actions a JOIN runs r ON r.id = a.run_id WHERE r.name = ?",
        run,
    )
    return {name: ActionFacts(task, phase, attempts) for name, task, phase, attempts in found}


def budgets(home: Path, run: str) -> dict[str, tuple[int, int]]:
    """Failures of each action, the user's and the system's, as the database has them."""
    found = _rows(
        home,
        "SELECT a.name, a.user_failures, a.system_failures FROM actions a JOIN runs r ON r.id = a.run_id"
        " WHERE r.name = ?",
        run,
    )
    return {name: (user, system) for name, user, system in found}


def open_attempts(home: Path) -> list[tuple[str, int, str]]:
    """Attempts that the database does not know to have ended."""
    return list(
        _rows(
            home,
            "SELECT action, number, phase FROM attempts"
            " WHERE phase NOT IN ('succeeded', 'failed', 'aborted', 'timed_out')",
        )
    )


def runs(home: Path) -> set[str]:
    """Runs whose creation was committed."""
    return {name for (name,) in _rows(home, "SELECT name FROM runs")}


def unfinished(home: Path) -> set[str]:
    """Runs that have not ended."""
    return {
        name
        for (name,) in _rows(
            home,
            "SELECT r.name FROM runs r JOIN actions a ON a.run_id = r.id AND a.parent IS NULL"
            " WHERE a.phase NOT IN ('succeeded', 'failed', 'aborted', 'timed_out')",
        )
    }


def leases(home: Path) -> set[str]:
    """Workers that hold a lease."""
    return {worker for (worker,) in _rows(home, "SELECT worker FROM leases")}


def told(run: str, port: int) -> dict[str, ActionFacts]:
    """What the API says, asked by a client elsewhere."""
    session = _session.Session(endpoint=f"http://127.0.0.1:{port}", insecure=True)
    with _session.using(session):
        return {
            each.name: ActionFacts(each.task_name or "", each.phase.value, each.pb2.status.attempts)
            for each in Action.listall(for_run_name=run)
        }


def listed(run: str) -> dict[str, str]:
    """Phases as `flyte get action RUN` lists them."""
    rows = json.loads(flyte("-of", "json", "get", "action", run).stdout)
    return {
        row["id"]["name"]: row["status"]["phase"].removeprefix("ACTION_PHASE_").lower()
        for row in rows
    }


def outputs(run: str, port: int) -> dict[str, object]:
    """Wait for the end of a run and read what it gave."""
    session = _session.Session(endpoint=f"http://127.0.0.1:{port}", insecure=True)
    with _session.using(session):
        found = Run.get(run)
        found.wait(quiet=True)
        return found.outputs().named_outputs


def _rows(home: Path, query: str, *values: object) -> Iterator[tuple]:
    with closing(sqlite3.connect(f"file:{home / 'state.db'}?mode=ro", uri=True)) as database:
        yield from database.execute(query, values).fetchall()
