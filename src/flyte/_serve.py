"""`flyte.serve` and `flyte.with_servecontext`: start an app on this machine."""

import json
import logging
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from flyte import _secret, _session, errors
from flyte._options import CopyFiles
from flyte._serving import sources
from flyte._serving.handle import Launch, LocalApp, Patience
from flyte._serving.materials import materials
from flyte.app import AppEnvironment, _context
from flyte.config import _read
from flyte.syncify import syncify

if TYPE_CHECKING:
    from flyte.io import Dir, File

ServeMode = Literal["local", "remote"]
LogFormat = Literal["console", "json"]

NOT_YET = (
    "is not served on a control plane: this version serves apps on this machine only; write "
    "`flyte serve --local FILE APP`, or flyte.with_servecontext(mode='local').serve(app_env)"
)

logger = logging.getLogger(__name__)


@runtime_checkable
class AppHandle(Protocol):
    """An app that is served, wherever it is.

    Example:
        >>> app = flyte.with_servecontext(mode="local").serve(env)
        >>> with app.ephemeral_ctx_sync():
        ...     httpx.get(app.endpoint)
    """

    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    def is_active(self) -> bool: ...
    def is_deactivated(self) -> bool: ...
    def activate(self, wait: bool = False) -> "AppHandle": ...
    def deactivate(self, wait: bool = False) -> "AppHandle": ...
    def ephemeral_ctx(self) -> AbstractAsyncContextManager[None]: ...
    def ephemeral_ctx_sync(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class _Choices:
    """How apps are served."""

    mode: ServeMode | None = None
    name: str | None = None
    """Of the app's handle, instead of its own."""
    project: str | None = None
    domain: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    by_value: bool = False
    patience: Patience = field(default_factory=Patience)
    raw_data_path: str | None = None


class ServeVerb:
    """Starts apps with fixed choices."""

    def __init__(self, choices: _Choices) -> None:
        self._choices = choices

    def named(self, name: str | None) -> "ServeVerb":
        """The same, for an app whose handle has another name; None: its own."""
        return ServeVerb(replace(self._choices, name=name))

    @syncify
    async def serve(self, app_env: AppEnvironment) -> LocalApp:
        """Start an app, as `flyte.serve`.

        Args:
            app_env: the app; apps that it depends on are started too.

        Returns:
            Its handle: `endpoint`, `activate(wait=True)`, `deactivate(wait=True)`.

        Raises:
            DefinitionError: it has nothing that could be started.
            DeploymentError: apps are not served on a control plane, or its port is taken.
            ParameterMaterializationError: the value of a parameter cannot be found.
        """
        if not isinstance(app_env, AppEnvironment):
            raise errors.DefinitionError(
                f"serve() takes an app, got {type(app_env).__name__}: {app_env!r}; pass a flyte.app.AppEnvironment"
            )
        if (self._choices.mode or _session.current().mode) != "local":
            raise errors.DeploymentError(f"app {app_env.name!r} {NOT_YET}")
        started: dict[str, LocalApp] = {}
        try:
            return await self._served(app_env, started, self._choices.name)
        except BaseException:
            for app in started.values():
                app.deactivate(wait=True)
            raise

    async def _served(
        self, env: AppEnvironment, started: dict[str, LocalApp], name: str | None = None
    ) -> LocalApp:
        """The app, started after those that it depends on."""
        _check(env)
        needs = [
            started.get(other.name) or await self._served(other, started)
            for other in env.depends_on
            if isinstance(other, AppEnvironment) and other.name not in _context.SERVED
        ]
        folder = Path(tempfile.mkdtemp(prefix=f"{env.name}-", dir=_folder()))
        command = [sys.executable, "-m", "flyte._entrypoints.app"]
        source = sources.source(env, folder, by_value=self._choices.by_value)
        launch = Launch(
            name=name or env.name,
            port=env.get_port().port,
            command=[*command, json.dumps(source.document())],
            environment=await self._environment(env, folder),
            folder=folder,
        )
        app = LocalApp(launch, self._choices.patience, needs)
        started[env.name] = app
        return app.activate()

    async def _environment(self, env: AppEnvironment, folder: Path) -> dict[str, str]:
        """The variables of the app's process."""
        choices = self._choices
        given = await materials(env, choices.values.get(env.name, {}), folder)
        told = {
            "mode": "local",
            "project": choices.project or _session.current_project(),
            "domain": choices.domain or _session.current_domain(),
            "raw_data_path": choices.raw_data_path
            or str(_read.flyte_home() / "app-data" / env.name),
            "parameters": given.parameters,
            "endpoints": {**_context.SERVED, env.name: f"http://localhost:{env.get_port().port}"},
        }
        variables = {
            **_read.environment(),
            "PYTHONUNBUFFERED": "1",
            **(env.env_vars or {}),
            **choices.variables,
            **given.variables,
            _context.VARIABLE: json.dumps(told),
        }
        for secret in _secret.secrets(env.secrets):
            if secret.as_env_var is not None and secret.as_env_var not in variables:
                logger.warning(
                    "app %r asks for secret %r: set the variable %s, from which an app on this machine reads it",
                    env.name,
                    secret.key,
                    secret.as_env_var,
                )
        return variables


@syncify
async def serve(app_env: AppEnvironment) -> AppHandle:
    """Start an app, in a process of its own on this machine.

    It listens on its port at once or a little later: `activate(wait=True)` waits for that.  It ends with `deactivate`,
    and with the process that has called.

    Args:
        app_env: the app; apps that it depends on are started too.

    Returns:
        Its handle.

    Raises:
        DeploymentError: the session has a control plane (apps are not served there), or the port is taken.

    Example:
        >>> app = flyte.serve(env).activate(wait=True)
        >>> app.endpoint
        'http://localhost:8080'
    """
    return await ServeVerb(_Choices()).serve.aio(app_env)


def with_servecontext(  # noqa: PLR0913 - an official signature
    mode: ServeMode | None = None,
    *,
    version: str | None = None,
    copy_style: CopyFiles = "loaded_modules",
    dry_run: bool = False,
    project: str | None = None,
    domain: str | None = None,
    env_vars: dict[str, str] | None = None,
    parameter_values: "dict[str, dict[str, str | File[Any] | Dir[Any]]] | None" = None,
    cluster_pool: str | None = None,
    cluster: str | None = None,
    log_level: int | None = None,
    log_format: LogFormat = "console",
    user_log_level: int | None = None,
    interactive_mode: bool | None = None,
    copy_bundle_to: Path | None = None,
    deactivate_timeout: float | None = None,
    activate_timeout: float | None = None,
    health_check_timeout: float | None = None,
    health_check_interval: float | None = None,
    health_check_path: str | None = None,
    raw_data_path: str | None = None,
) -> ServeVerb:
    """Say how apps are served.

    Args:
        mode: `local`: on this machine; None: as the session has it.  `remote` is refused: not in this version.
        dry_run: refused: there is nothing to try of a local app.
        project: the project whose runs the app sees by default.
        domain: its domain.
        env_vars: further variables of the app's process.
        parameter_values: values instead of the declared ones: `{app: {parameter: value}}`.
        log_level: least level of log lines of Flyte, in the app's process.
        log_format: how they look.
        user_log_level: least level of the app's own.
        interactive_mode: take the app to its process as a pickle, as a notebook needs it.
        deactivate_timeout: seconds that it may take to end, before it is killed; 6 by default.
        activate_timeout: seconds that it may take until it answers; 60 by default.
        health_check_timeout: seconds that an answer may take; 2 by default.
        health_check_interval: seconds between two looks; 0.1 by default.
        health_check_path: what is asked for to see whether it is well; by default only whether it accepts connections.
        raw_data_path: what `flyte.app.ctx().raw_data_path` says.

    The other arguments (`version`, `copy_style`, `cluster`, …) are for deployed apps.

    Example:
        >>> app = flyte.with_servecontext(mode="local", env_vars={"DEBUG": "1"}).serve(env)
    """
    return ServeVerb(_choices(locals()))


_PATIENCE = {
    "deactivate_timeout": "deactivate_seconds",
    "activate_timeout": "activate_seconds",
    "health_check_timeout": "check_seconds",
    "health_check_interval": "interval_seconds",
    "health_check_path": "path",
}
"""Fields of `Patience` by the arguments that say them."""


def _choices(given: Mapping[str, Any]) -> _Choices:
    """What the arguments of `with_servecontext` say about a local app."""
    if given["mode"] not in (None, "local", "remote"):
        raise errors.DefinitionError(f"mode is 'local' or 'remote', got {given['mode']!r}")
    if given["dry_run"]:
        raise errors.DefinitionError(
            "dry_run says what would be deployed, and apps are not deployed in this version; serve with mode='local'"
        )
    patience = {ours: given[name] for name, ours in _PATIENCE.items() if given[name] is not None}
    logs = _logging(given["log_format"], given["log_level"], given["user_log_level"])
    return _Choices(
        mode=given["mode"],
        project=given["project"],
        domain=given["domain"],
        variables={**logs, **(given["env_vars"] or {})},
        values=given["parameter_values"] or {},
        by_value=bool(given["interactive_mode"]),
        patience=Patience(**patience),
        raw_data_path=given["raw_data_path"],
    )


def _logging(form: LogFormat, level: int | None, user_level: int | None) -> dict[str, str]:
    """Variables that say how an app's process logs."""
    levels = {"LOG_LEVEL": level, "USER_LOG_LEVEL": user_level}
    chosen = {name: str(number) for name, number in levels.items() if number is not None}
    return {"LOG_FORMAT": form, **chosen}


def _check(env: AppEnvironment) -> None:
    if not env.command_line() and env.function("server") is None:
        raise errors.DefinitionError(
            f"app {env.name!r} has nothing to serve; give its environment a command, or a function under "
            f"@{env.name.replace('-', '_')}.server"
        )


def _folder() -> Path:
    folder = _read.flyte_home() / "apps"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
