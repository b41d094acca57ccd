"""Arguments of `flyte.init` from where others have written them down: a configuration file, a task's variables."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flyte import errors
from flyte.config import _config, _read

_DEFAULT_IN_CLUSTER = "host.docker.internal:8090"
_INJECTED_KEYS = ("_UNION_EAGER_API_KEY", "EAGER_API_KEY")


def platform(config: _config.Config) -> dict[str, Any]:
    """Section `admin`, as arguments of `init`."""
    given = asdict(config.platform)
    kind, variable = given.pop("auth_mode"), given["client_credentials_secret"]
    if kind:
        given["auth_type"] = kind
    if variable:
        given["client_credentials_secret"] = _secret(variable, config.source)
    return given


def _secret(variable: str, source: Path | None) -> str:
    secret = _read.environment().get(variable)
    if not secret:
        raise errors.ConfigError(
            f"{source or 'the configuration'}: admin.clientSecretEnvVar names the variable {variable}, which is not "
            "set; set it to the client's secret"
        )
    return secret


def in_cluster(
    environment: Mapping[str, str], api_key: str | None, endpoint: str | None, insecure: bool
) -> dict[str, Any]:
    """The arguments for a task's process, from its variables; what is given goes first.

    Raises:
        flyte.errors.ConfigError: a variable with a command, or the configuration file, cannot be read.
    """
    if api_key:
        return {"insecure": insecure, "api_key": api_key}
    there = endpoint or environment.get("FLYTE_ADMIN_ENDPOINT") or environment.get("_U_EP_OVERRIDE")
    where: dict[str, Any] = {
        "insecure": insecure or truthy(environment.get("_U_INSECURE")),
        "endpoint": there or _DEFAULT_IN_CLUSTER,
    }
    if any(environment.get(name) for name in _read.CONFIG_VARIABLES):
        file = {name: value for name, value in platform(_config.auto()).items() if value}
        return {**file, **{name: value for name, value in where.items() if there or value}}
    kind = environment.get("FLYTE_AUTH_TYPE") or environment.get("FLYTE_ADMIN_AUTHTYPE")
    if kind:
        return {**where, "auth_type": kind, **_commands(environment)}
    key = next((environment[name] for name in _INJECTED_KEYS if environment.get(name)), None)
    return {"insecure": insecure, "api_key": key} if key else {**where, **_commands(environment)}


def _commands(environment: Mapping[str, str]) -> dict[str, list[str]]:
    """The commands that print tokens, as variables say them: words as a shell has them, or a JSON array."""
    found: dict[str, list[str]] = {}
    for argument, names in _COMMANDS.items():
        text = next((environment[name] for name in names if environment.get(name)), "").strip()
        if text:
            try:
                words = json.loads(text) if text.startswith("[") else shlex.split(text)
            except ValueError as error:
                raise errors.ConfigError(
                    f"{names[0]} cannot be read ({error}); quote it as a shell does"
                ) from error
            found[argument] = [str(word) for word in words]
    return found


_COMMANDS = {
    "command": ("FLYTE_AUTH_COMMAND", "FLYTE_ADMIN_COMMAND"),
    "proxy_command": ("FLYTE_AUTH_PROXY_COMMAND", "FLYTE_ADMIN_PROXYCOMMAND"),
}


def truthy(text: str | None) -> bool:
    """Whether a variable says yes."""
    return (text or "").lower() in ("1", "true")
