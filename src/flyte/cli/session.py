"""From the root options to a session: which control plane a command talks to."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flyte import _initialize, config
from flyte.cli.options import RootOptions
from flyte.config import _api_key, _read
from flyte.config._login import KEY_VARIABLE

LOCAL = "local"
"""The endpoint that means this machine's own control plane, which is started if need be."""

_LOG_LEVELS = {0: None, 1: None, 2: 20, 3: 10}
"""Log level of the SDK itself by the number of `-v`: `-vv` information, `-vvv` everything."""

_USER_LOG_LEVELS = {"critical": 50, "error": 40, "warning": 30, "info": 20, "debug": 10}


def configured(root: RootOptions) -> config.Config:
    """The configuration file with the root options laid over it.

    The default endpoint is that of the key in `FLYTE_API_KEY` (None: the key says it), else `local`.
    """
    found = config.auto(root.config_file)
    default = None if endpoint_of_key() else LOCAL
    return replace(
        found,
        platform=replace(
            found.platform,
            endpoint=root.endpoint or found.platform.endpoint or default,
            insecure=found.platform.insecure if root.insecure is None else root.insecure,
            auth_mode=root.official_auth_type or found.platform.auth_mode,
        ),
        task=replace(found.task, org=root.org or found.task.org),
        image=replace(found.image, builder=root.image_builder or found.image.builder),
    )


def endpoint_of_key() -> str | None:
    """The control plane that the key in `FLYTE_API_KEY` is for; None: there is no such key.

    Raises:
        InitializationError: it cannot be read.
    """
    key = _read.environment().get(KEY_VARIABLE)
    return _api_key.parse(key, KEY_VARIABLE).endpoint if key else None


def auth_type(found: config.Config) -> str:
    """How one would log in, for people to read."""
    if found.platform.auth_mode:
        return found.platform.auth_mode
    if found.platform.endpoint is None:
        return f"ClientSecret ({KEY_VARIABLE})"
    return "Pkce"


def show_logs(root: RootOptions) -> int | None:
    """Let the SDK's log appear from `-vv` on; gives its level, None for the usual one."""
    level = _LOG_LEVELS[min(root.verbose, 3)]
    if root.reset_root_logger:
        logging.basicConfig(force=True, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if level is not None:
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("flyte").setLevel(level)
    return level


def connect(
    root: RootOptions,
    *,
    project: str | None = None,
    domain: str | None = None,
    root_dir: Path | None = None,
    images: Sequence[str] = (),
    sync_local_sys_paths: bool = True,
) -> None:
    """Set up the SDK for one command, as `flyte.init_from_config` does for a script."""
    log_level = show_logs(root)
    _initialize.init_from_config(
        configured(root),
        root_dir=root_dir,
        project=project,
        domain=domain,
        log_level=log_level,
        log_format=root.log_format,
        user_log_level=_USER_LOG_LEVELS[root.user_log_level],
        images=tuple(images) or None,
        sync_local_sys_paths=sync_local_sys_paths,
    )
