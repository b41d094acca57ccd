"""`ControlPlane`: the generated Connect clients of one backend."""

from collections.abc import Mapping
from typing import TypeVar

import pyqwest
from connectrpc.client import ConnectClient
from connectrpc.compression.gzip import GzipCompression
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from flyteidl2.auth.identity_connect import IdentityServiceClient
from flyteidl2.cluster.service_connect import ClusterServiceClient
from flyteidl2.dataproxy.dataproxy_service_connect import DataProxyServiceClient
from flyteidl2.project.project_service_connect import ProjectServiceClient
from flyteidl2.task.task_service_connect import TaskServiceClient
from flyteidl2.workflow.run_logs_service_connect import RunLogsServiceClient
from flyteidl2.workflow.run_service_connect import RunServiceClient

from flyte import errors
from flyte._client import transport
from flyte._client.faults import Faults
from flyte._client.interceptors import Headers, Retry
from flyte._ids import ActionID

C = TypeVar("C", bound=ConnectClient)


class ControlPlane:
    """Clients for every service of one backend; all share one pool of connections.

    Every call carries a request id, is tried again while the backend is unavailable, and raises
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
    ) -> None:
        self.endpoint = endpoint
        self._http = http
        client = pyqwest.Client(http)
        # Outermost first: one call has one request id, however often it is tried.
        interceptors = (Faults(endpoint), Headers(headers or {}, caller), Retry())
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
        self.dataproxy = service(DataProxyServiceClient)
        self.tasks = service(TaskServiceClient)
        self.projects = service(ProjectServiceClient)
        self.run_logs = service(RunLogsServiceClient)
        self.identity = service(IdentityServiceClient)
        self.cluster = service(ClusterServiceClient)

    @classmethod
    def connect(
        cls,
        endpoint: str,
        *,
        insecure: bool = False,
        insecure_skip_verify: bool = False,
        ca_cert: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        caller: ActionID | None = None,
    ) -> "ControlPlane":
        """Clients for `endpoint`; no connection is opened before the first call.

        Args:
            endpoint: `http://host:port`, `https://host`, `dns:///host` or `host:port`.
            insecure: plain HTTP where the endpoint names no scheme.
            insecure_skip_verify: not supported; give the authority's certificate instead.
            ca_cert: PEM certificates of the authority to trust in place of the system's.
            headers: sent with every call.
            caller: the action on whose behalf calls are made, inside a task.

        Raises:
            flyte.errors.ConfigError: for an endpoint that is no address, or for
                `insecure_skip_verify`.
        """
        if insecure_skip_verify:
            raise errors.ConfigError(
                "insecure_skip_verify is not supported, because it would hide an impostor; name "
                "the authority's "
                "certificate as ca_cert_file_path instead"
            )
        base = transport.address(endpoint, insecure=insecure)
        http = transport.http_transport(base, ca_cert=ca_cert)
        return cls(base, http, headers=headers, caller=caller)

    async def aclose(self) -> None:
        """Close the connections; the clients cannot be used afterwards."""
        if isinstance(self._http, pyqwest.HTTPTransport):
            await self._http.aclose()
