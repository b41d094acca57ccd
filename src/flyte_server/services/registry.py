"""All services on one ASGI application: `POST /<package>.<Service>/<Method>`."""

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectrpc.server import ConnectASGIApplication
from flyteidl2.actions.actions_service_connect import ActionsServiceASGIApplication
from flyteidl2.auth.auth_service_connect import AuthMetadataServiceASGIApplication
from flyteidl2.auth.identity_connect import IdentityServiceASGIApplication
from flyteidl2.cluster.service_connect import ClusterServiceASGIApplication
from flyteidl2.dataproxy.dataproxy_service_connect import DataProxyServiceASGIApplication
from flyteidl2.imagebuilder.service_connect import ImageServiceASGIApplication
from flyteidl2.project.project_service_connect import ProjectServiceASGIApplication
from flyteidl2.secret.secret_connect import SecretServiceASGIApplication
from flyteidl2.settings.settings_service_connect import SettingsServiceASGIApplication
from flyteidl2.task.task_service_connect import TaskServiceASGIApplication
from flyteidl2.trigger.trigger_service_connect import TriggerServiceASGIApplication
from flyteidl2.workflow.queue_service_connect import QueueServiceASGIApplication
from flyteidl2.workflow.run_logs_service_connect import RunLogsServiceASGIApplication
from flyteidl2.workflow.run_service_connect import RunServiceASGIApplication
from flyteidl2.workflow.state_service_connect import StateServiceASGIApplication

from flyte_protocol.actions.v1.batch_connect import BatchServiceASGIApplication
from flyte_protocol.worker.v1.worker_connect import WorkerServiceASGIApplication
from flyte_server.blobs import LINK_PREFIX, LocalBlobs
from flyte_server.clock import Clock
from flyte_server.engine.bus import Bus
from flyte_server.engine.engine import Engine
from flyte_server.engine.ports import Workers
from flyte_server.engine.recovery import Recoveries
from flyte_server.engine.retention.loop import Retention
from flyte_server.environments.keeper import Environments
from flyte_server.services import actions, dataproxy, single_machine
from flyte_server.services.access import rules
from flyte_server.services.access.authorization import Authorization
from flyte_server.services.access.composing import Access
from flyte_server.services.access.gate import Gate
from flyte_server.services.access.identity import IdentityService
from flyte_server.services.access.places import locate
from flyte_server.services.caching.explanations import Explanations
from flyte_server.services.caching.outputs import FileOutputs
from flyte_server.services.catalogue import projects, secrets, tasks
from flyte_server.services.catalogue.settings import SettingsBook, SettingsService
from flyte_server.services.catalogue.trigger_service import TriggerService
from flyte_server.services.catalogue.triggers import TriggerBook
from flyte_server.services.conditions.links import PREFIX as ANSWER_PREFIX
from flyte_server.services.conditions.pages import AnswerPages, Conditions
from flyte_server.services.directory import Directory
from flyte_server.services.faults import Faults
from flyte_server.services.fencing import Fence
from flyte_server.services.http import asgi, encoding, guard
from flyte_server.services.http.asgi import App, Receive, Scope, Send
from flyte_server.services.http.gathering import Gathered
from flyte_server.services.http.guard import Guard
from flyte_server.services.http.transfers import Transfers
from flyte_server.services.intake import Intake
from flyte_server.services.links import Links
from flyte_server.services.logs.book import LogBook
from flyte_server.services.logs.tails import LogTails, RunLogsService
from flyte_server.services.objects.credentials import Credentials
from flyte_server.services.objects.endpoint import Objects
from flyte_server.services.objects.runs import KnownRuns
from flyte_server.services.own.access import AuditService, KeyService
from flyte_server.services.own.cache import CacheService
from flyte_server.services.own.conditions import ConditionService
from flyte_server.services.own.data import DataService
from flyte_server.services.own.environments import EnvironmentService
from flyte_server.services.own.frame import OwnApplication, OwnService
from flyte_server.services.own.limits import LimitsService
from flyte_server.services.own.logs import LogService
from flyte_server.services.own.notices import NoticeService
from flyte_server.services.own.recovery import RecoveryService
from flyte_server.services.own.secret_keys import SecretKeyService
from flyte_server.services.own.server import ServerService
from flyte_server.services.own.state import ActionService
from flyte_server.services.own.storage import StorageService
from flyte_server.services.own.triggers import TriggerStateService
from flyte_server.services.own.usage import UsageService
from flyte_server.services.recovery.sources import Sources
from flyte_server.services.runs.creation import Creation, InputStore
from flyte_server.services.runs.details import Details
from flyte_server.services.runs.service import RunService
from flyte_server.services.runs.ticks import TickRuns
from flyte_server.services.runs.triggered import Triggered
from flyte_server.services.watching import Watching
from flyte_server.services.wire.actions import Views
from flyte_server.services.workers import WorkerService
from flyte_server.settings import Settings
from flyte_server.store.database import Database
from flyte_server.vault import Vault

