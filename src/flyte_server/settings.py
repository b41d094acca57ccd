"""Everything that can be set about the control plane, as one frozen value; the only reader of the
environment."""

import getpass
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_PORT = 8090
MEBIBYTE = 1024 * 1024
_GRACE_SECONDS = 10.0
_LEASE_SECONDS = 10.0
_SHORTEST_LEASE_SECONDS = 1.0
"""Below, a busy machine is taken for a dead one."""
_KEEP_DAYS = 30.0
_GIGABYTE = 1_000_000_000
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
    grace_seconds: float = _GRACE_SECONDS
    """Between SIGTERM and SIGKILL, when a task is aborted or hits a time limit; 0: SIGKILL follows at once."""
    lease_seconds: float = _LEASE_SECONDS
    """A worker (host, control plane) that gives no sign of life for longer is dead; noticed within twice that."""
    system_retries: int = 3
    """Failures of an action that are not the user's (worker lost, host gone, …) and are forgiven."""
    log_level: str = "INFO"
    max_message_bytes: int = 64 * MEBIBYTE
    """Largest request message, after decompression."""
    keep_days: float = _KEEP_DAYS
    """An ended run is removed so long after its end; 0: age is no reason."""
    keep_bytes: int | None = None
    """What may be occupied before the oldest ended runs are removed; 0: any amount; None: half of the disk, at most
    50 GB."""
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
        (Python environment of tasks), FLYTE_SERVER_GRACE_SECONDS (time that a task gets to clean
        up when it is ended), FLYTE_SERVER_LEASE_SECONDS (silence after which a worker is dead),
        FLYTE_SERVER_SYSTEM_RETRIES (failures of the system that an action is
        forgiven), FLYTE_SERVER_LOG_LEVEL, FLYTE_SERVER_MAX_MESSAGE_MB,
        FLYTE_SERVER_KEEP_DAYS and FLYTE_SERVER_KEEP_GB (how long and how much of ended runs is
        kept; 0: no limit).

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
            grace_seconds=_seconds(variables, "FLYTE_SERVER_GRACE_SECONDS", _GRACE_SECONDS),
            lease_seconds=_lease_seconds(variables),
            system_retries=_count(variables, "FLYTE_SERVER_SYSTEM_RETRIES", 3),
            log_level=_log_level(variables),
            keep_days=_amount(variables, "FLYTE_SERVER_KEEP_DAYS", _KEEP_DAYS),
            keep_bytes=_keep_bytes(variables),
            inherited=dict(variables),
            max_message_bytes=(_positive(variables, "FLYTE_SERVER_MAX_MESSAGE_MB") or 64)
            * MEBIBYTE,
        )


def _count(variables: Mapping[str, str], name: str, default: int) -> int:
    text = variables.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal():
        raise SettingsError(
            f"{name}={text!r} is not a whole number of at least 0; write e.g. {name}={default}."
        )
    return int(text)


def _positive(variables: Mapping[str, str], name: str) -> int | None:
    text = variables.get(name, "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(
            f"{name}={text!r} is not a whole number of at least 1; write e.g. {name}=8."
        )
    return int(text)


def _lease_seconds(variables: Mapping[str, str]) -> float:
    name = "FLYTE_SERVER_LEASE_SECONDS"
    seconds = _seconds(variables, name, _LEASE_SECONDS)
    if seconds < _SHORTEST_LEASE_SECONDS:
        raise SettingsError(
            f"{name}={seconds:g} is too short: a busy machine would be taken for a dead one; "
            f"write {_SHORTEST_LEASE_SECONDS:g} or more."
        )
    return seconds


def _keep_bytes(variables: Mapping[str, str]) -> int | None:
    if not variables.get("FLYTE_SERVER_KEEP_GB", "").strip():
        return None
    return int(_amount(variables, "FLYTE_SERVER_KEEP_GB", 0) * _GIGABYTE)


def _seconds(variables: Mapping[str, str], name: str, default: float) -> float:
    return _amount(variables, name, default, wanted="number of seconds", example="10")


def _amount(
    variables: Mapping[str, str],
    name: str,
    default: float,
    *,
    wanted: str = "number",
    example: str = "30, or 0 for no limit",
) -> float:
    text = variables.get(name, "").strip()
    try:
        amount = float(text) if text else default
    except ValueError:
        amount = math.nan
    if not 0 <= amount < math.inf:
        raise SettingsError(
            f"{name}={text!r} is no {wanted} of at least 0; write e.g. {name}={example}."
        )
    return amount


def _log_level(variables: Mapping[str, str]) -> str:
    level = variables.get("FLYTE_SERVER_LOG_LEVEL", "INFO").strip().upper() or "INFO"
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise SettingsError(
            f"FLYTE_SERVER_LOG_LEVEL={level!r} is not a level; write DEBUG, INFO, WARNING or ERROR."
        )
    return level
