"""`flyte.init` and `flyte.init_from_config`: choose the session of this process.

Nothing is connected here: a script that is only imported pays nothing, and an endpoint that does not answer is
reported by the first verb that needs it.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from flyte import _session, errors
from flyte._kit.immediate import immediate
from flyte._session import Session
from flyte.config import Config

LogFormat = Literal["console", "json"]
AuthType = Literal["Pkce", "ClientSecret", "ExternalCommand", "DeviceFlow", "Passthrough"]

_NOT_BUILT = {
    "api_key": "logging in with an API key",
    "client_id": "logging in with client credentials",
    "client_credentials_secret": "logging in with client credentials",
    "auth_client_config": "logging in with a client configuration",
    "command": "logging in by an external command",
    "proxy_command": "logging in to a proxy by an external command",
    "http_proxy_url": "an HTTP proxy for logging in",
}
"""Arguments that would be dangerous to ignore, and what they ask for."""

_AS_GIVEN = (
    "org",
    "endpoint",
    "insecure",
    "insecure_skip_verify",
    "ca_cert_file_path",
    "rpc_retries",
    "log_level",
    "user_log_level",
    "image_builder",
    "storage",
    "sync_local_sys_paths",
)
"""Arguments that the session has under the same name."""

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
        org: organisation, for backends that have several.
        project: project of runs and tasks (default: "flytesnacks").
        domain: domain of runs and tasks (default: "development").
        root_dir: what lies below it can be bundled (default: the working directory).
        endpoint: `dns:///host:port`, `http://host:port`, `https://host`, or `local`: this machine's own control
            plane, which is started if need be.
        insecure: plain HTTP instead of TLS.
        images: names for existing images.
        sync_local_sys_paths: give tasks the entries of `sys.path` below `root_dir`.

    Raises:
        InitializationError: for an argument that this version cannot honour, such as `api_key`.

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
        InitializationError: it asks for a way to log in that this version does not have.

    Example:
        >>> flyte.init_from_config(project="weather")
    """
    config = _configuration(path_or_config, root_dir)
    init(
        **_platform(config),
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


def _install(given: Mapping[str, Any]) -> None:
    """Make a session of the arguments of `init`."""
    _refuse_what_is_not_built(given)
    if given["local_persistence"] or given["local_tracked"] or given["local_tracked_strict"]:
        _log.warning(
            "local_persistence and local_tracked do nothing: this version keeps no record of local runs"
        )
    _set_log_levels(given["log_level"], given["user_log_level"])
    root_dir = given["root_dir"]
    _session.install(
        Session(
            **{name: given[name] for name in _AS_GIVEN},
            project=given["project"] or _session.DEFAULT_PROJECT,
            domain=given["domain"] or _session.DEFAULT_DOMAIN,
            root_dir=_directory(root_dir) if root_dir else None,
            log_format=given["log_format"] or "console",
            images=given["images"] or {},
            source=given["source_config_path"],
        )
    )


def _configuration(path_or_config: str | Path | Config | None, root_dir: Path | None) -> Config:
    if isinstance(path_or_config, Config):
        return path_or_config
    if path_or_config is not None and root_dir is not None:
        below_root = root_dir.expanduser() / path_or_config
        if below_root.is_file():
            return Config.auto(below_root)
    return Config.auto(path_or_config)


def _platform(config: Config) -> dict[str, Any]:
    """Section `admin`, as arguments of `init`; the way to log in is the server's business in this version."""
    return {name: value for name, value in asdict(config.platform).items() if name != "auth_mode"}


def _refuse_what_is_not_built(given: Mapping[str, object]) -> None:
    for name, purpose in _NOT_BUILT.items():
        if given[name]:
            raise errors.InitializationError(
                "NotSupported",
                "user",
                f"{name} is set, but {purpose} is not supported in this version; "
                "remove it, and use an endpoint without authentication",
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


def _set_log_levels(log_level: int | None, user_log_level: int | None) -> None:
    if log_level is not None:
        logging.getLogger("flyte").setLevel(log_level)
    if user_log_level is not None:
        logging.getLogger("flyte.user").setLevel(user_log_level)
