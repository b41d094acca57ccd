"""Signed links: a link is valid for one path, one verb and a limited time."""

import contextlib
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from flyte_server.clock import Clock

LINK_PREFIX = "/blobs/"
_KEY_BYTES = 32


class BadLink(Exception):  # noqa: N818 - named by what the reader must replace
    """A link is forged, spent or not meant for this use."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a signed link allows."""

    verb: str
    """`PUT` or `GET`."""
    path: str
    """Relative to the data directory, with `/`."""
    expires_at: int
    """Microseconds since the epoch."""
    md5: str = ""
    """Required checksum of the content (base64, as in the Content-MD5 header); empty: none."""
    length: int | None = None
    """Required bytes of the content; None: any number."""

    def query(self) -> str:
        """All but the path, as it stands in the address."""
        length = "" if self.length is None else str(self.length)
        md5 = quote(self.md5, safe="")
        return f"verb={self.verb}&expires={self.expires_at}&md5={md5}&length={length}"

    @classmethod
    def parsed(cls, path: str, query: dict[str, str]) -> "Link":
        """The link of an address.

        Raises:
            BadLink: the address is no link.
        """
        expires, length = query.get("expires", ""), query.get("length", "")
        if not (expires.isdecimal() and (not length or length.isdecimal())):
            raise BadLink("The address is no link; ask the control plane for a new link.")
        return cls(
            verb=query.get("verb", ""),
            path=path,
            expires_at=int(expires),
            md5=query.get("md5", ""),
            length=int(length) if length else None,
        )


def load_key(path: Path) -> bytes:
    """The key in `path`; made on first use, readable by the owner only."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
    temporary.replace(path)
    return path.read_bytes()


class Signer:
    """Signs links and checks them."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def sign(self, link: Link) -> str:
        """The link as path and query, to be put behind `http://host:port`."""
        address = f"{LINK_PREFIX}{quote(link.path)}?{link.query()}"
        return f"{address}&signature={self._signature(link)}"

    def check(self, link: Link, signature: str) -> None:
        """Whether the link may be used.

        Raises:
            BadLink: the signature is wrong or the time is over.
        """
        if not hmac.compare_digest(self._signature(link).encode(), signature.encode()):
            raise BadLink("The link's signature is wrong; ask the control plane for a new link.")
        if link.expires_at < self._clock.now_us():
            raise BadLink(
                "The link has expired by the control plane's clock; ask it for a new one (if new ones expire at once,"
                " the clock of its machine leaps)."
            )

    def secret(self, text: str) -> str:
        """What only we can make of a text: a secret that need not be kept anywhere."""
        return hmac.new(self._key, b"secret\0" + text.encode(), hashlib.sha256).hexdigest()

    def _signature(self, link: Link) -> str:
        text = f"{link.path}\0{link.query()}"
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