HEALTH_PATH = "/healthz"
_COMPRESSION_WISHES = frozenset({b"accept-encoding", b"connect-accept-encoding"})
_LOOPBACK_CLIENTS = frozenset({"127.0.0.1", "::1"})

_NO_PAGE = b"""This is a Flyte control plane.  It has no web console (yet); look at runs with

    flyte get run
    flyte get action RUN
    flyte get logs RUN
"""

ServiceApp = ConnectASGIApplication[Any]

_FENCE_THEMSELVES = frozenset(
    {
        ActionsServiceASGIApplication,
        BatchServiceASGIApplication,
        QueueServiceASGIApplication,
        StateServiceASGIApplication,
    }
)
"""Their requests change actions: the caller's attempt is checked in the same transaction."""
_OPEN: frozenset[type[Any]] = frozenset({AuthMetadataServiceASGIApplication})
"""Whoever comes may call them: their messages are small, also when they are unpacked."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What services are made of."""

    settings: Settings
    database: Database
    engine: Engine
    clock: Clock
    blobs: LocalBlobs
    directory: Directory
    watching: Watching
    retention: Retention
    vault: Vault
    environments: Environments
    workers: Workers | None
    conditions: Conditions
    access: Access
    bus: Bus


def application(parts: Parts) -> App:
    """Everything that answers HTTP."""
    routes: dict[str, App] = {
        LINK_PREFIX: Transfers(parts.blobs),
        f"/{parts.blobs.bucket.name}": _objects(parts),
        ANSWER_PREFIX: AnswerPages(parts.conditions, parts.database),
        **parts.access.oauth.routes,
    }
    router = Router(parts.settings, services(parts), routes)
    streamed = (LINK_PREFIX, f"/{parts.blobs.bucket.name}")
    access = parts.access
    gate = Gate(
        router,
        access.bearers,
        access.standing,
        parts.clock,
        open_paths=tuple(routes),
        everybody=access.everybody,
    )
    return Guard(gate, parts.settings, unlimited=streamed, open_paths=rules.OPEN_PATHS)


def _objects(parts: Parts) -> Objects:
    """The data directory as a bucket."""
    credentials = Credentials(parts.blobs, KnownRuns(parts.directory))
    return Objects(parts.blobs, credentials, parts.clock, work=parts.settings.home / "work")


