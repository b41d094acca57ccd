"""Content hashes of files, directories and tables: what they are made of, and how users give their own.

Whatever the SDK copies gets the checksum of its content as `hash`, labelled with the algorithm.  It takes part in cache
keys (equal content, equal key, wherever it lies), and readers verify it.  Other values of `hash` are a user's: they
take part in cache keys and are never verified.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flyte.storage import digests

PREFIX = "xxh3-128:"
"""Label of a checksum that the SDK made."""

_CHUNK = 4 * 1024 * 1024


class HashMethod(ABC):
    """Makes a hash from content that comes piece by piece; subclass it for an algorithm of your own.

    Example:
        >>> class Sha256(HashMethod):
        ...     def __init__(self) -> None:
        ...         self.reset()
        ...     def update(self, data) -> None:
        ...         self._sha.update(data)
        ...     def result(self) -> str:
        ...         return self._sha.hexdigest()
        ...     def reset(self) -> None:
        ...         self._sha = hashlib.sha256()
    """

    @abstractmethod
    def update(self, data: Any) -> None:
        """Add the next piece: bytes of a file (any buffer), or a whole data frame."""

    @abstractmethod
    def result(self) -> str:
        """The hash of everything added since the last `reset`."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything, so that the next content can come."""


class HashFunction(HashMethod):
    """A `HashMethod` out of one function of the whole content.

    The pieces of a file are joined before the function sees them, because how they were cut must make no difference:
    so the whole file is in memory.  For large ones subclass `HashMethod`.

    Args:
        fn: takes the content (the bytes of a file, a data frame) and returns its hash.

    Example:
        >>> by_size = HashFunction.from_fn(lambda content: str(len(content)))
        >>> by_size.update(b"abc")
        >>> by_size.update(b"de")
        >>> by_size.result()
        '5'
    """

    def __init__(self, fn: Callable[[Any], str]) -> None:
        self._fn = fn
        self._content: Any = None

    @classmethod
    def from_fn(cls, fn: Callable[[Any], str]) -> "HashFunction":
        """A hash method that calls `fn` with the whole content."""
        return cls(fn)

    def update(self, data: Any) -> None:
        """Add the next piece of bytes; anything else replaces what was there."""
        if not isinstance(data, bytes | bytearray | memoryview):
            self._content = data
        elif isinstance(self._content, bytearray):
            self._content += data
        else:
            self._content = bytearray(data)

    def result(self) -> str:
        """What the function says of the content.

        Raises:
            ValueError: nothing was added.
        """
        if self._content is None:
            raise ValueError("there is no content to hash; call update() first")
        content = self._content
        return str(self._fn(bytes(content) if isinstance(content, bytearray) else content))

    def reset(self) -> None:
        """Forget the content."""
        self._content = None


def labelled(xxh3: str) -> str:
    """A checksum as a value's `hash`: with the label of its algorithm."""
    return f"{PREFIX}{xxh3}"


def ours(value: str | None) -> str | None:
    """The checksum in a `hash` that the SDK made; None for a user's own, which says nothing about the bytes."""
    return value.removeprefix(PREFIX) if value and value.startswith(PREFIX) else None


def of_tree(files: Iterable[tuple[str, str]]) -> str:
    """The hash of a directory, from relative path and checksum of each file, in any order.

    >>> of_tree([("b", "1"), ("a", "2")]) == of_tree([("a", "2"), ("b", "1")])
    True
    """
    lines = (f"{len(path)}:{path}\0{xxh3}\n".encode() for path, xxh3 in sorted(files))
    return labelled(digests.digest(lines))


def checksum(path: Path) -> digests.Digest:
    """Size and checksum of a local file (blocks)."""
    hasher = digests.Hasher()
    _feed(path, hasher.update)
    return hasher.digest()


def by(method: HashMethod, path: Path) -> str:
    """What a user's method says of a local file (blocks)."""
    method.reset()
    _feed(path, method.update)
    return method.result()


def _feed(path: Path, update: Callable[[memoryview], None]) -> None:
    buffer = memoryview(bytearray(_CHUNK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(buffer):
            update(buffer[:size])
