"""From the root options to a session: which control plane a command talks to."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flyte import _initialize, config
from flyte.cli.options import RootOptions

LOCAL = "local"
"""The endpoint that means this machine's own control plane, which is started if need be."""

_LOG_LEVELS = {0: None, 1: None, 2: 20, 3: 10}
"""Log level of the SDK itself by the number of `-v`: `-vv` information, `-vvv` everything."""

_USER_LOG_LEVELS = {"critical": 50, "error": 40, "warning": 30, "info": 20, "debug": 10}


def configured(root: RootOptions) -> config.Config:
    """The configuration file with the root options laid over it; the default endpoint: `local`."""
    found = config.auto(root.config_file)
    return replace(
        found,
        platform=replace(
            found.platform,
            endpoint=root.endpoint or found.platform.endpoint or LOCAL,
            insecure=found.platform.insecure if root.insecure is None else root.insecure,
            auth_mode=root.official_auth_type or found.platform.auth_mode,
        ),
        task=replace(found.task, org=root.org or found.task.org),
        image=replace(found.image, builder=root.image_builder or found.image.builder),
    )


def show_logs(root: RootOptions) -> int | None:
    """Let the SDK's log appear from `-vv` on; gives its level, None for the usual one."""
    level = _LOG_LEVELS[min(root.verbose, 3)]
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
