"""SettingsService: what holds for new runs of the organisation, of a domain, or of a project in a domain."""

from typing import Any

from connectrpc.request import RequestContext
from flyteidl2.core import literals_pb2
from flyteidl2.settings import settings_definition_pb2 as pb2
from flyteidl2.settings import settings_service_connect, settings_service_pb2
from flyteidl2.task import run_pb2
from google.protobuf import json_format

from flyte_server.clock import Clock
from flyte_server.domain.errors import AlreadyExists, Conflict, Invalid, NotFound
from flyte_server.services.access import callers
from flyte_server.services.catalogue import inheritance
from flyte_server.services.wire import ids
from flyte_server.store.catalogue import settings
from flyte_server.store.catalogue.settings import Change, Scope, StoredSettings
from flyte_server.store.database import Database

Context = RequestContext[Any, Any]


class SettingsBook:
    """What holds in a scope, for whoever starts runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def effective(self, scope: Scope) -> pb2.Settings:
        """The settings of a scope, with those that it inherits."""
        stored = await self._database.read(settings.levels, scope)
        return inheritance.merged((_level(each.scope), _parsed(each)) for each in stored)

    async def apply(self, spec: run_pb2.RunSpec, project: str, domain: str) -> None:
        """Give a new run what the settings of its project say and the run itself does not."""
        found = await self.effective(Scope(domain, project))
        run = found.run
        if not spec.queue and inheritance.has_value(run.default_queue):
            spec.queue = run.default_queue.string_value
        if not spec.run_base_dir and inheritance.has_value(run.run_base_dir):
            spec.run_base_dir = run.run_base_dir.string_value
        if not spec.max_action_concurrency and inheritance.has_value(run.max_action_concurrency):
            spec.max_action_concurrency = run.max_action_concurrency.int_value
        for key, value in _entries(found.labels).items():
            if key not in spec.labels.values:
                spec.labels.values[key] = value
        for key, value in _entries(found.annotations).items():
            if key not in spec.annotations.values:
                spec.annotations.values[key] = value
        said = {pair.key for pair in spec.envs.values}
        variables = _entries(found.environment_variables).items()
        spec.envs.values.extend(
            literals_pb2.KeyValuePair(key=key, value=value)
            for key, value in variables
            if key not in said
        )


class SettingsService(settings_service_connect.SettingsService):
    """Make, change and show settings.  Changes are optimistic: who changes says which version they have seen."""

    def __init__(self, database: Database, book: SettingsBook, clock: Clock) -> None:
        self._database = database
        self._book = book
        self._clock = clock

    async def get_settings(
        self, request: settings_service_pb2.GetSettingsRequest, ctx: Context
    ) -> settings_service_pb2.GetSettingsResponse:
        """What holds in a scope, inherited or not."""
        scope = _scope(request.key)
        own = await self._database.read(settings.load, scope)
        record = settings_service_pb2.SettingsRecord(
            key=_key(scope),
            settings=await self._book.effective(scope),
            version=own.version if own else 0,
        )
        return settings_service_pb2.GetSettingsResponse(settingsRecord=record)

    async def get_settings_for_edit(
        self, request: settings_service_pb2.GetSettingsForEditRequest, ctx: Context
    ) -> settings_service_pb2.GetSettingsForEditResponse:
        """What was made for a scope and for those above it, each by itself, the widest first."""
        scope = _scope(request.key)
        stored = await self._database.read(settings.levels, scope)
        return settings_service_pb2.GetSettingsForEditResponse(
            requestedKey=_key(scope), levels=[_record(each) for each in stored]
        )

    async def create_settings(
        self, request: settings_service_pb2.CreateSettingsRequest, ctx: Context
    ) -> settings_service_pb2.CreateSettingsResponse:
        scope, body = _scope(request.key), _body(request.settings)
        if not await self._database.write(settings.create, scope, body, self._change(ctx)):
            raise AlreadyExists(
                f"There are settings of {scope} already; change them with UpdateSettings, or: flyte edit settings"
            )
        return settings_service_pb2.CreateSettingsResponse(
            settingsRecord=settings_service_pb2.SettingsRecord(
                key=_key(scope), settings=request.settings, version=1
            )
        )

    async def update_settings(
        self, request: settings_service_pb2.UpdateSettingsRequest, ctx: Context
    ) -> settings_service_pb2.UpdateSettingsResponse:
        scope, body = _scope(request.key), _body(request.settings)
        changed = await self._database.write(
            settings.update, scope, body, self._change(ctx), version=request.version
        )
        if not changed:
            raise await self._refusal(scope, request.version)
        record = settings_service_pb2.SettingsRecord(
            key=_key(scope), settings=request.settings, version=request.version + 1
        )
        return settings_service_pb2.UpdateSettingsResponse(settingsRecord=record)

    async def _refusal(self, scope: Scope, version: int) -> Exception:
        found = await self._database.read(settings.load, scope)
        if found is None:
            return NotFound(f"There are no settings of {scope}; make them with CreateSettings.")
        return Conflict(
            f"The settings of {scope} have changed: they are version {found.version}, and version {version} was seen; "
            "read them again and repeat the change."
        )

    def _change(self, ctx: Context) -> Change:
        return Change(callers.of(ctx.request_headers()).subject, self._clock.now_us())


def _scope(key: pb2.SettingsKey) -> Scope:
    if key.project and not key.domain:
        raise Invalid(
            f"Settings of project {key.project!r} need a domain too; send key.domain, such as 'development'."
        )
    return Scope(
        ids.name(key.domain, where="key.domain") if key.domain else "",
        ids.name(key.project, where="key.project") if key.project else "",
    )


def _key(scope: Scope) -> pb2.SettingsKey:
    return pb2.SettingsKey(org=ids.ORG, domain=scope.domain, project=scope.project)


def _level(scope: Scope) -> "pb2.ScopeLevel":
    if not scope.domain:
        return pb2.SCOPE_LEVEL_ORG
    return pb2.SCOPE_LEVEL_PROJECT if scope.project else pb2.SCOPE_LEVEL_DOMAIN


def _body(message: pb2.Settings) -> str:
    inheritance.check(message)
    return json_format.MessageToJson(message, indent=None)


def _parsed(stored: StoredSettings) -> pb2.Settings:
    return json_format.Parse(stored.body, pb2.Settings(), ignore_unknown_fields=True)


def _record(stored: StoredSettings) -> settings_service_pb2.SettingsRecord:
    return settings_service_pb2.SettingsRecord(
        key=_key(stored.scope), settings=_parsed(stored), version=stored.version
    )


def _entries(setting: pb2.StringMapSetting) -> dict[str, str]:
    return dict(setting.map_value.entries) if inheritance.has_value(setting) else {}
