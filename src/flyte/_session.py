"""The session: which control plane, project and domain the verbs and handles of this process work with.

`flyte.init` makes one; everything else asks `current()`.  It is the same for the whole process (threads, event loops
and notebook cells see what `init` chose); `using` replaces it for one block.
"""

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flyte import _embedded, errors
from flyte._context import ctx
from flyte._kit import optional
from flyte._kit.absence import Absence
from flyte.config import _read
from flyte.config._access import RPC_RETRIES, Access, Login

if TYPE_CHECKING:
    from flyte._client import ControlPlane

DEFAULT_PROJECT = "flytesnacks"
DEFAULT_DOMAIN = "development"

TOKEN_FILE = "token"
"""In the directory of a control plane: what says that one may read the directory."""

Mode = Literal["local", "remote"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a control plane is, as the client needs it."""

    endpoint: str
    insecure: bool
    embedded: bool
    """The control plane of this machine, which sees the caller's files and interpreter."""
    home: Path | None = None
    """The directory of this machine's control plane, if this is its address: there lies the token."""
    ca_cert: Path | None = None
    """The certificate that this machine's control plane says is its own."""


class Link:
    """The session's connection, made at the first use; loops other than the SDK's own never see it."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._connected: tuple[Address, ControlPlane] | None = None

    def attach(self, address: Address, plane: "ControlPlane") -> None:
        """Use a connection that is there already, as tests with a control plane in their own process do."""
        self._connected = address, plane

    async def open(self, session: "Session", *, start: bool) -> "tuple[Address, ControlPlane]":
        """The connection; if `start`, the embedded control plane may be started for it."""
        async with self._lock:
            if self._connected is None:
                address = await _resolve(session, start=start)
                self._connected = address, _connect(session, address)
            return self._connected

    @property
    def base_url(self) -> str | None:
        """Address of the control plane with its scheme; None before the first use."""
        return self._connected[1].endpoint if self._connected else None

    async def drop(self, lost: "ControlPlane | None") -> None:
        """Forget a connection: the next use looks for the control plane anew (it may have another port).

        Of several readers that notice a loss only the first finds its connection here: that which it made anew must
        not be taken from it by the others.
        """
        async with self._lock:
            if lost is None or self._connected is None or self._connected[1] is not lost:
                return
            self._connected = None
        await lost.aclose()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What `flyte.init` chose.  A copy with other values (`dataclasses.replace`) makes a connection of its own."""

    project: str = DEFAULT_PROJECT
    domain: str = DEFAULT_DOMAIN
    org: str | None = None
    endpoint: str | None = None
    """As configured; None: runs happen in the caller's process; `local`: the control plane of this machine."""
    insecure: bool = False
    insecure_skip_verify: bool = False
    ca_cert_file_path: str | None = None
    rpc_retries: int = RPC_RETRIES
    http_proxy_url: str | None = None
    login: Login = field(default_factory=Login)
    """How to log in, should the control plane ask for it."""
    root_dir: Path | None = None
    """Code below it is bundled, and modules are named relative to it; None: the working directory."""
    log_level: int | None = None
    log_format: str = "console"
    user_log_level: int | None = None
    image_builder: str = "local"
    images: Mapping[str, str] = field(default_factory=dict[str, str])
    storage: Any = None
    sync_local_sys_paths: bool = True
    source: Path | None = None
    """The configuration file that it came from."""
    link: Link = field(default_factory=Link, init=False, repr=False, compare=False)

    @property
    def mode(self) -> Mode:
        """Where `flyte.run` runs a task unless told otherwise."""
        return "remote" if self.endpoint else "local"

    @property
    def embedded(self) -> bool:
        """Whether the endpoint is this machine's own control plane."""
        return (self.endpoint or "").strip().lower() in _embedded.ENDPOINT_NAMES

    async def control_plane(self) -> "ControlPlane":
        """The connected control plane; the embedded one is found, or started.

        Raises:
            InitializationError: no endpoint is configured.
            ServerStartError: the embedded control plane does not come up.
        """
        return (await self.link.open(self, start=True))[1]

    async def address(self) -> Address:
        """Where the control plane is; connects if need be."""
        return (await self.link.open(self, start=True))[0]

    @property
    def base_url(self) -> str:
        """Address for links into the console: that of the connection once there is one, else the configured one."""
        return self.link.base_url or (self.endpoint or "").removeprefix("dns:///").rstrip("/")

    async def reconnected(self, lost: "ControlPlane | None") -> "ControlPlane":
        """A new connection in the place of a lost one; a control plane that somebody stopped stays stopped."""
        await self.link.drop(lost)
        return (await self.link.open(self, start=False))[1]


def _connect(session: Session, address: Address) -> "ControlPlane":
    own, sharing = _of_attempt(session, _environment()), _cell.get().sharing
    if own is not None and sharing is not None:
        return sharing.connect()
    client = optional.module("flyte._client", needed_for="talking to a control plane")
    return client.ControlPlane.connect(
        address.endpoint,
        insecure=address.insecure,
        access=_access(session, address),
        environment=own,
        absence=absence,
    )


def _access(session: Session, address: Address) -> Access:
    trusted = session.ca_cert_file_path or address.ca_cert
    return Access(
        login=session.login,
        token_file=address.home / TOKEN_FILE if address.home else None,
        metadata=metadata,
        ca_cert=_certificate(trusted),
        insecure_skip_verify=session.insecure_skip_verify,
        http_proxy_url=session.http_proxy_url,
        rpc_retries=session.rpc_retries,
    )


async def _resolve(session: Session, *, start: bool) -> Address:
    if not session.endpoint:
        raise errors.InitializationError(
            "NotInitialized",
            "user",
            "no control plane is configured: call flyte.init(endpoint='local') for the one of this machine, "
            "or flyte.init_from_config() with an endpoint in the configuration file",
        )
    if not session.embedded:
        in_task = _of_attempt(session, _environment()) is not None
        here = None if in_task else await asyncio.to_thread(_embedded.at, session.endpoint)
        if here is not None:  # the one of this machine, named by its address
            return _of_this_machine(here, embedded=False)
        return Address(session.endpoint, session.insecure, embedded=False)
    found = await asyncio.to_thread(_embedded.find_or_start if start else _embedded.find)
    if found is None:
        raise errors.UnionRpcError(
            "unavailable",
            "the control plane of this machine does not run; start it with: flyte start server",
        )
    return _of_this_machine(found, embedded=True)


def _of_this_machine(found: _embedded.Endpoint, *, embedded: bool) -> Address:
    return Address(
        found.url, insecure=True, embedded=embedded, home=found.home, ca_cert=found.ca_cert
    )


def _certificate(path: str | Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise errors.ConfigError(
            f"certificate file {path} cannot be read ({error.strerror}); correct ca_cert_file_path"
        ) from error


@dataclass(frozen=True, slots=True)
class _Sharing:
    """What an attempt that shares its process has in the place of the process's variables and connections."""

    environment: Mapping[str, str]
    connect: "Callable[[], ControlPlane]"


class _Cell:
    """Holds the session of a process, or of a block.  A cell, and not the session itself, is what the context
    variable carries: what `init` puts into it must reach other threads and the background loop."""

    def __init__(
        self,
        session: Session | None = None,
        absence: Absence | None = None,
        sharing: _Sharing | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.session = session
        self.absence = absence
        self.sharing = sharing
        self.metadata = metadata or {}
        self.in_task: Session | None = None


_cell: ContextVar[_Cell] = ContextVar("flyte_session", default=_Cell())  # noqa: B039 - shared on purpose, see _Cell


def install(session: Session) -> None:
    """Make it the session of this process (or of the surrounding `using` block)."""
    here = _cell.get()
    here.session, here.in_task = session, None


def initialized() -> bool:
    """Whether somebody chose a session: `flyte.init`, or the control plane that started this process."""
    return _cell.get().session is not None or _in_task(_environment())


def current() -> Session:
    """The session in effect; defaults (runs in this process) when nothing was chosen.

    In a task's process, a session without an endpoint uses the control plane that started the task.
    """
    here = _cell.get()
    chosen = here.session or Session()
    environment = _environment()
    if chosen.endpoint or not _in_task(environment):
        return chosen
    if here.in_task is None:
        here.in_task = _of_task(chosen, environment)
    return here.in_task


@contextmanager
def using(session: Session) -> Generator[Session]:
    """Run a block with another session; the process's own is untouched."""
    here = _cell.get()
    token = _cell.set(_Cell(session, sharing=here.sharing, metadata=here.metadata))
    try:
        yield session
    finally:
        _cell.reset(token)


@contextmanager
def of_attempt(
    environment: Mapping[str, str], connect: "Callable[[], ControlPlane]"
) -> Generator[None]:
    """Run an attempt in a process that it shares with others: what it chooses for its session is its own.

    Args:
        environment: its variables.
        connect: makes its client of the control plane that started it.
    """
    session = _cell.get().session
    own = None if session is None else replace(session)
    token = _cell.set(_Cell(own, sharing=_Sharing(environment, connect)))
    try:
        yield
    finally:
        _cell.reset(token)


@contextmanager
def waiting_out(absence: Absence) -> Generator[None]:
    """Run a block in which everybody who finds the control plane away waits for it, as long as `absence` allows.

    Outside of such a block a question without an answer soon fails: whoever types a command wants to hear of it.
    """
    here = _cell.get()
    made = _Cell(here.session, absence, here.sharing, here.metadata)
    made.in_task = here.in_task
    token = _cell.set(made)
    try:
        yield
    finally:
        _cell.reset(token)


@contextmanager
def passing_on(metadata: Mapping[str, str]) -> Generator[None]:
    """Run a block whose calls say who asks: on top of what a surrounding block says."""
    here = _cell.get()
    made = _Cell(here.session, here.absence, here.sharing, {**here.metadata, **metadata})
    made.in_task = here.in_task
    token = _cell.set(made)
    try:
        yield
    finally:
        _cell.reset(token)


def metadata() -> Mapping[str, str]:
    """What the surrounding `passing_on` says about who asks."""
    return _cell.get().metadata


def absence() -> Absence | None:
    """The absence that the surrounding `waiting_out` bears; None outside of any."""
    return _cell.get().absence


def current_project() -> str:
    """The project in effect: the running task's, else the session's.

    Example:
        >>> flyte.init(project="weather")
        >>> flyte.current_project()
        'weather'
    """
    task = ctx()
    return (task.action.project if task else None) or current().project


def current_domain() -> str:
    """The domain in effect: the running task's, else the session's."""
    task = ctx()
    return (task.action.domain if task else None) or current().domain


def is_control_plane_available() -> bool:
    """Whether this process can start runs on a control plane (it says nothing about whether that one answers)."""
    return current().mode == "remote"


def _environment() -> Mapping[str, str]:
    """The variables of the task that is running here, else of the process."""
    sharing = _cell.get().sharing
    return _read.environment() if sharing is None else sharing.environment


def _in_task(environment: Mapping[str, str]) -> bool:
    return "_U_EP_OVERRIDE" in environment and "RUN_NAME" in environment


def _of_attempt(session: Session, environment: Mapping[str, str]) -> Mapping[str, str] | None:
    """What this process says about itself to the control plane that started it; to another one it says nothing."""
    own = _in_task(environment) and session.endpoint == environment["_U_EP_OVERRIDE"]
    return environment if own else None


def _of_task(chosen: Session, environment: Mapping[str, str]) -> Session:
    """`chosen`, with what the control plane told this task's process about itself."""
    return replace(
        chosen,
        endpoint=environment["_U_EP_OVERRIDE"],
        insecure=environment.get("_U_INSECURE", "").lower() in ("1", "true"),
        project=environment.get("FLYTE_INTERNAL_EXECUTION_PROJECT", chosen.project),
        domain=environment.get("FLYTE_INTERNAL_EXECUTION_DOMAIN", chosen.domain),
        org=environment.get("_U_ORG_NAME", chosen.org),
    )
