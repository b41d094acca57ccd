"""What every method of every service needs: the one table.

A method that has no line here is refused, and a test fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from flyteidl2.actions.actions_service_pb2 import EnqueueRequest

from flyte_server.auth.roles import Role
from flyte_server.services.access.places import (
    Find,
    Place,
    addresses,
    at,
    both,
    each,
    elsewhere,
    everywhere,
    inside,
    packed,
    said,
    stored,
    words,
)

NOWHERE: Find = lambda _request, _locate: (Place(""),)  # noqa: E731 - a name for the empty answer
"""It concerns all projects."""


class Tasks(Enum):
    """What the token of a task's process may do with a method."""

    NOTHING = auto()
    OWN_RUN = auto()
    """If all that the request names lies in the run of the task."""
    OWN_PROJECT = auto()
    """If all that the request names lies in the project of the task."""
    ALL = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """What a method needs."""

    role: Role
    find: Find = NOWHERE
    """Where: the role is needed in every project that the request names."""
    tasks: Tasks = Tasks.NOTHING
    changes: bool = False
    """Whether it is written into the audit log."""
    narrowed: bool = False
    """A request that names no project is answered with what the caller may see."""
    somewhere: bool = False
    """It belongs to no project: the role is needed in any one."""
    routine: bool = False
    """What runtimes of tasks do all the time: the rows of actions are the record of it."""
    workers: bool = False
    """For processes that lease attempts, each under its own name."""


def _view(find: Find, tasks: Tasks = Tasks.OWN_RUN, **more: bool) -> Rule:
    return Rule(Role.VIEW, find, tasks, **more)


def _run(find: Find, tasks: Tasks = Tasks.NOTHING, **more: bool) -> Rule:
    return Rule(Role.RUN, find, tasks, changes=True, **more)


def _admin(find: Find = NOWHERE) -> Rule:
    return Rule(Role.ADMIN, find, changes=True)


def _service(name: str, methods: Mapping[str, Rule]) -> dict[str, Rule]:
    return {f"{name}/{method}": rule for method, rule in methods.items()}


_ACTION, _RUN, _TASK = at("action_id"), at("run_id"), at("task_id")
_RUN_SPEC = both(
    # A run that recovers another one takes over its outputs.
    elsewhere("run_spec.related_to", "run_spec.relation.related_to"),
    stored("run_spec.run_base_dir", "run_spec.raw_data_storage.raw_data_prefix"),
    stored("offloaded_input_data.uri"),
)
"""What a run reads and writes besides what its identifiers say."""
_CODE = stored("task_template.metadata.code_bundle_uri")
_CHILD = both(
    stored("action.run_output_base"),
    stored("action.input_uri", "action.trace.outputs.output_uri", below=2),
)
_PROJECT_OF_TASK = Tasks.OWN_PROJECT
_ANYBODY = Rule(Role.VIEW, tasks=Tasks.ALL, somewhere=True)
_RUNTIME = Rule(Role.RUN, _ACTION, Tasks.OWN_RUN, changes=True, routine=True)
_WORKER = Rule(Role.ADMIN, words("", name="worker"), workers=True)
_OWN = "flyte_standalone.v1"

