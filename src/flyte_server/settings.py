"""Everything that can be set about the control plane, as one frozen value; the only reader of the
environment."""

import getpass
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_PORT = 8090
MEBIBYTE = 1024 * 1024
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class SettingsError(Exception):
    """A setting cannot be used; the message names it, its value and what to write instead."""


def _available_cpus() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without an account, as in some containers
        return "local"


@dataclass(frozen=True, slots=True)
class Settings:
    """What one control plane runs with.

    Example:
        >>> Settings(home=Path("/tmp/flyte"), port=9000).endpoint
        'http://127.0.0.1:9000'
    """

    home: Path
    """Directory with everything that is kept; it can be deleted as a whole."""
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    slots: int | None = None
    """How many attempts may be alive at once; None: as many as suit the CPUs."""
    cpus: int = field(default_factory=_available_cpus)
    task_prefix: Path = field(default_factory=lambda: Path(sys.prefix))
    """Python environment (`sys.prefix`) of tasks whose run names none by VIRTUAL_ENV."""
    user: str = field(default_factory=_user_name)
    """Who owns everything here: one machine, one person."""
    log_level: str = "INFO"
    max_message_bytes: int = 64 * MEBIBYTE
    """Largest request message, after decompression."""
    inherited: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Our own variables, of which tasks inherit what does not configure us."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host in _LOOPBACK

    @property
    def address(self) -> str:
        """`host:port` as a task process on this machine reaches it.

        Never `localhost`: the official runtime forces other defaults on that word.
        """
        if self.host in {"0.0.0.0", "localhost"}:
            return f"127.0.0.1:{self.port}"
        if ":" in self.host:
            return f"[{'::1' if self.host == '::' else self.host}]:{self.port}"
        return f"{self.host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """Address of the control plane as a URL."""
        return f"http://{self.address}"

    @property
    def database(self) -> Path:
        return self.home / "state.db"

    @property
    def data(self) -> Path:
        """Metadata, raw data and uploads of all runs."""
        return self.home / "data"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def signing_key(self) -> Path:
        """Key of signed links; readable by the owner only."""
        return self.home / "blobs.key"

    @property
    def lock(self) -> Path:
        return self.home / "server.lock"

    @property
    def announcement(self) -> Path:
        """File that tells clients on this machine where the control plane is."""
        return self.home / "server.json"

    @classmethod
    def from_environment(
        cls,
        *,
        home: str | None = None,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        environment: Mapping[str, str] | None = None,
    ) -> "Settings":
        """Settings from arguments first, then variables, then defaults.

        Variables: FLYTE_HOME, FLYTE_SERVER_SLOTS (attempts alive at once), FLYTE_TASK_PREFIX
        (Python environment of tasks), FLYTE_SERVER_LOG_LEVEL, FLYTE_SERVER_MAX_MESSAGE_MB.

        Raises:
            SettingsError: a variable has a value that cannot be used.
        """
        variables = os.environ if environment is None else environment  # noqa: TID251 - its one home
        chosen = home or variables.get("FLYTE_HOME") or "~/.flyte"
        return cls(
            home=Path(chosen).expanduser().absolute(),
            host=host,
            port=port,
            slots=_positive(variables, "FLYTE_SERVER_SLOTS"),
            task_prefix=Path(variables.get("FLYTE_TASK_PREFIX") or sys.prefix).expanduser(),
            log_level=_log_level(variables),
            inherited=dict(variables),
            max_message_bytes=(_positive(variables, "FLYTE_SERVER_MAX_MESSAGE_MB") or 64)
            * MEBIBYTE,
        )


def _positive(variables: Mapping[str, str], name: str) -> int | None:
    text = variables.get(name, "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(
            f"{name}={text!r} is not a whole number of at least 1; write e.g. {name}=8."
        )
    return int(text)


def _log_level(variables: Mapping[str, str]) -> str:
    level = variables.get("FLYTE_SERVER_LOG_LEVEL", "INFO").strip().upper() or "INFO"
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise SettingsError(
            f"FLYTE_SERVER_LOG_LEVEL={level!r} is not a level; write DEBUG, INFO, WARNING or ERROR."
        )
    return level
