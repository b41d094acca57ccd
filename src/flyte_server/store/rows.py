"""Rows to records and back, in one place for every table.

Columns stand in the order of the record's fields, so that a row becomes a record by position
(several times faster than by name); a test compares the two with the migrated schema.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from flyte_server.domain import errors
from flyte_server.domain.needs import Bounds, Needs, Pool, Usage
from flyte_server.domain.phases import Blame, CacheStatus, Kind, Phase
from flyte_server.domain.records import (
    Action,
    Answer,
    Attempt,
    Failure,
    Lease,
    Policy,
    Project,
    Recovery,
    Run,
    StartedBy,
    TaskVersion,
)

Connection = sqlite3.Connection
Row = tuple[Any, ...]
Params = Mapping[str, object]

RUN_COLUMNS = 15
"""How many columns a run has: in a joined row the action begins there."""

_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
_PHASES = {phase.value: phase for phase in Phase}
_KINDS = {kind.value: kind for kind in Kind}
_CACHE_STATUSES = {status.value: status for status in CacheStatus}
_RUN_LABELS, _RUN_RECOVERY, _RUN_TRIGGER = 5, 10, 14
_ACTION_KIND, _ACTION_PHASE, _ACTION_POLICY = 3, 4, 7
_ACTION_CACHE_STATUS, _ACTION_STOPPING, _ACTION_FAILURE = 17, 30, 31
_ACTION_ANSWER = 40
_ATTEMPT_PHASE, _ATTEMPT_FAILURE, _ATTEMPT_DEVICES, _ATTEMPT_USAGE = 4, 11, 13, 14


def run(row: Row) -> Run:
    """A row of `runs`.

    Raises:
        errors.Unreadable: when something in it is no value of its kind.
    """
    values = list(row)
    try:
        values[_RUN_LABELS] = json.loads(row[_RUN_LABELS])
        values[_RUN_RECOVERY] = _recovery(row[_RUN_RECOVERY])
        values[_RUN_TRIGGER] = _started_by(row[_RUN_TRIGGER])
        return Run(*values)
    except _UNREADABLE as error:
        raise errors.Unreadable(
            f"the row of run number {row[0]} cannot be read: {_said(error)}; repair it in state.db"
        ) from error


def runs_and_roots(found: Iterable[Row]) -> list[tuple[Run, Action]]:
    """Rows of `runs`, each with that of its root; those that cannot be read are left out."""
    readable: list[tuple[Run, Action]] = []
    for row in found:
        with suppress(errors.Unreadable):
            readable.append((run(row[:RUN_COLUMNS]), action(row[RUN_COLUMNS:])))
    return readable


def run_params(record: Run) -> Params:
    """The columns of a run but its id, which the database gives."""
    return {
        "project": record.project,
        "domain": record.domain,
        "name": record.name,
        "spec": record.spec,
        "labels": json.dumps(record.labels),
        "source": record.source,
        "created_at": record.created_at,
        "seq": record.seq,
        "max_concurrency": record.max_concurrency,
        "recovery": _recovery_text(record.recovery),
        "created_by": record.created_by,
        "trigger": _started_by_text(record.trigger),
    }


@dataclass(frozen=True, slots=True)
class Broken:
    """A row of `actions` that cannot be read."""

    run_id: int
    action: str
    error: str

    @property
    def subject(self) -> str:
        """Under which name it is set aside."""
        return f"read {self.run_id}/{self.action}"


class Found(list[Action]):
    """The actions of many rows; and the rows that could not be read, which keep nobody from the others."""

    def __init__(self, readable: Iterable[Action] = (), broken: Iterable[Broken] = ()) -> None:
        super().__init__(readable)
        self.broken = tuple(broken)


def broken(run_id: int, name: str, error: str) -> Broken:
    """What is told of a row that cannot be read."""
    return Broken(
        run_id, name, f"the row of action {name} of run number {run_id} cannot be read: {error}"
    )


def actions(found: Iterable[Row]) -> Found:
    """Rows of `actions`; one that cannot be read is left out, and told."""
    readable: list[Action] = []
    unreadable: list[Broken] = []
    for row in found:
        try:
            readable.append(_action(row))
        except _UNREADABLE as error:
            unreadable.append(broken(row[0], row[1], _said(error)))
    return Found(readable, unreadable)


def action(row: Row) -> Action:
    """A row of `actions`.

    Raises:
        errors.Unreadable: when something in it is no value of its kind.
    """
    try:
        return _action(row)
    except _UNREADABLE as error:
        raise errors.Unreadable(
            f"{broken(row[0], row[1], _said(error)).error}; it is set aside and tried again,"
            " everything else goes on: repair the row in state.db"
        ) from error


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _action(row: Row) -> Action:
    values = list(row)
    values[_ACTION_KIND] = _KINDS[row[_ACTION_KIND]]
    values[_ACTION_PHASE] = _PHASES[row[_ACTION_PHASE]]
    values[_ACTION_POLICY] = _policy(row[_ACTION_POLICY])
    values[_ACTION_CACHE_STATUS] = _CACHE_STATUSES[row[_ACTION_CACHE_STATUS]]
    values[_ACTION_STOPPING] = _failure(row[_ACTION_STOPPING])
    values[_ACTION_FAILURE] = _failure(row[_ACTION_FAILURE])
    values[_ACTION_ANSWER] = _answer(row[_ACTION_ANSWER])
    return Action(*values)


def phase(text: str) -> Phase | None:
    """The phase of a text; None if it is none."""
    return _PHASES.get(text)


def action_changes(record: Action, expected: int) -> Params:
    """What can change in an action, with the version that it must still have."""
    return {
        "run_id": record.run_id,
        "name": record.name,
        "expected": expected,
        "phase": record.phase.value,
        "output_uri": record.output_uri,
        "cache_status": record.cache_status.value,
        "cache_source": record.cache_source,
        "attempt": record.attempt,
        "token": record.token,
        "user_failures": record.user_failures,
        "system_failures": record.system_failures,
        "due_at": record.due_at,
        "queued_at": record.queued_at,
        "started_at": record.started_at,
        "attempt_started_at": record.attempt_started_at,
        "limit_at": record.limit_at,
        "ended_at": record.ended_at,
        "aborting": record.aborting,
        "stopping": _failure_text(record.stopping),
        "failure": _failure_text(record.failure),
        "version": record.version,
        "seq": record.seq,
        "slept_us": record.slept_us,
        "ending_since": record.ending_since,
        "answer": None if record.answer is None else json.dumps(asdict(record.answer)),
    }


def action_params(record: Action) -> Params:
    """All columns of a new action."""
    return {
        **action_changes(record, record.version),
        "parent": record.parent,
        "kind": record.kind.value,
        "task_name": record.task_name,
        "created_at": record.created_at,
        "policy": _policy_text(record.policy),
        "task_version": record.task_version,
        "short_name": record.short_name,
        "environment": record.environment,
        "group_name": record.group,
        "spec_digest": record.spec_digest,
        "input_uri": record.input_uri,
        "output_base": record.output_base,
        "cache_key": record.cache_key,
        "serial_key": record.serial_key,
        "queue": record.queue,
        "recovered_from": record.recovered_from,
        "lane": record.lane,
    }


def attempt(row: Row) -> Attempt:
    """A row of `attempts`."""
    values = list(row)
    values[_ATTEMPT_PHASE] = _PHASES[row[_ATTEMPT_PHASE]]
    values[_ATTEMPT_FAILURE] = _failure(row[_ATTEMPT_FAILURE])
    values[_ATTEMPT_DEVICES] = tuple(json.loads(row[_ATTEMPT_DEVICES] or "[]"))
    values[_ATTEMPT_USAGE] = _usage(row[_ATTEMPT_USAGE])
    return Attempt(*values)


def attempt_params(record: Attempt) -> Params:
    """All columns of an attempt."""
    return {
        "run_id": record.run_id,
        "action": record.action,
        "number": record.number,
        "token": record.token,
        "phase": record.phase.value,
        "worker": record.worker,
        "pid": record.pid,
        "queued_at": record.queued_at,
        "claimed_at": record.claimed_at,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "failure": _failure_text(record.failure),
        "output_uri": record.output_uri,
        "devices": json.dumps(record.devices) if record.devices else "",
        "usage": None if record.usage is None else json.dumps(asdict(record.usage)),
    }


def task_version(row: Row) -> TaskVersion:
    """A row of `tasks`."""
    made = TaskVersion(*row)
    return replace(made, is_entrypoint=bool(made.is_entrypoint))


def project(row: Row) -> Project:
    """A row of `projects`."""
    id_, name, description, state, labels, created_at = row
    return Project(id_, name, description, state, json.loads(labels), created_at)


def project_params(record: Project) -> dict[str, Any]:
    """The columns of a project."""
    return asdict(record) | {"labels": json.dumps(record.labels, sort_keys=True)}


@lru_cache(maxsize=1024)
def _policy(text: str) -> Policy:
    fields = json.loads(text)
    pool = fields.pop("pool", None)
    needs, bounds = Needs(**fields.pop("needs", {})), Bounds(**fields.pop("bounds", {}))
    return Policy(**fields, needs=needs, bounds=bounds, pool=Pool(**pool) if pool else None)


@lru_cache(maxsize=1024)
def _policy_text(policy: Policy) -> str:
    return json.dumps(asdict(policy))


def _started_by(text: str | None) -> StartedBy | None:
    return None if text is None else StartedBy(**json.loads(text))


def _started_by_text(trigger: StartedBy | None) -> str | None:
    return None if trigger is None else json.dumps(asdict(trigger))


def _recovery(text: str | None) -> Recovery | None:
    if text is None:
        return None
    fields = json.loads(text)
    return Recovery(fields["run_id"], tuple(fields["forced"]))


def _recovery_text(recovery: Recovery | None) -> str | None:
    return None if recovery is None else json.dumps(asdict(recovery))


def lease(row: Row) -> Lease:
    """A row of `leases`."""
    return Lease(*row)


def _answer(text: str | None) -> Answer | None:
    return None if text is None else Answer(**json.loads(text))


def _usage(text: str | None) -> Usage | None:
    return None if text is None else Usage(**json.loads(text))


def _failure(text: str | None) -> Failure | None:
    if text is None:
        return None
    fields = json.loads(text)
    return Failure(fields["code"], fields["message"], Blame(fields["blame"]), fields["recoverable"])


def _failure_text(failure: Failure | None) -> str | None:
    return None if failure is None else json.dumps(asdict(failure))
