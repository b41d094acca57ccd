"""Everything that can be set about the control plane, as one frozen value; the only reader of the
environment."""

import getpass
import ipaddress
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flyte_server import issuer, mail, readings
from flyte_server.issuer import Issuer
from flyte_server.mail import Smtp
from flyte_server.readings import SettingsError

DEFAULT_PORT = 8090
MEBIBYTE = 1024 * 1024
_GRACE_SECONDS = 10.0
_LEASE_SECONDS = 10.0
_PARK_SECONDS = 600.0
_SHORTEST_LEASE_SECONDS = 1.0
"""Below, a busy machine is taken for a dead one."""
_KEEP_DAYS = 30.0
_GIGABYTE = 1_000_000_000
_ENVIRONMENTS_GB = 20.0
_MOST_PROCESSES = 4096
_AUTH = "token"
NO_ACCELERATORS = "none"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without an account, as in some containers
        return "local"


@dataclass(frozen=True, slots=True)
class Tls:
    """Files for encrypted connections, all PEM."""

    cert: Path
    """Our certificate, followed by those between it and the authority."""
    key: Path
    ca: Path | None = None
    """The authority that issued it; None: one that machines know."""
    name: str = ""
    """A name for which the certificate is valid, and under which tasks of this machine reach us."""


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
    cpu_milli: int | None = None
    """Thousandths of a CPU that attempts may reserve; None: what this machine has, as of the three below."""
    memory: int | None = None
    """Bytes that attempts may reserve."""
    disk: int | None = None
    """Bytes of scratch space that attempts may reserve."""
    accelerators: str | None = None
    """`none`, how many, or numbers and UUIDs with commas between them; None: those that the driver tells of."""
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
    park_seconds: float = _PARK_SECONDS
    """A task that waits so long for nothing but conditions gives its process back until one ends; 0: never."""
    log_level: str = "INFO"
    log_bytes: int = 1024 * MEBIBYTE
    """Of an attempt's log that is larger, the beginning and the end are kept."""
    max_message_bytes: int = 64 * MEBIBYTE
    """Largest request message, after decompression."""
    keep_days: float = _KEEP_DAYS
    """An ended run is removed so long after its end; 0: age is no reason."""
    keep_bytes: int | None = None
    """What may be occupied before the oldest ended runs are removed; 0: any amount; None: half of the disk, at most
    50 GB."""
    environments_bytes: int = int(_ENVIRONMENTS_GB * _GIGABYTE)
    """What environments of images may occupy before the ones go that were used longest ago; 0: any amount."""
    cgroups: str = "auto"
    """Where control groups of attempts are made: `auto`, `off`, or a group of version 2 that is ours to divide."""
    most_processes: int = _MOST_PROCESSES
    """Processes and threads of one attempt; one that has more forks without end, and is ended."""
    auth: str = _AUTH
    """`token`: every request needs one; `none`: whoever can connect may do everything."""
    tls: Tls | None = None
    """How connections are encrypted; None: not at all."""
    issuer: Issuer | None = None
    """Where an organization's people log in; None: here only."""
    smtp: Smtp | None = None
    """Who takes emails of notifications; None: there are none."""
    notifies_private: bool | None = None
    """Whether notifications may go to this machine and to private networks; None: if only this machine can connect."""
    inherited: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Our own variables, of which tasks inherit what does not configure us."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host in _LOOPBACK

    @property
    def exposed(self) -> bool:
        """Whether other machines can connect."""
        return not (self.host == "localhost" or _is_loopback(self.host))

    @property
    def notifies_near(self) -> bool:
        """Whether notifications may go to this machine and to private networks.

        Who can connect from this machine reaches them anyway; others would reach them through us.
        """
        return not self.exposed if self.notifies_private is None else self.notifies_private

    @property
    def address(self) -> str:
        """`host:port` as a task process on this machine reaches it.

        Never `localhost`: the official runtime forces other defaults on that word.
        """
        if self.tls is not None and self.tls.name:
            return f"{self.tls.name}:{self.port}"
        if self.host in {"0.0.0.0", "localhost"}:
            return f"127.0.0.1:{self.port}"
        if ":" in self.host:
            return f"[{'::1' if self.host == '::' else self.host}]:{self.port}"
        return f"{self.host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """Address of the control plane as a URL."""
        return f"{'http' if self.tls is None else 'https'}://{self.address}"

    @property
    def database(self) -> Path:
        return self.home / "state.db"

    @property
    def data(self) -> Path:
        """Metadata, raw data and uploads of all runs."""
        return self.home / "data"

    @property
    def environments(self) -> Path:
        """Python environments of images, and what they are made of."""
        return self.home / "environments"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def signing_key(self) -> Path:
        """Key of signed links; readable by the owner only."""
        return self.home / "blobs.key"

    @property
    def secrets_key(self) -> Path:
        """Keys of the secrets, outside of the database; made at the first secret."""
        return self.home / "secrets.key"

    @property
    def auth_key(self) -> Path:
        """Key with which tokens are signed; readable by the owner only."""
        return self.home / "auth.key"

    @property
    def local_token(self) -> Path:
        """Token of whoever may read the data directory."""
        return self.home / "token"

    @property
    def trusted(self) -> Path:
        """Certificates that tasks trust, when ours is of an authority that machines do not know."""
        return self.home / "trusted.pem"

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
        auth: str | None = None,
        tls: Tls | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> "Settings":
        """Settings from arguments first, then variables, then defaults.

        Variables: FLYTE_HOME, FLYTE_SERVER_SLOTS (attempts alive at once), FLYTE_TASK_PREFIX (Python of tasks),
        FLYTE_SERVER_GRACE_SECONDS (for tasks to clean up), FLYTE_SERVER_LEASE_SECONDS (silence after which a worker is
        dead), FLYTE_SERVER_CPUS, FLYTE_SERVER_MEMORY, FLYTE_SERVER_DISK (quantities such as 2, 500m, 8Gi that attempts
        may reserve), FLYTE_SERVER_ACCELERATORS (`none`, how many, or numbers and UUIDs), FLYTE_SERVER_PARK_SECONDS
        (after which a task that waits for nothing but conditions gives its process back), FLYTE_SERVER_SYSTEM_RETRIES
        (failures of the system that an action is forgiven), FLYTE_SERVER_LOG_LEVEL, FLYTE_SERVER_LOG_MB (what an
        attempt's log may occupy), FLYTE_SERVER_MAX_MESSAGE_MB, FLYTE_SERVER_KEEP_DAYS and FLYTE_SERVER_KEEP_GB (how
        long and how much of ended runs is kept; 0: no limit), FLYTE_SERVER_ENVIRONMENTS_GB (what environments of images
        may occupy), FLYTE_SERVER_AUTH (`token` or `none`), FLYTE_SERVER_TLS_CERT, FLYTE_SERVER_TLS_KEY and
        FLYTE_SERVER_TLS_CA (PEM files: certificate with its chain, key, authority), FLYTE_SERVER_OIDC_ISSUER,
        …_AUDIENCE, …_CLIENT_ID, …_ROLES and …_SCOPES (see `issuer`), FLYTE_SERVER_SMTP_URL (who takes emails, see
        `mail`), FLYTE_SERVER_NOTIFY_PRIVATE (1 or 0: may notifications go to private networks).

        Raises:
            SettingsError: a variable has a value that cannot be used.
        """
        variables = os.environ if environment is None else environment  # noqa: TID251 - its one home
        chosen = home or variables.get("FLYTE_HOME") or "~/.flyte"
        return cls(
            home=Path(chosen).expanduser().absolute(),
            host=host,
            port=port,
            slots=readings.positive(variables, "FLYTE_SERVER_SLOTS"),
            cpu_milli=readings.reservable(variables, "FLYTE_SERVER_CPUS", "2 or 500m", times=1000),
            memory=readings.reservable(variables, "FLYTE_SERVER_MEMORY", "8Gi"),
            disk=readings.reservable(variables, "FLYTE_SERVER_DISK", "100Gi"),
            accelerators=_accelerators(variables),
            task_prefix=Path(variables.get("FLYTE_TASK_PREFIX") or sys.prefix).expanduser(),
            grace_seconds=readings.seconds(variables, "FLYTE_SERVER_GRACE_SECONDS", _GRACE_SECONDS),
            lease_seconds=_lease_seconds(variables),
            system_retries=readings.count(variables, "FLYTE_SERVER_SYSTEM_RETRIES", 3),
            park_seconds=readings.seconds(variables, "FLYTE_SERVER_PARK_SECONDS", _PARK_SECONDS),
            log_level=_log_level(variables),
            keep_days=readings.amount(variables, "FLYTE_SERVER_KEEP_DAYS", _KEEP_DAYS),
            keep_bytes=_keep_bytes(variables),
            log_bytes=_mebibytes(variables, "FLYTE_SERVER_LOG_MB", 1024),
            environments_bytes=_environments_bytes(variables),
            cgroups=variables.get("FLYTE_SERVER_CGROUPS", "").strip() or "auto",
            most_processes=readings.positive(variables, "FLYTE_SERVER_MOST_PROCESSES")
            or _MOST_PROCESSES,
            auth=_auth(variables, auth),
            tls=tls or _tls(variables),
            issuer=_issuer(variables),
            smtp=_smtp(variables),
            notifies_private=readings.yes_or_no(variables, "FLYTE_SERVER_NOTIFY_PRIVATE"),
            inherited=dict(variables),
            max_message_bytes=_mebibytes(variables, "FLYTE_SERVER_MAX_MESSAGE_MB", 64),
        )


def _issuer(variables: Mapping[str, str]) -> Issuer | None:
    try:
        return issuer.from_variables(variables)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _smtp(variables: Mapping[str, str]) -> Smtp | None:
    try:
        return mail.from_variables(variables)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _auth(variables: Mapping[str, str], chosen: str | None) -> str:
    text = (chosen or variables.get("FLYTE_SERVER_AUTH", "")).strip().lower() or _AUTH
    if text not in {"token", "none"}:
        raise SettingsError(
            f"FLYTE_SERVER_AUTH={text!r} is neither 'token' nor 'none'; write token, or leave it out."
        )
    return text


def _tls(variables: Mapping[str, str]) -> Tls | None:
    cert, key, ca = (
        variables.get(f"FLYTE_SERVER_TLS_{name}", "").strip() for name in ("CERT", "KEY", "CA")
    )
    if not (cert or key):
        return None
    if not (cert and key):
        raise SettingsError(
            "FLYTE_SERVER_TLS_CERT and FLYTE_SERVER_TLS_KEY belong together; set both, or none."
        )
    return Tls(
        Path(cert).expanduser(), Path(key).expanduser(), Path(ca).expanduser() if ca else None
    )


def _accelerators(variables: Mapping[str, str]) -> str | None:
    name = "FLYTE_SERVER_ACCELERATORS"
    text = variables.get(name, "").strip()
    if not text:
        return None
    if text.lower() in {NO_ACCELERATORS, "0"}:
        return NO_ACCELERATORS
    entries = [entry.strip() for entry in text.split(",")]
    known = all(each.isdecimal() or each.upper().startswith(("GPU-", "MIG-")) for each in entries)
    if not known:
        raise SettingsError(
            f"{name}={text!r} is neither 'none', nor how many, nor a list of numbers and UUIDs;"
            f" write e.g. {name}=none, {name}=2, or {name}=GPU-5c1f,GPU-77a0 (see nvidia-smi -L)."
        )
    return text


def _lease_seconds(variables: Mapping[str, str]) -> float:
    name = "FLYTE_SERVER_LEASE_SECONDS"
    seconds = readings.seconds(variables, name, _LEASE_SECONDS)
    if seconds < _SHORTEST_LEASE_SECONDS:
        raise SettingsError(
            f"{name}={seconds:g} is too short: a busy machine would be taken for a dead one; "
            f"write {_SHORTEST_LEASE_SECONDS:g} or more."
        )
    return seconds


def _mebibytes(variables: Mapping[str, str], name: str, default: int) -> int:
    return (readings.positive(variables, name) or default) * MEBIBYTE


def _keep_bytes(variables: Mapping[str, str]) -> int | None:
    if not variables.get("FLYTE_SERVER_KEEP_GB", "").strip():
        return None
    return int(readings.amount(variables, "FLYTE_SERVER_KEEP_GB", 0) * _GIGABYTE)


def _environments_bytes(variables: Mapping[str, str]) -> int:
    return int(
        readings.amount(variables, "FLYTE_SERVER_ENVIRONMENTS_GB", _ENVIRONMENTS_GB) * _GIGABYTE
    )


def _log_level(variables: Mapping[str, str]) -> str:
    level = variables.get("FLYTE_SERVER_LOG_LEVEL", "INFO").strip().upper() or "INFO"
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise SettingsError(
            f"FLYTE_SERVER_LOG_LEVEL={level!r} is not a level; write DEBUG, INFO, WARNING or ERROR."
        )
    return level
