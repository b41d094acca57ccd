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


def is_private(base: str) -> bool:
    """Whether nobody on the way can read what is sent: it is encrypted, or does not leave the machine."""
    return base.startswith("https://") or is_loopback(base)


def same_place(one: str, other: str) -> bool:
    """Whether two addresses are of one server."""
    return urlsplit(one)[:2] == urlsplit(other)[:2]


def http_transport(
    base: str,
    *,
    ca_cert: bytes | None = None,
    http_proxy_url: str | None = None,
    only_that_authority: bool = True,
) -> pyqwest.HTTPTransport:
    """A pool of connections; nothing is opened, and no thread started, before the first request.

    Args:
        base: where most of them go.
        ca_cert: PEM certificates of an authority to trust.
        http_proxy_url: proxy for what leaves this machine.
        only_that_authority: trust no other, should there be a `ca_cert`.

    Raises:
        flyte.errors.ConfigError: `ca_cert` is no certificate, or `http_proxy_url` no address.
    """
    # HTTP_PROXY must not catch calls that never leave the machine: an explicit proxy that
    # excludes every host.
    nowhere = ("http://127.0.0.1:9", _EVERY_HOST)
    url, but_for = nowhere if is_loopback(base) else (http_proxy_url, None)
    try:
        return pyqwest.HTTPTransport(
            tls_ca_cert=ca_cert,
            tls_include_system_certs=ca_cert is None or not only_that_authority,
            proxy=pyqwest.Proxy(url, no_proxy=but_for) if url else None,
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            pool_max_idle_per_host=_IDLE_CONNECTIONS,
            enable_otel=False,
        )
    except ValueError as error:
        raise errors.ConfigError(
            f"no connection to {base} can be set up ({error}); correct ca_cert_file_path (PEM certificates) or "
            "http_proxy_url (an address)"
        ) from error
