"""Rows to records and back, in one place for every table.

Columns stand in the order of the record's fields, so that a row becomes a record by position
(several times faster than by name); a test compares the two with the migrated schema.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from flyte_server.domain.phases import Blame, CacheStatus, Kind, Phase
from flyte_server.domain.records import (
    Action,
    Attempt,
    Failure,
    Lease,
    Policy,
    Project,
    Recovery,
    Run,
    TaskVersion,
)

Connection = sqlite3.Connection
Row = tuple[Any, ...]
Params = Mapping[str, object]

RUN_COLUMNS = 12
"""How many columns a run has: in a joined row the action begins there."""

_PHASES = {phase.value: phase for phase in Phase}
_KINDS = {kind.value: kind for kind in Kind}
_CACHE_STATUSES = {status.value: status for status in CacheStatus}
_RUN_LABELS, _RUN_RECOVERY = 5, 10
_ACTION_KIND, _ACTION_PHASE, _ACTION_POLICY = 3, 4, 7
_ACTION_CACHE_STATUS, _ACTION_STOPPING, _ACTION_FAILURE = 17, 30, 31
_ATTEMPT_PHASE, _ATTEMPT_FAILURE = 4, 11


def run(row: Row) -> Run:
    """A row of `runs`."""
    values = list(row)
    values[_RUN_LABELS] = json.loads(row[_RUN_LABELS])
    values[_RUN_RECOVERY] = _recovery(row[_RUN_RECOVERY])
    return Run(*values)


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
    }


def action(row: Row) -> Action:
    """A row of `actions`."""
    values = list(row)
    values[_ACTION_KIND] = _KINDS[row[_ACTION_KIND]]
    values[_ACTION_PHASE] = _PHASES[row[_ACTION_PHASE]]
    values[_ACTION_POLICY] = _policy(row[_ACTION_POLICY])
    values[_ACTION_CACHE_STATUS] = _CACHE_STATUSES[row[_ACTION_CACHE_STATUS]]
    values[_ACTION_STOPPING] = _failure(row[_ACTION_STOPPING])
    values[_ACTION_FAILURE] = _failure(row[_ACTION_FAILURE])
    return Action(*values)


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
    }


def attempt(row: Row) -> Attempt:
    """A row of `attempts`."""
    values = list(row)
    values[_ATTEMPT_PHASE] = _PHASES[row[_ATTEMPT_PHASE]]
    values[_ATTEMPT_FAILURE] = _failure(row[_ATTEMPT_FAILURE])
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
    }


def task_version(row: Row) -> TaskVersion:
    """A row of `tasks`."""
    return TaskVersion(*row)


def project(row: Row) -> Project:
    """A row of `projects`."""
    return Project(*row)


@lru_cache(maxsize=1024)
def _policy(text: str) -> Policy:
    return Policy(**json.loads(text))


@lru_cache(maxsize=1024)
def _policy_text(policy: Policy) -> str:
    return json.dumps(asdict(policy))


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


def _failure(text: str | None) -> Failure | None:
    if text is None:
        return None
    fields = json.loads(text)
    return Failure(fields["code"], fields["message"], Blame(fields["blame"]), fields["recoverable"])


def _failure_text(failure: Failure | None) -> str | None:
    return None if failure is None else json.dumps(asdict(failure))