def services(parts: Parts) -> list[ServiceApp]:
    """All services, each in the application that was generated for it."""
    settings, database, engine = parts.settings, parts.database, parts.engine
    directory, watching = parts.directory, parts.watching
    views = Views(settings.user)
    project_book = projects.ProjectBook(database, parts.clock)
    task_book = tasks.TaskBook(database)
    inputs = InputStore(parts.blobs)
    links = Links(parts.blobs, parts.clock, settings.endpoint)
    details = Details(database, directory, parts.blobs, views)
    outputs = FileOutputs(settings.data.resolve(), parts.blobs.bucket)
    recoveries = Recoveries(database, outputs)
    trigger_book = _triggers(parts)
    triggered = Triggered(parts.blobs, task_book, trigger_book, parts.clock)
    fence = Fence(database, directory)
    book = LogBook(settings, database, directory, engine=engine, clock=parts.clock)
    tails = LogTails(book, watching, parts.clock)
    made: list[tuple[type[Any], object]] = [
        (
            RunServiceASGIApplication,
            RunService(
                engine,
                database,
                directory,
                creation=_creation(parts, recoveries, triggered),
                details=details,
                watching=watching,
                views=views,
                answering=parts.conditions.answering,
            ),
        ),
        *_services_of_tasks(parts, task_book, fence),
        (
            DataProxyServiceASGIApplication,
            dataproxy.DataProxyService(
                parts.blobs,
                directory,
                task_book,
                links=links,
                inputs=inputs,
                details=details,
                logs=tails,
            ),
        ),
        *_catalogue(parts, task_book, project_book, views, trigger_book),
        (RunLogsServiceASGIApplication, RunLogsService(tails)),
        *_services_of_workers(parts),
        (AuthMetadataServiceASGIApplication, parts.access.oauth.metadata),
        (IdentityServiceASGIApplication, IdentityService(settings.user)),
        (ClusterServiceASGIApplication, single_machine.ClusterService()),
        (ImageServiceASGIApplication, single_machine.ImageService()),
        (OwnApplication, LogService(book)),
        *((OwnApplication, service) for service in _own_services(parts, links, recoveries)),
    ]
    access = parts.access
    allowed = Authorization(access.standing, access.audit, functools.partial(locate, parts.blobs))
    return [_application(kind, service, settings, allowed, fence) for kind, service in made]


def ticks(parts: Parts) -> TickRuns:
    """What makes the runs of triggers."""
    outputs = FileOutputs(parts.settings.data.resolve(), parts.blobs.bucket)
    recoveries = Recoveries(parts.database, outputs)
    task_book = tasks.TaskBook(parts.database)
    triggered = Triggered(parts.blobs, task_book, _triggers(parts), parts.clock)
    return TickRuns(_creation(parts, recoveries, triggered), triggered)


def _creation(parts: Parts, recoveries: Recoveries, triggered: Triggered) -> Creation:
    database = parts.database
    return Creation(
        parts.engine,
        parts.blobs,
        tasks.TaskBook(database),
        inputs=InputStore(parts.blobs),
        projects=projects.ProjectBook(database, parts.clock),
        settings=SettingsBook(database),
        sources=Sources(parts.directory, parts.blobs, recoveries),
        triggered=triggered,
    )


def _triggers(parts: Parts) -> TriggerBook:
    return TriggerBook(
        parts.database,
        parts.blobs,
        bus=parts.bus,
        clock=parts.clock,
        save_inputs=InputStore(parts.blobs).save,
    )


def _catalogue(
    parts: Parts,
    task_book: tasks.TaskBook,
    project_book: projects.ProjectBook,
    views: Views,
    trigger_book: TriggerBook,
) -> list[tuple[type[Any], object]]:
    """What is kept under a name until somebody asks for it."""
    database, clock = parts.database, parts.clock
    return [
        (
            TaskServiceASGIApplication,
            tasks.TaskService(
                database,
                task_book,
                project_book,
                clock=clock,
                views=views,
                triggers=trigger_book,
            ),
        ),
        (TriggerServiceASGIApplication, TriggerService(database, trigger_book, task_book)),
        (ProjectServiceASGIApplication, projects.ProjectService(database, clock)),
        (SecretServiceASGIApplication, secrets.SecretService(database, parts.vault, clock)),
        (
            SettingsServiceASGIApplication,
            SettingsService(database, SettingsBook(database), clock),
        ),
    ]


