"""Handles of runs, actions and tasks as tables for people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flyteidl2.core import catalog_pb2
from flyteidl2.project import project_service_pb2

from flyte import storage
from flyte._kit import clock, optional
from flyte._wire.caching.decisions import CacheDecision
from flyte._wire.conditions import messages
from flyte.cli.render import Table, duration, moment, size
from flyte.remote import Action, ActionDetails, Project, Run, RunDetails

_CACHE = {
    "CACHE_HIT": "hit",
    "CACHE_MISS": "miss",
    "CACHE_POPULATED": "miss",
    "CACHE_SKIPPED": "overwrite",
}
"""The wire's words for what the cache did: a miss that succeeded has filled the cache."""
_NOTHING = ("", "")
"""A line of facts that is left out."""
_NO_RUNS = "no runs; start one with: flyte run FILE TASK"


def runs(found: Iterable[Run]) -> Table:
    """One line per run."""
    rows = [
        (
            run.name,
            run.action.task_name or "",
            run.action.state,
            moment(run.action.start_time),
            duration(_took(run.action)),
        )
        for run in found
    ]
    return Table(("run", "task", "phase", "started", "took"), rows, when_empty=_NO_RUNS)


def run(details: RunDetails) -> Table:
    """Everything about one run."""
    labels = ", ".join(
        f"{key}={value}" for key, value in details.pb2.run_spec.labels.values.items()
    )
    earlier = details.action_details.origin or _NOTHING
    return _facts(
        ("run", details.name), *_about(details.action_details), earlier, ("labels", labels)
    )


def actions(found: Iterable[Action]) -> Table:
    """One line per action; what an action called stands below it, indented."""
    rows = [
        (
            "  " * depth + (action.task_name or action.name),
            action.name,
            action.state,
            str(action.pb2.status.attempts or ""),
            _cache(action),
            moment(action.start_time),
            duration(_took(action)),
        )
        for depth, action in _below_callers(list(found))
    ]
    columns = ("task", "action", "phase", "attempts", "cache", "started", "took")
    return Table(columns, rows, when_empty="the run has no such actions", name_at=1)


def action(
    details: ActionDetails,
    decision: CacheDecision | None = None,
    budgets: Iterable[tuple[str, str]] = (),
) -> Table:
    """Everything about one action.

    Args:
        details: the action.
        decision: why the cache had a result or none; without it only that it had one.
        budgets: what it has left of its retries, and what it waits for (`limits.explained`).
    """
    cache = _CACHE.get(details.cache_status, "")
    if decision is not None:
        cache = str(decision) if decision.is_about_cache else ""
    return _facts(
        ("action", details.name),
        ("parent", details.parent_name or ""),
        *_about(details),
        details.origin or _NOTHING,
        ("outputs of", details.recovered_from or ""),
        ("answer", _answer(details)),
        ("cache", cache),
        *budgets,
    )


def _answer(details: ActionDetails) -> str:
    """Of a condition: what it was answered with, and by whom."""
    if not details.pb2.HasField("signal_info"):
        return ""
    info = details.pb2.signal_info
    by = info.signalled_by.user
    who = by.spec.first_name or by.id.subject
    return f"{messages.value(info.output)} by {who}"


def values(given: Mapping[str, Mapping[str, Any] | None]) -> Table:
    """Inputs and outputs, one per line."""
    rows: list[tuple[str, str, str]] = []
    for kind, named in given.items():
        if named is None:
            rows.append((kind, "", "(none: it has not succeeded)"))
        else:
            rows.extend((kind, name, _shown(value)) for name, value in named.items())
    return Table(("", "name", "value"), rows, when_empty="it has neither inputs nor outputs")


def _shown(value: Any) -> str:
    """A value on one line; a file that is at hand with its size."""
    if optional.loaded("flyte.io") and isinstance(value, optional.module("flyte.io", "files").File):
        path = storage.local_path(value.path)
        if path is not None and path.is_file():
            return f"{value!r} ({size(path.stat().st_size)})"
    return repr(value)


def projects(found: Iterable[Project]) -> Table:
    """One line per project."""
    rows = [
        (project.pb2.id, project.pb2.name, project.pb2.description, _labels(project))
        for project in found
    ]
    columns = ("id", "name", "description", "labels")
    return Table(columns, rows, when_empty="no such projects; make one with: flyte create project")


def project(found: Project) -> Table:
    """Everything about one project."""
    state = project_service_pb2.ProjectState.Name(found.pb2.state)
    return _facts(
        ("project", found.pb2.id),
        ("name", found.pb2.name),
        ("description", found.pb2.description),
        ("state", state.removeprefix("PROJECT_STATE_").lower()),
        ("labels", _labels(found)),
    )


def _labels(found: Project) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(found.pb2.labels.values.items()))


def _facts(*pairs: tuple[str, str]) -> Table:
    return Table(("", ""), [pair for pair in pairs if pair[1]])


def _about(details: ActionDetails) -> Sequence[tuple[str, str]]:
    return (
        ("task", details.task_name or ""),
        ("phase", _phase(details)),
        ("attempts", str(details.attempts)),
        ("started", moment(details.start_time)),
        ("took", duration(details.runtime)),
        *_failure(details),
    )


def _phase(details: ActionDetails) -> str:
    """The phase; of an action that is being ended, with why and since when."""
    ending = details.ending
    if ending is None:
        return str(details.phase)
    since = f", since {moment(ending.since)}" if ending.since else ""
    return f"{ending}{since}; its processes are being ended"


def _failure(details: ActionDetails) -> Sequence[tuple[str, str]]:
    """What happened, and what to do about it; the evidence stands below the table (`evidence`)."""
    error = details.error()
    return (("error", error.headline), ("next", error.next_step)) if error else ()


def evidence(details: ActionDetails) -> str:
    """What the process of a failed action wrote down: traceback, stacks, measures; empty if there is nothing."""
    error = details.error()
    return error.evidence if error else ""


def _took(action: Action) -> timedelta | None:
    """From start to end; until now for an action that has not ended."""
    status = action.pb2.status
    if not status.HasField("start_time"):
        return None
    end: datetime = status.end_time.ToDatetime(tzinfo=UTC) if action.done() else clock.now()
    return max(end - action.start_time, timedelta())


def _cache(action: Action) -> str:
    """`hit` when the outputs are those of an earlier call; empty for an action that is not cached."""
    return _CACHE.get(catalog_pb2.CatalogCacheStatus.Name(action.pb2.status.cache_status), "")


def _below_callers(found: Sequence[Action]) -> Iterable[tuple[int, Action]]:
    """The actions with their depths, each below its caller (at the top if that was not found)."""
    names = {action.name for action in found}
    children: dict[str | None, list[Action]] = {}
    for action in found:
        parent = action.parent_name if action.parent_name in names else None
        children.setdefault(parent, []).append(action)
    waiting = [(0, action) for action in reversed(children.get(None, []))]
    while waiting:
        depth, action = waiting.pop()
        yield depth, action
        waiting.extend((depth + 1, child) for child in reversed(children.get(action.name, [])))
