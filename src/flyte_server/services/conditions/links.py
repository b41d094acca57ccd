"""Signed links that answer one condition: whoever has the link may answer, until it expires or somebody has answered.

The signature covers the number of the run (never given again) and the name of the action, so that a link cannot be
turned into one for another condition, nor outlive its run and fit a later one of the same name.
"""

import hashlib
import hmac
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from flyte_server.clock import Clock

PREFIX = "/answer/"
LONGEST_SECONDS = 30 * 24 * 3600.0
DEFAULT_SECONDS = 7 * 24 * 3600.0
_PURPOSE = b"flyte condition links 1"
_PARTS = 4


class BadLink(Exception):  # noqa: N818 - named by what the reader must replace
    """A link is forged, altered or expired."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which condition a link is for, by the names in its path."""

    project: str
    domain: str
    run: str
    action: str

    @property
    def path(self) -> str:
        """The path of the link."""
        names = (self.project, self.domain, self.run, self.action)
        return PREFIX + "/".join(quote(name, safe="") for name in names)

    @classmethod
    def of(cls, path: str) -> "Place":
        """The place in a path (already unquoted).

        Raises:
            BadLink: it is no path of a link.
        """
        parts = path.removeprefix(PREFIX).split("/")
        if len(parts) != _PARTS or not all(parts):
            raise BadLink("The address is no link to a condition; ask for a new one.")
        return cls(*parts)


class ConditionLinks:
    """Makes and checks links.

    Args:
        key: secret of this control plane; a key of its own is derived from it.
        clock: says when a link has expired.
        endpoint: how this control plane is reached, `http://host:port`.
    """

    def __init__(self, key: bytes, clock: Clock, endpoint: str) -> None:
        self._key = hmac.new(key, _PURPOSE, hashlib.sha256).digest()
        self._clock = clock
        self._endpoint = endpoint

    def url(self, place: Place, run_id: int, *, seconds: float = DEFAULT_SECONDS) -> str:
        """A link that answers the condition of a run, for so long (at most 30 days)."""
        bounded = min(max(seconds, 1.0), LONGEST_SECONDS)
        expires = self._clock.now_us() // 1_000_000 + int(bounded)
        query = {"expires": expires, "signature": self._signature(place, run_id, str(expires))}
        return f"{self._endpoint}{place.path}?{urlencode(query)}"

    def check(self, place: Place, run_id: int, *, expires: str, signature: str) -> None:
        """Whether a link is one of ours, and still holds.

        Raises:
            BadLink: it is not, or has expired.
        """
        expected = self._signature(place, run_id, expires)
        if not expires.isdecimal() or not hmac.compare_digest(
            expected.encode(), signature.encode("utf-8", "replace")
        ):
            raise BadLink("The link's signature is wrong; open the link exactly as it was sent.")
        if int(expires) * 1_000_000 < self._clock.now_us():
            raise BadLink("The link has expired; get a new one with: flyte get condition RUN")

    def _signature(self, place: Place, run_id: int, expires: str) -> str:
        text = f"{run_id}\0{place.path}\0{expires}"
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
