"""Secrets of a task that runs in the caller's process: from its environment, or from the machine's keyring.

Not from a control plane, which gives values to the tasks that it starts and to nobody else.
"""

import atexit
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from flyte import errors
from flyte._runtime.arguments import SECRETS_DIR
from flyte._secret import Secret

MISSING = "SecretNotFound"
_KEYRING_SERVICE = "flyte"
_KEYRING_SECONDS = 5.0
"""A keyring that is locked asks a person, and there may be none."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a task gets to see."""

    env: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    """Variables that are to be set."""
    values: tuple[str, ...] = field(default=(), repr=False)
    """What nobody may be told."""


def of(secrets: Iterable[Secret]) -> Found:
    """The values of secrets.

    Raises:
        RuntimeUserError: one is nowhere (code `SecretNotFound`); says where it was looked for.
    """
    env: dict[str, str] = {}
    values: list[str] = []
    for secret in secrets:
        if secret.mount is None:
            variable = secret.as_env_var or ""
            env[variable] = _value(secret, variable)
            values.append(env[variable])
            continue
        file = secret.mount / secret.key
        if not file.is_file():
            file = _folder() / secret.key
            _write(file, _value(secret, _default_variable(secret)))
            env[SECRETS_DIR] = str(file.parent)
        values.append(file.read_text("utf-8", "surrogateescape"))
        if secret.as_env_var is not None:
            env[secret.as_env_var] = str(file)
    return Found(env, tuple(values))


def _value(secret: Secret, variable: str) -> str:
    own = f"FLYTE_SECRET_{_default_variable(secret)}"
    for name in (variable, own):
        value = os.environ.get(name)  # noqa: TID251 - a local task reads this process's environment
        if value:
            return value
    names = [f"{secret.group}_{secret.key}"] if secret.group else []
    for name in (*names, secret.key):
        value = _keyring(name)
        if value:
            return value
    group = f" of group {secret.group!r}" if secret.group else ""
    raise errors.RuntimeUserError(
        MISSING,
        f"the task asks for the secret {secret.key!r}{group}, which is neither in the environment "
        f"({' or '.join(dict.fromkeys((variable, own)))}) nor in the keyring (service {_KEYRING_SERVICE!r}); set the "
        f"variable, or store it and run on a control plane: flyte create secret {(*names, secret.key)[0]}",
    )


def _default_variable(secret: Secret) -> str:
    name = f"{secret.group}_{secret.key}" if secret.group else secret.key
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def _keyring(name: str) -> str | None:
    """What the keyring has: asked in a process, because it may wait for a person, or crash."""
    if importlib.util.find_spec("keyring") is None:
        return None
    command = [sys.executable, "-m", "keyring", "get", _KEYRING_SERVICE, name]
    with suppress(OSError, subprocess.TimeoutExpired):
        told = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_KEYRING_SECONDS,
        )
        if told.returncode == 0:
            return told.stdout.removesuffix(b"\n").decode("utf-8", "surrogateescape") or None
    return None


@cache
def _folder() -> Path:
    """A folder that nobody else may enter, for as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix="flyte-secrets-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _write(file: Path, value: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as opened:  # noqa: PTH123 - of a descriptor
        opened.write(value.encode("utf-8", "surrogateescape"))
