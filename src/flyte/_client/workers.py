"""`Workers`: what a process that executes attempts asks the control plane, for itself and on behalf of its attempts."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import pyqwest

from flyte._client import fencing, transport, whereabouts
from flyte._client.auth import choosing
from flyte._client.auth.credentials import Credentials, Fixed, Nobody
from flyte._client.auth.interceptor import Authorization
from flyte._client.control_plane import ControlPlane
from flyte._client.faults import Faults
from flyte._client.interceptors import Headers
from flyte._ids import ActionID
from flyte._kit.absence import Absence
from flyte.config._access import Access
from flyte_protocol.worker.v1.worker_connect import WorkerServiceClient

WORKER_TOKEN_VARIABLE = "_U_WORKER_TOKEN"
"""Of a replica's process: the token for the worker protocol, which its attempts do not have."""

_log = logging.getLogger(__name__)


class Workers:
    """The worker protocol of one control plane, and clients for attempts over the same connections.

    Nothing is tried again here: a replica knows what it may ask twice, and for how long.

    Example:
        >>> workers = Workers.connect("127.0.0.1:8090", home=Path("~/.flyte").expanduser())
        >>> await workers.service.lease(request, timeout_ms=15_000)
        >>> plane = workers.on_behalf(caller, {"FLYTE_ATTEMPT_TOKEN": "…"}, over=print)
        >>> await workers.aclose()
    """

    def __init__(
        self,
        endpoint: str,
        http: pyqwest.HTTPTransport | whereabouts.Following,
        headers: Mapping[str, str],
        credentials: Credentials | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._http = http
        self._headers = headers
        worker = Authorization(credentials or Nobody())
        self.service = WorkerServiceClient(
            endpoint,
            interceptors=(Faults(endpoint), Headers(headers, None), worker),
            http_client=pyqwest.Client(http),
            send_compression=None,
            accept_compression=(),
        )

    @classmethod
    def connect(
        cls,
        address: str,
        *,
        home: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> "Workers":
        """Clients for `address`; no connection is opened before the first call.

        Args:
            address: `https://host:port`, `http://host:port` or `host:port`.
            home: the control plane's directory, where this machine has it: then it is found at its next port too.
            environment: variables of this process, with its token and the certificate to trust.

        Raises:
            flyte.errors.ConfigError: for what is no address.
        """
        told = environment or {}
        base = transport.address(address, insecure=True)
        connections = transport.http_transport(base, ca_cert=choosing.certificate(told))
        token = told.get(WORKER_TOKEN_VARIABLE)
        who = Fixed(token) if token and transport.is_private(base) else None
        if home is None or not transport.is_loopback(base):
            return cls(base, connections, {}, who)
        following = whereabouts.Following(connections, base, home)
        return cls(base, following, whereabouts.header(str(home)), who)

    def on_behalf(
        self,
        caller: ActionID,
        environment: Mapping[str, str],
        over: Callable[[str], object],
    ) -> ControlPlane:
        """Clients of an attempt of this process; closing them closes no connection.

        Args:
            caller: whose calls they make.
            environment: the attempt's variables, which say which attempt it is.
            over: gets the control plane's sentence when it says that the attempt is over.
        """
        attempt = fencing.Attempt.of_environment(environment)
        absence = Absence(f"the control plane at {self.endpoint}", say=_log.warning)
        return ControlPlane(
            self.endpoint,
            _Lent(self._http),
            headers=self._headers,
            caller=caller,
            fence=None if attempt is None else fencing.Fence(attempt, over),
            absence=lambda: absence,
            credentials=choosing.credentials(Access(), self.endpoint, self._http, environment),
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


class _Lent:
    """Somebody else's connections, which whoever has them cannot close."""

    def __init__(self, http: pyqwest.Transport) -> None:
        self._http = http

    async def execute(self, request: pyqwest.Request) -> pyqwest.Response:
        """Send a request."""
        return await self._http.execute(request)
