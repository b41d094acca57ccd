"""`ControlPlane`: the generated Connect clients of one backend."""

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pyqwest
from connectrpc.client import ConnectClient
from connectrpc.compression.gzip import GzipCompression
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from flyteidl2.auth.identity_connect import IdentityServiceClient
from flyteidl2.cluster.service_connect import ClusterServiceClient
from flyteidl2.dataproxy.dataproxy_service_connect import DataProxyServiceClient
from flyteidl2.project.project_service_connect import ProjectServiceClient
from flyteidl2.secret.secret_connect import SecretServiceClient
from flyteidl2.settings.settings_service_connect import SettingsServiceClient
from flyteidl2.task.task_service_connect import TaskServiceClient
from flyteidl2.trigger.trigger_service_connect import TriggerServiceClient
from flyteidl2.workflow.run_logs_service_connect import RunLogsServiceClient
from flyteidl2.workflow.run_service_connect import RunServiceClient

from flyte import errors
from flyte._client import fencing, own, transport, whereabouts
from flyte._client.auth import choosing
from flyte._client.auth.command import Command
from flyte._client.auth.credentials import Credentials, Nobody
from flyte._client.auth.interceptor import Authorization
from flyte._client.auth.proxy import Fronted
from flyte._client.faults import Faults
from flyte._client.interceptors import Bearable, Headers, Retry
from flyte._ids import ActionID
from flyte._kit.absence import Absence
from flyte.config._access import RPC_RETRIES, Access
from flyte_protocol.actions.v1.batch_connect import BatchServiceClient

C = TypeVar("C", bound=ConnectClient)

_log = logging.getLogger(__name__)
_NO_SUCH_SERVICE = frozenset({"unimplemented", "not_found"})


