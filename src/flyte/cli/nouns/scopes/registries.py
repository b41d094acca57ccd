"""Logins of container registries as the content of an image-pull secret: Docker's own form, `{"auths": …}`."""

import base64
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

_HELPER_SECONDS = 30.0


def from_login(registry: str, username: str, password: str) -> bytes:
    """The login of one registry.

    Example:
        >>> from_login("ghcr.io", "ada", "secret")
        b'{"auths": {"ghcr.io": {"auth": "YWRhOnNlY3JldA=="}}}'
    """
    return _content({registry: _encoded(username, password)})


def from_docker_config(path: Path | None, registries: Sequence[str]) -> bytes:
    """Logins that Docker keeps on this machine.

    Args:
        path: Docker's configuration file; by default `~/.docker/config.json`.
        registries: only these; all that the file names by default.

    Raises:
        click.UsageError: there is no such file, or no login of a registry in it.
    """
    file = path or Path.home() / ".docker" / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise click.UsageError(
            f"{file} cannot be read ({error}); log in with `docker login`, or name another file with "
            "--docker-config-path"
        ) from error
    auths, helpers = config.get("auths") or {}, config.get("credHelpers") or {}
    wanted = registries or [*auths, *(each for each in helpers if each not in auths)]
    found = {each: _login(each, config, auths, helpers) for each in wanted}
    if missing := [each for each, login in found.items() if not login]:
        raise click.UsageError(
            f"{file} has no login of {missing[0]}; make one with `docker login {missing[0]}`"
        )
    if not found:
        raise click.UsageError(f"{file} has no logins; make one with `docker login REGISTRY`")
    return _content({each: login for each, login in found.items() if login})


def _login(
    registry: str, config: Mapping[str, Any], auths: Mapping[str, Any], helpers: Mapping[str, str]
) -> str | None:
    """The encoded login of a registry: written down, or from the program that Docker leaves it to."""
    written = (auths.get(registry) or {}).get("auth")
    helper = helpers.get(registry) or config.get("credsStore")
    return written or (_from_helper(helper, registry) if helper else None)


def _from_helper(helper: str, registry: str) -> str | None:
    try:
        done = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=registry,
            capture_output=True,
            text=True,
            check=False,
            timeout=_HELPER_SECONDS,
        )
        told = json.loads(done.stdout) if done.returncode == 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise click.UsageError(
            f"docker-credential-{helper} does not give the login of {registry} ({error}); pass it with --registry, "
            "--username and --password"
        ) from error
    if not told.get("Username"):
        return None
    return _encoded(told["Username"], told["Secret"])


def _encoded(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def _content(logins: Mapping[str, str]) -> bytes:
    return json.dumps({"auths": {each: {"auth": login} for each, login in logins.items()}}).encode()
