"""One HTTP transport for all clients of a control plane."""

import ipaddress
from urllib.parse import urlsplit

import pyqwest

from flyte import errors

_CONNECT_TIMEOUT_SECONDS = 10.0
_IDLE_CONNECTIONS = 64
"""More than a parent ever has open at once (the default, 2, would open a connection per call)."""

_EVERY_HOST = "*,0.0.0.0/0,::/0"
"""The star alone matches names only, not addresses."""


def address(endpoint: str, *, insecure: bool) -> str:
    """A base address with a scheme, from any form that configurations use.

    >>> address("dns:///flyte.example.com:443", insecure=False)
    'https://flyte.example.com:443'
    >>> address("127.0.0.1:8090", insecure=True)
    'http://127.0.0.1:8090'

    Raises:
        flyte.errors.ConfigError: when no host can be found in it.
    """
    text = endpoint.strip().removeprefix("dns:///")
    if "://" not in text:
        text = f"{'http' if insecure else 'https'}://{text}"
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise errors.ConfigError(
            f"endpoint {endpoint!r} is not an address; write it as http://127.0.0.1:8090 or dns:///flyte.example.com"
        )
    return text.rstrip("/")


def is_loopback(base: str) -> bool:
    """Whether the address stays on this machine."""
    host = urlsplit(base).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def http_transport(base: str, *, ca_cert: bytes | None = None) -> pyqwest.HTTPTransport:
    """A pool of connections; nothing is opened, and no thread started, before the first request."""
    return pyqwest.HTTPTransport(
        tls_ca_cert=ca_cert,
        tls_include_system_certs=ca_cert is None,
        # HTTP_PROXY must not catch calls that never leave the machine: an explicit proxy that
        # excludes every host.
        proxy=pyqwest.Proxy("http://127.0.0.1:9", no_proxy=_EVERY_HOST)
        if is_loopback(base)
        else None,
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        pool_max_idle_per_host=_IDLE_CONNECTIONS,
        enable_otel=False,
    )
