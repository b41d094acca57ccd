"""Which runs and actions a request means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from flyteidl2.workflow import run_service_pb2

from flyte_server.domain.errors import Invalid
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action
from flyte_server.services.listing import Page
from flyte_server.services.wire import ids
from flyte_server.store.filters import Filter, Function, Value, equal, one_of
from flyte_server.store.runs import RunQuery


def run_query(request: run_service_pb2.ListRunsRequest, page: Page, *, local: str) -> RunQuery:
    """The runs that a ListRuns asks for.

    Args:
        local: subject of the machine's user, whose those runs are of which nobody else is known.
    """
    query = RunQuery(
        filters=tuple(_whose(each, local) for each in page.filters),
        sorts=page.sorts,
        limit=page.fetch,
        offset=page.offset,
    )
    if request.paused_actions_only:
        query = replace(query, filters=(*query.filters, *equal(phase=Phase.PAUSED.value)))
    match request.WhichOneof("scope_by"):
        case "project_id":
            return _in_project(query, request.project_id.name, request.project_id.domain)
        case "task_name":
            task = request.task_name
            return _of_task(_in_project(query, task.project, task.domain), task.name, "")
        case "task_id":
            return _of_task(
                _in_project(query, request.task_id.project, request.task_id.domain),
                request.task_id.name,
                request.task_id.version,
            )
        case "trigger_name":
            of = request.trigger_name
            scope = equal(trigger_name=of.name or None, trigger_task=of.task_name or None)
            query = _in_project(query, of.project, of.domain)
            has_one = Filter(Function.EXISTS, "trigger")  # else the index of such runs is of no use
            return replace(query, filters=(*query.filters, has_one, *scope))
        case _:
            return query


def watch_query(request: run_service_pb2.WatchRunsRequest, *, limit: int) -> RunQuery:
    """The runs that a WatchRuns follows: the newest ones."""
    query = RunQuery(limit=limit)
    match request.WhichOneof("target"):
        case "project_id":
            return _in_project(query, request.project_id.name, request.project_id.domain)
        case "task_id":
            return _of_task(
                _in_project(query, request.task_id.project, request.task_id.domain),
                request.task_id.name,
                request.task_id.version,
            )
        case _:
            return query


def narrowed(query: RunQuery, projects: frozenset[str] | None) -> RunQuery:
    """A query that shows runs of these projects only; None: of all."""
    return replace(query, filters=(*query.filters, *one_of("project", projects)))


def _whose(wanted: Filter, local: str) -> Filter:
    """A filter on the owner, to whom also belongs what earlier releases left without one."""
    asks = wanted.field.lower() == "created_by" and local in wanted.values
    if asks and wanted.function in {Function.EQUAL, Function.VALUE_IN}:
        return Filter(Function.VALUE_IN, wanted.field, (*wanted.values, ""))
    if asks and wanted.function in {Function.NOT_EQUAL, Function.VALUE_NOT_IN}:
        return Filter(Function.VALUE_NOT_IN, wanted.field, (*wanted.values, ""))
    return wanted


def _in_project(query: RunQuery, project: str, domain: str) -> RunQuery:
    return replace(
        query,
        project=ids.name(project, where="project") if project else None,
        domain=ids.name(domain, where="domain") if domain else None,
    )


def _of_task(query: RunQuery, name: str, version: str) -> RunQuery:
    scope = equal(task_name=name or None, task_version=version or None)
    return replace(query, filters=(*query.filters, *scope))


_FIELDS: Mapping[str, Callable[[Action], Value | None]] = {
    "name": lambda action: action.name,
    "action_name": lambda action: action.name,
    "parent": lambda action: action.parent,
    "group": lambda action: action.group,
    "action_type": lambda action: action.kind.value,
    "phase": lambda action: action.phase.value,
    "task_name": lambda action: action.task_name,
    "short_name": lambda action: action.short_name,
    "function_name": lambda action: action.short_name,
    "environment_name": lambda action: action.environment,
    "created_at": lambda action: action.created_at,
    "start_time": lambda action: action.created_at,
    "ended_at": lambda action: action.ended_at,
    "end_time": lambda action: action.ended_at,
}

_TESTS: Mapping[Function, Callable[[str, Sequence[str]], bool]] = {
    Function.EQUAL: lambda found, values: found in values,
    Function.VALUE_IN: lambda found, values: found in values,
    Function.NOT_EQUAL: lambda found, values: found not in values,
    Function.VALUE_NOT_IN: lambda found, values: found not in values,
    Function.CONTAINS: lambda found, values: any(value in found for value in values),
    Function.CONTAINS_CASE_INSENSITIVE: lambda found, values: any(
        value.lower() in found.lower() for value in values
    ),
    Function.ENDS_WITH: lambda found, values: found.endswith(tuple(values)),
    Function.NOT_ENDS_WITH: lambda found, values: not found.endswith(tuple(values)),
    Function.EXISTS: lambda found, values: bool(found),
    Function.NOT_EXISTS: lambda found, values: not found,
}


class ActionMatch:
    """Whether an action fulfils the filters of a stream, which shows all actions and marks those
    that do.

    Raises:
        Invalid: a field or function is none that a stream knows.
    """

    def __init__(self, filters: Sequence[Filter]) -> None:
        for wanted in filters:
            if wanted.field.lower() not in _FIELDS:
                raise Invalid(
                    f"A stream of actions cannot use the field {wanted.field!r}; it knows "
                    f"{', '.join(sorted(_FIELDS))}."
                )
            if wanted.function not in _TESTS:
                raise Invalid(
                    f"A stream of actions cannot use the filter {wanted.function.value!r}; it "
                    f"knows {', '.join(sorted(_TESTS))}."
                )
        self._filters = filters

    def __call__(self, action: Action) -> bool:
        return all(_fulfils(action, wanted) for wanted in self._filters)


def _fulfils(action: Action, wanted: Filter) -> bool:
    found = _FIELDS[wanted.field.lower()](action)
    return _TESTS[wanted.function](
        "" if found is None else str(found), [str(v) for v in wanted.values]
    )
