"""`flyte.init` and its relatives: choose the session of this process.

Nothing is connected here: a script that is only imported pays nothing, and an endpoint that does not answer is
reported by the first verb that needs it.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from flyte import _session, errors
from flyte._kit.immediate import immediate
from flyte._session import Session
from flyte.config import Config, _arguments, _login, _read
from flyte.config._access import LoginKind

LogFormat = Literal["console", "json"]
AuthType = LoginKind

_AS_GIVEN = (
    "insecure",
    "insecure_skip_verify",
    "ca_cert_file_path",
    "http_proxy_url",
    "rpc_retries",
    "log_level",
    "user_log_level",
    "image_builder",
    "storage",
    "sync_local_sys_paths",
)
"""Arguments that the session has under the same name."""

_LOGGERS = {"log_level": "flyte", "user_log_level": "flyte.user"}

_log = logging.getLogger("flyte.init")


@immediate
def init(  # noqa: PLR0913 - an official signature
    org: str | None = None,
    project: str | None = None,
    domain: str | None = None,
    root_dir: Path | None = None,
    log_level: int | None = None,
    log_format: LogFormat | None = None,
    reset_root_logger: bool = False,
    user_log_level: int | None = None,
    endpoint: str | None = None,
    headless: bool = False,
    insecure: bool = False,
    insecure_skip_verify: bool = False,
    ca_cert_file_path: str | None = None,
    auth_type: AuthType = "Pkce",
    command: list[str] | None = None,
    proxy_command: list[str] | None = None,
    api_key: str | None = None,
    client_id: str | None = None,
    client_credentials_secret: str | None = None,
    auth_client_config: Any = None,
    rpc_retries: int = 3,
    http_proxy_url: str | None = None,
    disable_keyring: bool = False,
    storage: Any = None,
    batch_size: int = 1000,
    image_builder: str = "local",
    images: dict[str, str] | None = None,
    image_registry: str | None = None,
    source_config_path: Path | None = None,
    sync_local_sys_paths: bool = True,
    load_plugin_type_transformers: bool = True,
    local_persistence: bool = False,
    local_tracked: bool = False,
    local_tracked_strict: bool = False,
    scopes: list[str] | None = None,
) -> None:
    """Set up the SDK from explicit arguments; without an `endpoint`, `flyte.run` runs tasks in this process.

    Args:
        endpoint: `dns:///host:port`, `https://host`, `http://host:port`, or `local`: this machine's own control plane.
        org, project, domain: of runs and tasks (default: "flytesnacks", "development").
        api_key: as `flyte create api-key` prints it; it has the endpoint, too (default: `FLYTE_API_KEY`).
        auth_type: else how to log in: "Pkce" (browser), "ClientSecret" (with `client_id` and
            `client_credentials_secret`), "ExternalCommand" (`command` prints a token), "DeviceFlow", "Passthrough".
        ca_cert_file_path: authority to trust, for calls, logins and data (`insecure_skip_verify` is refused).
        root_dir: what lies below it can be bundled (default: the working directory).
        images: names for existing images (`image_registry` is refused: images are pushed nowhere).

    Raises:
        InitializationError: for what this version cannot honour, and for a login that lacks something.

    Example:
        >>> flyte.init(endpoint="local", project="weather")
    """
    _install(locals())


@immediate
def init_from_config(  # noqa: PLR0913 - an official signature
    path_or_config: str | Path | Config | None = None,
    root_dir: Path | None = None,
    log_level: int | None = None,
    log_format: LogFormat = "console",
    user_log_level: int | None = None,
    org: str | None = None,
    project: str | None = None,
    domain: str | None = None,
    storage: Any = None,
    batch_size: int = 1000,
    image_builder: str | None = None,
    images: tuple[str, ...] | None = None,
    sync_local_sys_paths: bool = True,
) -> None:
    """Set up the SDK from a configuration file; arguments win over the file.

    Args:
        path_or_config: a file (a relative path is looked up in `root_dir`, if given), or a `Config`; by default the
            file is searched: `$FLYTECTL_CONFIG`, `./config.yaml`, `./.flyte/config.yaml`, `~/.flyte/config.yaml`.
            When there is none, or it has no endpoint, tasks run in this process.
        images: `name=address` pairs, added to those of the file.

    Raises:
        ConfigError: the file does not exist, is not YAML, or an entry has the wrong type.
        InitializationError: it asks for a login that lacks something.

    Example:
        >>> flyte.init_from_config(project="weather")
    """
    config = _configuration(path_or_config, root_dir)
    init(
        **_arguments.platform(config),
        org=org or config.task.org,
        project=project or config.task.project,
        domain=domain or config.task.domain,
        root_dir=root_dir,
        log_level=log_level,
        log_format=log_format,
        user_log_level=user_log_level,
        storage=storage,
        batch_size=batch_size,
        image_builder=image_builder or config.image.builder or "local",
        images={**config.image.image_refs, **_named_images(images)},
        source_config_path=config.source,
        sync_local_sys_paths=sync_local_sys_paths,
        local_persistence=config.local.persistence,
        local_tracked=config.local.tracked,
    )


@immediate
def init_from_api_key(  # noqa: PLR0913 - an official signature
    api_key: str | None = None,
    project: str | None = None,
    domain: str | None = None,
    root_dir: Path | None = None,
    log_level: int | None = None,
    log_format: LogFormat | None = None,
    storage: Any = None,
    batch_size: int = 1000,
    image_builder: str = "local",
    images: dict[str, str] | None = None,
    sync_local_sys_paths: bool = True,
    insecure_skip_verify: bool = False,
    ca_cert_file_path: str | None = None,
) -> None:
    """Set up the SDK with an API key, which says where the control plane is, too.

    Args:
        api_key: as `flyte create api-key` prints it (default: the variable `FLYTE_API_KEY`).

    Raises:
        InitializationError: there is no key, or it cannot be read.

    Example:
        >>> flyte.init_from_api_key(project="weather")
    """
    key = api_key or _read.environment().get(_login.KEY_VARIABLE)
    if not key:
        raise errors.InitializationError(
            "MissingApiKey",
            "user",
            f"there is no API key: pass api_key, or set {_login.KEY_VARIABLE} to what `flyte create api-key NAME` "
            "has printed",
        )
    init(
        api_key=key,
        project=project,
        domain=domain,
        root_dir=root_dir,
        log_level=log_level,
        log_format=log_format,
        storage=storage,
        batch_size=batch_size,
        image_builder=image_builder,
        images=images,
        sync_local_sys_paths=sync_local_sys_paths,
        insecure_skip_verify=insecure_skip_verify,
        ca_cert_file_path=ca_cert_file_path,
    )


@immediate
def init_in_cluster(
    org: str | None = None,
    project: str | None = None,
    domain: str | None = None,
    api_key: str | None = None,
    endpoint: str | None = None,
    insecure: bool = False,
) -> dict[str, Any]:
    """Set up the SDK in the process of a task, from what the control plane that started it has told.

    Whoever asks is, in this order: `api_key`; a configuration file that `UCTL_CONFIG` or `FLYTECTL_CONFIG` names;
    `FLYTE_AUTH_TYPE` with `FLYTE_AUTH_COMMAND`; a key that the control plane has put there; the task itself.

    Args:
        org: organisation (default: `_U_ORG_NAME`).
        project: project (default: that of the task).
        domain: domain (default: that of the task).
        api_key: logs in with a key, at the key's endpoint.
        endpoint: another control plane than `_U_EP_OVERRIDE`.
        insecure: plain HTTP instead of TLS.

    Returns:
        The arguments that say where and how: `endpoint`, `insecure`, `api_key`, …

    Example:
        >>> flyte.init_in_cluster()
        {'insecure': True, 'endpoint': '127.0.0.1:8090'}
    """
    environment = _read.environment()
    where = _arguments.in_cluster(environment, api_key, endpoint, insecure)
    init(
        **where,
        org=org or environment.get("_U_ORG_NAME"),
        project=project or environment.get("FLYTE_INTERNAL_EXECUTION_PROJECT"),
        domain=domain or environment.get("FLYTE_INTERNAL_EXECUTION_DOMAIN"),
    )
    return where


@immediate
def init_passthrough(
    endpoint: str | None = None,
    org: str | None = None,
    project: str | None = None,
    domain: str | None = None,
    insecure: bool = False,
) -> dict[str, Any]:
    """Set up the SDK for a service that asks on behalf of others: each block of calls says who asks.

    Args:
        endpoint: the control plane (default: the one that started this process).
        insecure: plain HTTP instead of TLS.

    Returns:
        `endpoint` and `insecure`, as they are in effect.

    Example:
        >>> flyte.init_passthrough("https://flyte.example.com")
        >>> with flyte.remote.auth_metadata(("authorization", f"Bearer {token}")):
        ...     flyte.remote.Run.get("r1")
    """
    environment = _read.environment()
    where: dict[str, Any] = {
        "endpoint": endpoint or environment.get("_U_EP_OVERRIDE"),
        "insecure": insecure
        or (not endpoint and _arguments.truthy(environment.get("_U_INSECURE"))),
    }
    init(**where, auth_type="Passthrough", org=org, project=project, domain=domain)
    return where


def _install(given: Mapping[str, Any]) -> None:
    """Make a session of the arguments of `init`."""
    _refuse(given)
    if given["local_persistence"] or given["local_tracked"] or given["local_tracked_strict"]:
        _log.warning(
            "local_persistence and local_tracked do nothing: this version keeps no record of local runs"
        )
    _set_up_logs(given)
    root_dir = given["root_dir"]
    chosen = _login.chosen(given, key_around=_key_around())
    _session.install(
        Session(
            **{name: given[name] for name in _AS_GIVEN},
            login=chosen.login,
            endpoint=chosen.endpoint,
            org=chosen.org,
            project=given["project"] or _session.DEFAULT_PROJECT,
            domain=given["domain"] or _session.DEFAULT_DOMAIN,
            root_dir=_directory(root_dir) if root_dir else None,
            log_format=given["log_format"] or "console",
            images=given["images"] or {},
            source=given["source_config_path"],
        )
    )


def _key_around() -> str | None:
    """The key in the variable; a task asks as itself, unless it says otherwise."""
    environment = _read.environment()
    return None if "_U_EP_OVERRIDE" in environment else environment.get(_login.KEY_VARIABLE)


def _configuration(path_or_config: str | Path | Config | None, root_dir: Path | None) -> Config:
    if isinstance(path_or_config, Config):
        return path_or_config
    if path_or_config is not None and root_dir is not None:
        below_root = root_dir.expanduser() / path_or_config
        if below_root.is_file():
            return Config.auto(below_root)
    return Config.auto(path_or_config)


def _refuse(given: Mapping[str, object]) -> None:
    """Arguments that would be dangerous or misleading to ignore."""
    if given["image_registry"]:
        raise errors.InitializationError(
            "NotSupported",
            "user",
            "image_registry is set, but images of this version are environments on the control plane's machine, which "
            "are pushed to no registry; remove it",
        )


def _directory(root_dir: Path) -> Path:
    root = Path(root_dir).expanduser().absolute()
    if not root.is_dir():
        raise errors.InitializationError(
            "NoSuchDirectory",
            "user",
            f"root_dir {root} is not a directory; pass the directory of your code",
        )
    return root


def _named_images(images: tuple[str, ...] | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in images or ():
        name, equals, address = text.partition("=")
        if not (name and equals and address):
            raise errors.InitializationError(
                "InvalidImage", "user", f"image {text!r} must be written as name=address"
            )
        pairs[name] = address
    return pairs


def _set_up_logs(given: Mapping[str, Any]) -> None:
    if given["reset_root_logger"]:
        logging.basicConfig(force=True, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("log_level", "user_log_level"):
        if given[name] is not None:
            logging.getLogger(_LOGGERS[name]).setLevel(given[name])
