"""Encryption of values: AES-256-GCM, bound to the name that a value belongs to."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flyte_server.domain.errors import Conflict
from flyte_server.vault import keys

_VERSION = b"\x01"
_NONCE_BYTES = 12
_HEAD_BYTES = len(_VERSION) + keys.ID_BYTES + _NONCE_BYTES


class CannotOpen(Conflict):
    """A sealed value was changed, moved to another name, or its key is gone."""


class Vault:
    """Seals values and opens them again.

    A sealed value is a version, the id of its key, a random nonce, and the ciphertext with its tag.

    Args:
        path: the file with the keys; made at the first use.

    Example:
        >>> vault = Vault(Path("/tmp/home/secrets.key"))
        >>> vault.open(vault.seal(b"value", ["p", "d", "name"]), ["p", "d", "name"])
        b'value'
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: dict[bytes, bytes] = {}

    def seal(self, value: bytes, place: Sequence[str]) -> bytes:
        """Encrypt a value; it can be opened for the same place only, so that rows cannot be swapped.

        Raises:
            StoreUnusable: the keys cannot be read or made.
        """
        self._keys = keys.load(
            self._path
        )  # always anew: the file is the truth, and secrets are set rarely
        key_id, key = next(iter(self._keys.items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + key_id + nonce + AESGCM(key).encrypt(nonce, value, _bound(place))

    def key_ids(self) -> list[bytes]:
        """The ids of all keys, the one that seals first."""
        self._keys = keys.load(self._path)
        return list(self._keys)

    def add_key(self) -> bytes:
        """Make a new key, which seals from now on; the others still open what they have sealed."""
        return keys.add(self._path)

    def forget_old_keys(self) -> list[bytes]:
        """Take all keys away but the one that seals: what the others have sealed can be opened by nobody any more."""
        forgotten = keys.forget(self._path)
        self._keys = keys.load(self._path)
        return forgotten

    def open(self, sealed: bytes, place: Sequence[str]) -> bytes:
        """The value.

        Raises:
            CannotOpen: it is damaged, belongs to another place, or was sealed with a key that is gone.
            StoreUnusable: the keys cannot be read.
        """
        key_id = key_of(sealed)
        nonce = sealed[len(_VERSION) + keys.ID_BYTES : _HEAD_BYTES]
        if key_id not in self._keys:
            self._keys = keys.load(self._path)
        if not sealed.startswith(_VERSION) or key_id not in self._keys:
            raise CannotOpen(
                f"it was sealed with the key {key_id.hex()}, which is not in {self._path}; put that file back from a "
                "backup, or set the secret anew"
            )
        try:
            return AESGCM(self._keys[key_id]).decrypt(nonce, sealed[_HEAD_BYTES:], _bound(place))
        except (InvalidTag, ValueError):
            raise CannotOpen(
                "it was changed after it was sealed, or belongs to another name; set the secret anew"
            ) from None


def key_of(sealed: bytes) -> bytes:
    """The id of the key that sealed a value."""
    return sealed[len(_VERSION) : len(_VERSION) + keys.ID_BYTES]


def _bound(place: Sequence[str]) -> bytes:
    return json.dumps(["flyte secret", *place]).encode()