def _services_of_tasks(
    parts: Parts, task_book: tasks.TaskBook, fence: Fence
) -> list[tuple[type[Any], object]]:
    """What the runtime in a task's process talks to."""
    engine, directory = parts.engine, parts.directory
    children = actions.ChildWatch(parts.database, directory, parts.watching, fence)
    intake = Intake(engine, directory, task_book, parts.clock)
    return [
        (
            ActionsServiceASGIApplication,
            actions.ActionsService(
                engine,
                directory,
                intake,
                children=children,
                fence=fence,
                answering=parts.conditions.answering,
            ),
        ),
        (BatchServiceASGIApplication, actions.BatchService(intake, fence)),
        (QueueServiceASGIApplication, actions.QueueService(engine, directory, intake, fence=fence)),
        (StateServiceASGIApplication, actions.StateService(children)),
    ]


def _services_of_workers(parts: Parts) -> list[tuple[type[Any], object]]:
    """What processes that lease attempts talk to; an executor without such processes needs none."""
    if parts.workers is None:
        return []
    return [(WorkerServiceASGIApplication, WorkerService(parts.workers))]


def _own_services(parts: Parts, links: Links, recoveries: Recoveries) -> list[OwnService]:
    """What the public protocol has no words for."""
    database, directory = parts.database, parts.directory
    return [
        StorageService(parts.retention, parts.environments),
        EnvironmentService(parts.environments, parts.blobs, directory),
        DataService(
            parts.blobs,
            links,
            witness=parts.settings.signing_key,
            credentials=Credentials(parts.blobs, KnownRuns(directory)),
        ),
        RecoveryService(directory, recoveries),
        CacheService(directory, Explanations(database, directory, parts.blobs)),
        ActionService(directory, database, engine=parts.engine, clock=parts.clock),
        ConditionService(parts.conditions.answering, parts.conditions.links, directory, database),
        LimitsService(parts.engine, database),
        ServerService(parts.engine),
        SecretKeyService(database, parts.vault),
        TriggerStateService(database),
        NoticeService(directory, database),
        UsageService(parts.settings, directory, database),
        KeyService(parts.access.keys, parts.clock),
        AuditService(database),
    ]


class Router:
    """Finds the application of a path.

    Args:
        routes: what answers below paths that are no service's.
    """

    def __init__(
        self, settings: Settings, services: Sequence[ServiceApp], routes: Mapping[str, App]
    ) -> None:
        self._settings = settings
        self._services: dict[str, Any] = {service.path: service for service in services}
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        service = self._services.get(path[: path.rfind("/")])
        if service is not None:
            await service(_uncompressed_at_home(scope), receive, Gathered(send))
        elif (route := self._route(path)) is not None:
            await route(scope, receive, send)
        elif path == HEALTH_PATH:
            await self._health(send)
        elif scope["method"] == "GET":
            await asgi.answer(send, 404, _NO_PAGE, headers=[(b"content-type", b"text/plain")])
        else:
            await asgi.refuse(
                send, 404, "unimplemented", f"This control plane has no service at {path}."
            )

    def _route(self, path: str) -> App | None:
        return next((app for prefix, app in self._routes.items() if path.startswith(prefix)), None)

    async def _health(self, send: Send) -> None:
        await asgi.answer_json(
            send,
            200,
            {"status": "ok", "home": str(self._settings.home), "pid": os.getpid()},
        )


def _application(
    kind: type[Any], service: object, settings: Settings, allowed: Authorization, fence: Fence
) -> ServiceApp:
    """A generated application around our service, with our faults and our limits."""
    limit = guard.OPEN_BYTES if kind in _OPEN else settings.max_message_bytes
    made = kind(
        service,
        interceptors=[Faults(), allowed, *(() if kind in _FENCE_THEMSELVES else (fence,))],
        read_max_bytes=limit,
        compressions=[encoding.BoundedGzip(limit)],
    )
    made._codecs = encoding.CODECS  # noqa: SLF001 - the generated constructors do not pass codecs on
    return made


def _uncompressed_at_home(scope: Scope) -> Scope:
    """On one machine compressing answers costs more than it saves, so its wish for it is
    not heard."""
    client = scope.get("client")
    if client is None or client[0] not in _LOOPBACK_CLIENTS:
        return scope
    headers = [pair for pair in scope["headers"] if pair[0] not in _COMPRESSION_WISHES]
    return {**scope, "headers": headers}
