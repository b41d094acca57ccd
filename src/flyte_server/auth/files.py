"""Secrets that lie as files in the data directory: readable by their owner, and by nobody else."""

import base64
import contextlib
import os
import secrets
from pathlib import Path

from flyte_server.domain.errors import StoreUnusable

_KEY_BYTES = 32
_OWNER_ONLY = 0o600
_OTHERS = 0o077


def signing_key(path: Path) -> bytes:
    """The key with which tokens are signed; made on first use.

    Raises:
        StoreUnusable: it cannot be read, or is damaged.
    """
    key = _kept(path, secrets.token_bytes(_KEY_BYTES))
    if len(key) < _KEY_BYTES:
        raise StoreUnusable(
            f"The signing key {path} is damaged ({len(key)} bytes): restore it, or remove it; then everybody has to log"
            " in again."
        )
    return key


def local_token(path: Path) -> str:
    """The token of whoever may read the data directory; made on first use, and the same from then on.

    Raises:
        StoreUnusable: it cannot be read, or is damaged.
    """
    fresh = base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).rstrip(b"=")
    text = _kept(path, fresh).decode("ascii", "replace").strip()
    if len(text) < _KEY_BYTES:
        raise StoreUnusable(
            f"The token {path} is damaged: remove the file and start the control plane again, which makes a new one."
        )
    return text


def _kept(path: Path, fresh: bytes) -> bytes:
    """The file's content, which is `fresh` if there was no file; others lose what rights they had."""
    try:
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mode & _OTHERS:
                path.chmod(_OWNER_ONLY)
            return path.read_bytes()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            file.write(fresh)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
        return path.read_bytes()
    except OSError as error:
        raise StoreUnusable(
            f"The file {path} cannot be read or made ({error.strerror}): make it readable for this user, or remove it."
        ) from error
