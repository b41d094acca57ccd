"""The same files under a second kind of address: `s3://<bucket>/<path below the data directory>`.

The official runtime copies what a task returns only into an object store; a plain path it takes for one that lasts,
and the data would go with the working directory.  So its tasks get such addresses (`services/objects` serves them).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from flyte_server.blobs.links import load_key

SCHEME = "s3://"
NAME_PREFIX = "flyte-objects-"
"""Begins the name of every control plane's bucket; the SDK knows it by that (`flyte/storage/_addresses.py`)."""
_ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Bucket:
    """The data directory as a bucket.

    Example:
        >>> Bucket("flyte-objects-12ab", Path("/data")).path("s3://flyte-objects-12ab/p/d/r/x")
        PosixPath('/data/p/d/r/x')
    """

    name: str
    """Unlike that of any other control plane: an address that leads elsewhere is not taken for ours."""
    root: Path

    @classmethod
    def of(cls, key: bytes, root: Path) -> "Bucket":
        """The bucket of the control plane whose links are signed with `key`."""
        digest = hashlib.sha256(b"flyte bucket\0" + key).hexdigest()
        return cls(NAME_PREFIX + digest[:_ID_DIGITS], root.resolve())

    @classmethod
    def at(cls, key: Path, root: Path) -> "Bucket":
        """The same, with the file of the key."""
        return cls.of(load_key(key), root)

    def uri(self, relative: str) -> str:
        """The address of a path below the data directory."""
        return f"{SCHEME}{self.name}/{relative}"

    def path(self, uri: str) -> Path | None:
        """The file of an address, which may be missing; None if the address lies elsewhere."""
        base = self.uri("")
        return self.root / uri.removeprefix(base) if uri.startswith(base) else None
