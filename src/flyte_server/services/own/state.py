"""ActionService: what an action is about to do, what it has left, and why it waits."""

from collections.abc import Mapping
from typing import Any

from flyte_server.clock import Clock
from flyte_server.domain.errors import Unreadable
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action, Attempt, Failure
from flyte_server.engine.admission import waiting
from flyte_server.engine.admission.waiting import Wait
from flyte_server.engine.engine import Engine
from flyte_server.services.directory import Directory
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.wire import ids
from flyte_server.services.wire.ids import RunName
from flyte_server.store import actions, aside
from flyte_server.store.actions import Holder
from flyte_server.store.aside import SetAside
from flyte_server.store.database import Database


class ActionService:
    """Explains the state of actions."""

    name = "ActionService"

    def __init__(
        self, directory: Directory, database: Database, *, engine: Engine, clock: Clock
    ) -> None:
        self._directory = directory
        self._database = database
        self._engine = engine
        self._clock = clock

    def methods(self) -> Mapping[str, Method]:
        return {"Explain": self.explain, "SetAside": self.set_aside}

    async def explain(self, request: Request) -> Payload:
        """`{project, domain, run, action?} -> {phase, aborting?, stopping?, budgets, attempts, due_at?, waits?,
        set_aside}`.

        `aborting` is the reason of an abort, and `stopping` the `{code, message}` of a time limit, while a process may
        still be alive.  `budgets` is `{user, system}`, each `{failures, allowed}`.  `attempts` are
        `{number, phase, worker, blame?, code?, message?}`.  `due_at` is when the next attempt may start.  `waits` says
        for what: `{reason, since, until?, ahead?, full, equal?}`, where `reason` is one of `backoff`, `limit`, `line`,
        `equal`; `full` are `{kind, name, most, said, holders}`, of a limit or of something that the machine has too
        little of now, and `said` is that for people.  `set_aside` are
        `{action, error, failures, since, until}`: what failed inside the control plane, and when it is tried again; of
        an action whose row cannot be read, `phase` is null and this is all.  Moments are microseconds since the epoch,
        as text.

        Raises:
            NotFound: there is no such run or action.
        """
        run = _run(request)
        name = ids.name(request.text("action", "a0"), where="action")
        facts = await self._directory.by_name(run)
        left = await self._database.read(aside.of, facts.run.id, name)
        set_aside = [_set_aside(entry) for entry in left]
        try:
            action = await self._directory.current(facts, name)
        except Unreadable:
            return {"phase": None, "set_aside": set_aside}
        found = await self._database.read(actions.attempts, action.run_id, action.name)
        wait = await self._database.read(
            waiting.why,
            action,
            self._engine.capacity,
            self._clock.now_us(),
            self._engine.processes.all,
        )
        return {
            "phase": action.phase.value,
            "aborting": action.aborting,
            "stopping": _failure(action.stopping),
            "budgets": _budgets(action),
            "attempts": [_attempt(each) for each in found],
            "due_at": str(action.due_at) if action.phase is Phase.QUEUED else None,
            "waits": None if wait is None else _wait(wait),
            "set_aside": set_aside,
        }

    async def set_aside(self, request: Request) -> Payload:
        """`{project, domain, run} -> {set_aside: [{action, error, failures, since, until}]}`: of all actions of a run.

        Raises:
            NotFound: there is no such run.
        """
        facts = await self._directory.by_name(_run(request))
        left = await self._database.read(aside.of, facts.run.id)
        return {"set_aside": [_set_aside(entry) for entry in left]}


def _run(request: Request) -> RunName:
    return RunName(
        ids.name(request.text("project"), where="project"),
        ids.name(request.text("domain"), where="domain"),
        ids.name(request.text("run"), where="run"),
    )


def _set_aside(entry: SetAside) -> dict[str, Any]:
    return {
        "action": entry.action,
        "error": entry.error,
        "failures": entry.failures,
        "since": str(entry.since),
        "until": str(entry.until),
    }


def _budgets(action: Action) -> dict[str, Any]:
    policy = action.policy
    return {
        "user": {"failures": action.user_failures, "allowed": policy.retries},
        "system": {"failures": action.system_failures, "allowed": policy.system_retries},
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    said: dict[str, Any] = {
        "number": attempt.number,
        "phase": attempt.phase.value,
        "worker": attempt.worker,
    }
    if attempt.failure is not None:
        failure = attempt.failure
        said |= {"blame": failure.blame.value, "code": failure.code, "message": failure.message}
    return said


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    return None if failure is None else {"code": failure.code, "message": failure.message}


def _wait(wait: Wait) -> dict[str, Any]:
    return {
        "reason": wait.reason,
        "since": str(wait.since),
        "until": None if wait.until is None else str(wait.until),
        "ahead": wait.ahead,
        "full": [
            {
                "kind": full.gate.kind,
                "name": full.gate.name,
                "most": full.most,
                "said": full.said,
                "holders": [shown_holder(each) for each in full.holders],
            }
            for full in wait.full
        ],
        "equal": None if wait.equal is None else shown_holder(wait.equal),
    }


def shown_holder(holder: Holder) -> dict[str, str]:
    """Who holds a place, or executes what others wait for."""
    return {
        "project": holder.project,
        "domain": holder.domain,
        "run": holder.run,
        "action": holder.action,
        "task": holder.task_name,
    }
