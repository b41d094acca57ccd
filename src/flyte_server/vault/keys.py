"""The keys of the vault: a file with one key per line, `<id> <base64 of 32 bytes>`.

The first key seals; every key opens what it has sealed.  So a key is replaced by writing a new one above it: what was
sealed before can be read as long as the old line is there.
"""

import base64
import binascii
import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Generator, Iterable
from pathlib import Path

from flyte_server.domain.errors import StoreUnusable

KEY_BYTES = 32
ID_BYTES = 4
_FOREIGN_BITS = 0o077


def key_id(key: bytes) -> bytes:
    """By which a sealed value names its key; tells nothing of the key."""
    return hashlib.sha256(b"flyte vault key id\0" + key).digest()[:ID_BYTES]


def load(path: Path) -> dict[bytes, bytes]:
    """All keys by their ids, the one that seals first; a file that is missing is made.

    Raises:
        StoreUnusable: the file cannot be used, or others than its owner may read it.
    """
    try:
        if not path.exists():
            _make(path)
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnusable(f"The key of the secrets, {path}, cannot be read: {error}.") from error
    if mode & _FOREIGN_BITS:
        raise StoreUnusable(
            f"The key of the secrets, {path}, may be read by others (mode {mode & 0o777:04o}); make it yours alone: "
            f"chmod 600 {path}"
        )
    keys = dict(_key(line, path) for line in text.splitlines() if line.strip())
    if not keys:
        raise StoreUnusable(
            f"The key of the secrets, {path}, is empty; put the file back from a backup, or delete it and set all "
            "secrets anew."
        )
    return keys


def _key(line: str, path: Path) -> tuple[bytes, bytes]:
    try:
        shown, encoded = line.split()
        key = base64.b64decode(encoded, validate=True)
        if len(key) == KEY_BYTES and key_id(key).hex() == shown:
            return key_id(key), key
    except (ValueError, binascii.Error):
        pass  # told below, like a key that is damaged; never with the line itself
    raise StoreUnusable(
        f"The key of the secrets, {path}, is damaged; put the file back from a backup, or delete it and set all "
        "secrets anew."
    )


def add(path: Path) -> bytes:
    """Put a new key above the others, from now on the one that seals; gives its id.

    Raises:
        StoreUnusable: the file cannot be used.
    """
    with _alone(path):
        key = secrets.token_bytes(KEY_BYTES)
        _replace(path, [key, *load(path).values()])
    return key_id(key)


def forget(path: Path) -> list[bytes]:
    """Take all keys away but the one that seals; gives their ids.

    Raises:
        StoreUnusable: the file cannot be used.
    """
    with _alone(path):
        first, *others = load(path).values()
        _replace(path, [first])
    return [key_id(key) for key in others]


@contextlib.contextmanager
def _alone(path: Path) -> Generator[None]:
    """Change the file in one process at a time: a key that another one has just written must not be lost."""
    try:
        descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnusable(
            f"The key of the secrets, {path}, cannot be changed: {error}."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # which gives the lock back


def _make(path: Path) -> None:
    """Write a first key, all or nothing."""
    fresh = _draft(path, [secrets.token_bytes(KEY_BYTES)])
    try:
        with contextlib.suppress(FileExistsError):  # somebody else was quicker: theirs counts
            os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    _keep_names(path.parent)


def _replace(path: Path, keys: Iterable[bytes]) -> None:
    """Write all keys, all or nothing."""
    try:
        _draft(path, keys).replace(path)
        _keep_names(path.parent)
    except OSError as error:
        raise StoreUnusable(
            f"The key of the secrets, {path}, cannot be changed: {error}."
        ) from error


def _draft(path: Path, keys: Iterable[bytes]) -> Path:
    """A file beside the real one; what a key seals must not outlive it, so it goes to the disk at once."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - of a descriptor
        file.writelines(f"{key_id(key).hex()} {base64.b64encode(key).decode()}\n" for key in keys)
        file.flush()
        os.fsync(file.fileno())
    return fresh


def _keep_names(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
