"""Signed links that lead back to this server."""

import posixpath

from connectrpc.request import Headers

from flyte_server.blobs import Link, LocalBlobs
from flyte_server.clock import Clock
from flyte_server.domain.errors import Invalid
from flyte_server.services.wire import ids

UPLOADS = "uploads"
"""Where uploads go, below the data directory."""

_DEFAULT_SECONDS = 900
_LONGEST_SECONDS = 24 * 3600
_SHORTEST_DATA_PATH = 3


class Links:
    """Makes signed links, with the name under which the client knows this server."""

    def __init__(self, blobs: LocalBlobs, clock: Clock, endpoint: str) -> None:
        self._blobs = blobs
        self._clock = clock
        self._endpoint = endpoint
        self._encrypted = endpoint.startswith("https:")

    def expiry(self, seconds: float = 0) -> int:
        """When a link ends (microseconds): as asked for, at most a day from now."""
        wanted = seconds or _DEFAULT_SECONDS
        return self._clock.now_us() + int(min(max(wanted, 1), _LONGEST_SECONDS) * 1_000_000)

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        return self._clock.now_us()

    def base(self, headers: Headers) -> str:
        """This server as the client of a request knows it.

        Args:
            headers: of the request; a proxy in front of us that speaks TLS says so in them.
        """
        host = headers.get("host")
        encrypted = self._encrypted or headers.get("x-forwarded-proto") == "https"
        scheme = "https" if encrypted else "http"
        return f"{scheme}://{host}" if host else self._endpoint

    def url(self, link: Link, headers: Headers) -> str:
        """The link as a URL.

        Args:
            headers: of the request; a proxy in front of us that speaks TLS says so in them.
        """
        return f"{self.base(headers)}{self._blobs.sign(link)}"


def data_path(blobs: LocalBlobs, uri: str) -> str:
    """The relative path of an address that clients may read: what a project keeps, and nothing else of ours.

    Raises:
        Conflict: the address lies outside of the data directory.
        Invalid: it is not below a project and domain.
    """
    path = blobs.relative(uri)
    parts = path.removeprefix(f"{UPLOADS}/").split("/")
    if len(parts) < _SHORTEST_DATA_PATH:
        raise Invalid(f"{uri!r} is no data of a project; name what lies below project and domain.")
    ids.name(parts[0], where=f"the project of {uri!r}")
    ids.name(parts[1], where=f"the domain of {uri!r}")
    return path


def upload_path(project: str, domain: str, name: str) -> str:
    """The relative path of an upload.

    Raises:
        Invalid: the name leads out of the project's uploads.
    """
    path = posixpath.normpath(name)
    if path.startswith(("/", "..")) or path == ".":
        raise Invalid(f"{name!r} is no path below the uploads; choose another.")
    project, domain = ids.name(project, where="project"), ids.name(domain, where="domain")
    return f"{UPLOADS}/{project}/{domain}/{path}"