RULES: Mapping[str, Rule] = {
    **_service(
        "flyteidl2.workflow.RunService",
        {
            "CreateRun": _run(
                both(
                    at("run_id", "project_id", "task_id", "trigger_name"),
                    _RUN_SPEC,
                    inside("task_spec", _CODE),
                )
            ),
            "AbortRun": _run(_RUN, Tasks.OWN_RUN),
            "AbortAction": _run(_ACTION, Tasks.OWN_RUN),
            "SignalEvent": _run(_ACTION, Tasks.OWN_RUN),
            "GetRunDetails": _view(_RUN),
            "WatchRunDetails": _view(_RUN),
            "GetActionDetails": _view(_ACTION),
            "WatchActionDetails": _view(_ACTION),
            "GetActionData": _view(_ACTION),
            "GetActionDataURIs": _view(_ACTION),
            "GetActionLogContext": _view(_ACTION),
            "ListRuns": _view(
                at("project_id", "trigger_name", "task_name", "task_id"),
                Tasks.NOTHING,
                narrowed=True,
            ),
            "WatchRuns": _view(at("project_id", "task_id"), Tasks.NOTHING, narrowed=True),
            "ListActions": _view(_RUN),
            "WatchActions": _view(_RUN),
            "WatchClusterEvents": _view(at("id")),
            "WatchGroups": _view(at("project_id"), Tasks.NOTHING),
        },
    ),
    **_service(
        "flyteidl2.workflow.RunLogsService",
        {"TailLogs": _view(_ACTION)},
    ),
    **_service(
        "flyteidl2.actions.ActionsService",
        {
            "Enqueue": Rule(
                Role.RUN,
                both(at("action.action_id", "action.task.id"), _CHILD),
                Tasks.OWN_RUN,
                changes=True,
                routine=True,
            ),
            "Update": _RUNTIME,
            "Abort": _RUNTIME,
            "Signal": _run(_ACTION, Tasks.OWN_RUN),
            "WatchForUpdates": _view(at("parent_action_id")),
        },
    ),
    **_service(
        "flyte_standalone.actions.v1.BatchService",
        {
            "EnqueueMany": Rule(
                Role.RUN,
                packed(
                    "requests", EnqueueRequest, "action.action_id", "action.task.id", data=_CHILD
                ),
                Tasks.OWN_RUN,
                changes=True,
                routine=True,
            ),
        },
    ),
    **_service(
        "flyteidl2.workflow.QueueService",
        {
            "EnqueueAction": Rule(
                Role.RUN,
                both(
                    at("action_id", "task.id"),
                    stored("run_output_base"),
                    stored("input_uri", "trace.outputs.output_uri", below=2),
                ),
                Tasks.OWN_RUN,
                changes=True,
                routine=True,
            ),
            "AbortQueuedAction": _RUNTIME,
            "AbortQueuedRun": Rule(Role.RUN, _RUN, Tasks.OWN_RUN, changes=True, routine=True),
        },
    ),
    **_service(
        "flyteidl2.workflow.StateService",
        {
            "Put": _RUNTIME,
            "Get": _view(_ACTION),
            "Watch": _view(at("parent_action_id")),
        },
    ),
    **_service(
        "flyteidl2.dataproxy.DataProxyService",
        {
            "CreateUploadLocation": _run(words("project", "domain", "filename")),
            "UploadInputs": _run(at("run_id", "project_id", "task_id", "trigger_name")),
            "GetActionData": _view(_ACTION),
            "TailLogs": _view(_ACTION),
            "CreateDownloadLink": _view(at("action_attempt_id", "task_id")),
        },
    ),
    **_service(
        "flyteidl2.task.TaskService",
        {
            "DeployTask": _run(
                both(_TASK, inside("spec", _CODE), inside("triggers", inside("spec", _RUN_SPEC)))
            ),
            "GetTaskDetails": _view(_TASK, _PROJECT_OF_TASK),
            "ListTasks": _view(at("project_id"), _PROJECT_OF_TASK, narrowed=True),
            "ListVersions": _view(at("task_name"), _PROJECT_OF_TASK),
        },
    ),
    **_service(
        "flyteidl2.trigger.TriggerService",
        {
            "DeployTrigger": _run(both(at("name"), inside("spec", _RUN_SPEC))),
            "UpdateTriggers": _run(each("names", "")),
            "DeleteTriggers": _run(each("names", "")),
            "GetTriggerDetails": _view(at("name"), _PROJECT_OF_TASK),
            "GetTriggerRevisionDetails": _view(at("id"), _PROJECT_OF_TASK),
            "GetTriggerRevisionHistory": _view(at("name"), _PROJECT_OF_TASK),
            "ListTriggers": _view(at("project_id", "task_id", "task_name"), _PROJECT_OF_TASK),
        },
    ),
    **_service(
        "flyteidl2.project.ProjectService",
        {
            "CreateProject": _admin(words("project.id", name="project.name")),
            "UpdateProject": _admin(words("project.id", name="project.name")),
            "GetProject": _view(words("id"), _PROJECT_OF_TASK),
            "ListProjects": _view(NOWHERE, _PROJECT_OF_TASK, narrowed=True),
        },
    ),
    **_service(
        "flyteidl2.secret.SecretService",
        {
            "CreateSecret": _admin(at("id")),
            "UpdateSecret": _admin(at("id")),
            "DeleteSecret": _admin(at("id")),
            "GetSecret": _view(at("id"), Tasks.NOTHING),
            "ListSecrets": _view(words("project", "domain"), Tasks.NOTHING),
        },
    ),
    **_service("flyteidl2.auth.IdentityService", {"UserInfo": _ANYBODY}),
    **_service("flyteidl2.cluster.ClusterService", {"SelectCluster": _ANYBODY}),
    **_service("flyteidl2.imagebuilder.ImageService", {"GetImage": _ANYBODY}),
    **_service(
        "flyte_standalone.worker.v1.WorkerService",
        {"Register": _WORKER, "Lease": _WORKER, "Report": _WORKER},
    ),
    **_service(
        f"{_OWN}.LogService",
        {"Read": _view(said()), "Search": _view(said())},
    ),
    **_service(
        f"{_OWN}.StorageService",
        {"Describe": _view(NOWHERE, Tasks.NOTHING), "DeleteRun": _admin(said())},
    ),
    **_service(
        f"{_OWN}.EnvironmentService",
        {
            "Keep": Rule(Role.RUN, addresses("uploads"), changes=True, somewhere=True),
            "Ensure": Rule(Role.RUN, changes=True, somewhere=True),
            "Watch": Rule(Role.VIEW, somewhere=True),
            "List": Rule(Role.VIEW, somewhere=True),
            "Delete": _admin(),
        },
    ),
    **_service(
        f"{_OWN}.DataService",
        {
            "CreateDownloadLinks": _view(addresses("uris")),
            "ListFiles": _view(addresses("prefix")),
            "ObjectCredentials": _view(said(), Tasks.NOTHING),
            "Whereabouts": _ANYBODY,
        },
    ),
    **_service(f"{_OWN}.RecoveryService", {"Plan": _view(said())}),
    **_service(f"{_OWN}.CacheService", {"Explain": _view(said())}),
    **_service(f"{_OWN}.ActionService", {"Explain": _view(said()), "SetAside": _view(said())}),
    **_service(
        f"{_OWN}.LimitsService",
        {
            "List": _view(NOWHERE, Tasks.NOTHING),
            "Machine": _view(NOWHERE, Tasks.NOTHING),
            "Set": _admin(everywhere("name")),
            "Delete": _admin(everywhere("name")),
        },
    ),
    **_service(f"{_OWN}.ServerService", {"Pulse": Rule(Role.VIEW, somewhere=True)}),
    **_service(f"{_OWN}.UsageService", {"Get": _view(said())}),
    **_service(f"{_OWN}.NoticeService", {"List": _view(said())}),
    **_service(f"{_OWN}.TriggerStateService", {"List": _view(said(), Tasks.NOTHING)}),
    **_service(
        f"{_OWN}.KeyService",
        {
            "Create": _admin(said("name")),
            "Revoke": _admin(everywhere("name")),
            "List": _view(NOWHERE, Tasks.NOTHING),
        },
    ),
    **_service(
        "flyteidl2.settings.SettingsService",
        {
            "GetSettings": _view(words("key.project", "key.domain"), Tasks.NOTHING),
            "GetSettingsForEdit": _view(words("key.project", "key.domain"), Tasks.NOTHING),
            "CreateSettings": _admin(words("key.project", "key.domain")),
            "UpdateSettings": _admin(words("key.project", "key.domain")),
        },
    ),
    **_service(
        f"{_OWN}.ConditionService",
        {"List": _view(said()), "Link": _run(said("condition"))},
    ),
    **_service(f"{_OWN}.SecretKeyService", {"List": Rule(Role.ADMIN), "Rotate": _admin()}),
    **_service(f"{_OWN}.AuditService", {"List": Rule(Role.ADMIN, said())}),
}
"""Methods as `package.Service/Method`.  Reading needs `view`, starting and deploying `run`, everything that others
have to live with `admin`."""

OPEN_SERVICES = frozenset({"flyteidl2.auth.AuthMetadataService"})
"""Services for those who do not have a token yet."""
OPEN_PATHS = tuple(f"/{service}/" for service in sorted(OPEN_SERVICES))
"""Beginnings of paths that the gate lets through."""
OPEN_PAGES = frozenset({"/healthz"})
"""Whole paths that the gate lets through."""
