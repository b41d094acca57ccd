"""Secret: a value that the control plane keeps and a task gets at run time."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyte import errors

_KEY = re.compile(r"[A-Za-z0-9_.-]+")
_FOLDER = Path("/etc/flyte/secrets")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Secret:
    """Ask for a stored secret.

    Args:
        key: name under which it is stored.
        group: group of the stored secret, if it has one.
        mount: folder in which it appears as a file named like the key: `/etc/flyte/secrets`, or where
            `FLYTE_SECRETS_DEFAULT_DIR` says on a machine that tasks share.
        as_env_var: environment variable in which it appears, or (with `mount`) its path; without this
            and `mount` it is made from group and key: `Secret("api-key", "openai")` appears in
            `OPENAI_API_KEY`.
    """

    key: str
    group: str | None = None
    mount: Path | None = None
    as_env_var: str | None = None

    def __post_init__(self) -> None:
        for field in ("key", "group"):
            value = getattr(self, field)
            if (value is not None or field == "key") and not _matches(_KEY, value):
                raise errors.DefinitionError(
                    f"Secret: {field} may have letters, digits, '_', '-' and '.', got {value!r}"
                )
        if self.mount is not None:
            object.__setattr__(self, "mount", Path(self.mount))
            if self.mount != _FOLDER:
                raise errors.DefinitionError(
                    f"Secret {self.key!r}: mount must be {_FOLDER}, got {self.mount}; copy the file in the task if "
                    "it must be elsewhere"
                )
        elif self.as_env_var is None:
            name = f"{self.group}_{self.key}" if self.group else self.key
            variable = re.sub(r"[^A-Za-z0-9]", "_", name).upper()
            object.__setattr__(
                self, "as_env_var", "_" + variable if variable[0].isdigit() else variable
            )
        if self.as_env_var is not None and not _matches(_VARIABLE, self.as_env_var):
            raise errors.DefinitionError(
                f"Secret {self.key!r}: as_env_var must be the name of an environment variable, got "
                f"{self.as_env_var!r}"
            )

    def stable_hash(self) -> str:
        """Identity of the request, the same in every process."""
        identity = "\0".join(
            (self.key, self.group or "", str(self.mount or ""), self.as_env_var or "")
        )
        return hashlib.sha256(identity.encode()).hexdigest()


SecretRequest = str | Secret | list[str | Secret]
"""What `secrets` takes: a key, a `Secret`, or several of them."""


def secrets(request: Any) -> tuple[Secret, ...]:
    """The secrets that a `SecretRequest` asks for.

    Raises:
        DefinitionError: when it is something else.
    """
    if request is None:
        return ()
    if isinstance(request, str):
        return (Secret(request),)
    if isinstance(request, Secret):
        return (request,)
    if isinstance(request, list | tuple):
        return tuple(secret for item in request for secret in secrets(item))
    raise errors.DefinitionError(
        f"secrets must be a key, a flyte.Secret or a list of them, got {type(request).__name__}: "
        f"{request!r}"
    )


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