class ControlPlane:
    """Clients for every service of one backend; all share one pool of connections.

    Every call carries a request id, is tried again while the backend is unavailable (four times; in a task, and
    for whoever bears its absence, until it is back), and raises
    only errors of `flyte.errors` (`UnionRpcError`, `ResourceExhaustedError`) or
    `asyncio.CancelledError`.

    Example:
        >>> plane = ControlPlane.connect("http://127.0.0.1:8090")
        >>> await plane.runs.get_run_details(request)
        >>> await plane.aclose()
    """

    def __init__(
        self,
        endpoint: str,
        http: pyqwest.Transport,
        *,
        headers: Mapping[str, str] | None = None,
        caller: ActionID | None = None,
        fence: fencing.Fence | None = None,
        absence: Bearable = lambda: None,
        credentials: Credentials | None = None,
        rpc_retries: int = RPC_RETRIES,
    ) -> None:
        self.endpoint = endpoint
        self.http = http
        """The connections, for transfers that go beside the services."""
        client = pyqwest.Client(http)
        # Outermost first: one call has one request id, however often it is tried.
        fences = () if fence is None else (fence,)
        interceptors = (
            Faults(endpoint),
            Headers(headers or {}, caller),
            *fences,
            Authorization(credentials or Nobody()),
            Retry(absence, tries=rpc_retries + 1),
        )
        # On the same machine gzip costs more CPU than it saves bytes.
        compression = None if transport.is_loopback(endpoint) else GzipCompression()

        def service(kind: type[C]) -> C:
            return kind(
                endpoint,
                interceptors=interceptors,
                http_client=client,
                send_compression=compression,
                accept_compression=(compression,) if compression else (),
            )

        self.runs = service(RunServiceClient)
        self.actions = service(ActionsServiceClient)
        self.batches = service(BatchServiceClient)
        self.dataproxy = service(DataProxyServiceClient)
        self.tasks = service(TaskServiceClient)
        self.projects = service(ProjectServiceClient)
        self.secrets = service(SecretServiceClient)
        self.settings = service(SettingsServiceClient)
        self.triggers = service(TriggerServiceClient)
        self.run_logs = service(RunLogsServiceClient)
        self.identity = service(IdentityServiceClient)
        self.cluster = service(ClusterServiceClient)
        self._own = service(ConnectClient)
        self._shares_files: bool | None = None
        self._access = Access()
        self._elsewhere: pyqwest.HTTPTransport | None = None

    @classmethod
    def connect(
        cls,
        endpoint: str,
        *,
        insecure: bool = False,
        access: Access | None = None,
        headers: Mapping[str, str] | None = None,
        caller: ActionID | None = None,
        environment: Mapping[str, str] | None = None,
        absence: Bearable = lambda: None,
    ) -> "ControlPlane":
        """Clients for `endpoint`; no connection is opened before the first call.

        Args:
            endpoint: `http://host:port`, `https://host`, `dns:///host` or `host:port`.
            insecure: plain HTTP where the endpoint names no scheme.
            access: how it is reached and who asks; by default a login is made once it asks for one.
            headers: sent with every call.
            caller: the action on whose behalf calls are made, inside a task.
            environment: the variables of a task's process that this control plane started: it ends itself when it
                hears that another attempt has taken its place.
            absence: whether whoever asks waits for a control plane that is away; a task's process always does.

        Raises:
            flyte.errors.ConfigError: for an endpoint that is no address, for `insecure_skip_verify`, and for a login
                over plain HTTP to another machine.
        """
        access = access or Access()
        base = transport.address(endpoint, insecure=insecure)
        trusted = access.ca_cert or choosing.certificate(environment or {})
        access = replace(access, ca_cert=trusted)
        connections, http = _connections(base, access)
        attempt = fencing.Attempt.of_environment(environment or {})
        fence = None if attempt is None else fencing.Fence(attempt)
        home = (environment or {}).get(whereabouts.HOME_VARIABLE)
        if attempt is not None and home and transport.is_loopback(base):
            http = whereabouts.Following(connections, base, Path(home))
            headers = {**(headers or {}), **whereabouts.header(home)}
        if attempt is not None:  # a task must not fail because its control plane is away
            absence = _always(Absence(f"the control plane at {base}", say=_log.warning))
        made = cls(
            base,
            http,
            headers=headers,
            caller=caller,
            fence=fence,
            absence=absence,
            credentials=choosing.credentials(access, base, http, environment),
            rpc_retries=access.rpc_retries,
        )
        made._access = access
        return made

    def transport_to(self, url: str) -> pyqwest.Transport:
        """Connections for a transfer: those of the calls, or to other servers some that trust the same authority, too.

        Example:
            >>> plane.transport_to("http://127.0.0.1:8090/data/…") is plane.http
            True
        """
        if transport.same_place(url, self.endpoint) or transport.is_loopback(url):
            return self.http
        if self._elsewhere is None:
            self._elsewhere = transport.http_transport(
                url,
                ca_cert=self._access.ca_cert,
                http_proxy_url=self._access.http_proxy_url,
                only_that_authority=False,
            )
        return self._elsewhere

    async def own(self, service: str, method: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Call a service of our own control plane, which stands beside the public protocol.

        Args:
            service: its short name, such as `DataService`.
            method: such as `ListFiles`.
            payload: strings, numbers, booleans, None, and lists and dictionaries of them; whole
                numbers above 2**53 have to be text.

        Raises:
            flyte.errors.UnionRpcError: with the code `unimplemented` if the backend is another one
                and has no such service.

        Example:
            >>> await plane.own("DataService", "ListFiles", {"prefix": "/home/me/.flyte/data/p/d/r1"})
            {'files': [{'uri': '/home/me/.flyte/data/p/d/r1/a0/inputs.pb', 'size': 120}], 'next': ''}
        """
        answer = await self._own.execute_unary(
            request=own.packed(payload), method=own.method(service, method)
        )
        return own.unpacked(answer)

    async def shares_files(self) -> bool:
        """Whether this machine sees the control plane's data directory; asked once.

        It is not enough that there is a directory of that name: a file in it must be the very one
        that the control plane sees.
        """
        if self._shares_files is None:
            self._shares_files = await self._sees_its_files()
        return self._shares_files

    async def _sees_its_files(self) -> bool:
        try:
            told = await self.own("DataService", "Whereabouts", {})
        except errors.UnionRpcError as error:
            if error.code in _NO_SUCH_SERVICE:
                return False
            raise
        return is_seen(told)

    async def aclose(self) -> None:
        """Close the connections; the clients cannot be used afterwards."""
        if isinstance(self.http, pyqwest.HTTPTransport | whereabouts.Following | Fronted):
            await self.http.aclose()
        if self._elsewhere is not None:
            await self._elsewhere.aclose()


def is_seen(told: Mapping[str, str]) -> bool:
    """Whether the control plane's `witness` is that file here, too."""
    try:
        witness = Path(told["witness"]).stat()
    except OSError:
        return False
    mark = f"{witness.st_ino}-{witness.st_mtime_ns}"
    return mark == told["mark"] and os.access(told["root"], os.R_OK | os.W_OK | os.X_OK)


def _connections(base: str, access: Access) -> tuple[pyqwest.HTTPTransport, pyqwest.Transport]:
    """Connections, and what calls go through."""
    if access.insecure_skip_verify:
        raise errors.ConfigError(
            "insecure_skip_verify is not supported, because it would hide an impostor; name the authority's "
            "certificate as ca_cert_file_path instead"
        )
    connections = transport.http_transport(
        base, ca_cert=access.ca_cert, http_proxy_url=access.http_proxy_url
    )
    if not access.login.proxy_command or not transport.is_private(base):
        return connections, connections
    command = Command(access.login.proxy_command, "proxy_command")
    return connections, Fronted(connections, base, command)


def _always(absence: Absence) -> Bearable:
    return lambda: absence
