"""SecretKeyService: the keys that seal secrets, and their replacement.

A new key is written first, beside the old ones; then every secret is sealed again, batch by batch; the old keys go
last, and only if that is asked for.  After a crash at any point each secret can be opened by a key that is there, and
asking again goes on where it stopped.
"""

from collections.abc import Mapping

from flyte_server.domain.errors import Conflict, Invalid
from flyte_server.domain.secrets import SealedSecret, SecretName
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.store.catalogue import secrets
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection
from flyte_server.vault import CannotOpen, Vault

_BATCH = 50
"""Secrets sealed again in one transaction: others who write wait for milliseconds."""
_FIRST = SecretName("")


class SecretKeyService:
    """Shows and replaces the keys of the vault; what they are is told to nobody."""

    name = "SecretKeyService"

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def methods(self) -> Mapping[str, Method]:
        return {"List": self.list, "Rotate": self.rotate}

    async def list(self, request: Request) -> Payload:
        """`{} -> {keys: [{id, secrets, seals}]}`: the one that seals first."""
        sealed = await self._database.read(secrets.count_by_key)
        ids = self._vault.key_ids()
        gone = [key_id for key_id in sealed if key_id not in ids]
        return {
            "keys": [
                {
                    "id": key_id.hex(),
                    "secrets": sealed.get(key_id, 0),
                    "seals": key_id == ids[0],
                    "missing": key_id in gone,
                }
                for key_id in (*ids, *gone)
            ]
        }

    async def rotate(self, request: Request) -> Payload:
        """`{forget?: bool} -> {key, fresh, sealed, unreadable: [name], forgotten: [id]}`.

        A rotation that was cut off is finished, with the key that it had made (`fresh` is false).
        `unreadable` are secrets whose key is gone or that are damaged: they stay as they are.

        Raises:
            Conflict: old keys shall be forgotten, and some secret still needs one.
        """
        forget = request.fields.get("forget", False)
        if not isinstance(forget, bool):
            raise Invalid(f"{request.method} needs true or false as 'forget', but got {forget!r}.")
        key_id, fresh = await self._database.write(_begun, self._vault)
        sealed, unreadable = 0, list[str]()
        after = _FIRST
        while batch := await self._database.read(secrets.sealed_otherwise, key_id, after, _BATCH):
            done, failed = await self._database.write(_sealed_again, self._vault, batch)
            sealed, after = sealed + done, batch[-1].name
            unreadable.extend(failed)
        await self._database.sync()
        forgotten = await self._database.write(_forgotten, self._vault) if forget else []
        return {
            "key": key_id.hex(),
            "fresh": fresh,
            "sealed": sealed,
            "unreadable": unreadable,
            "forgotten": [each.hex() for each in forgotten],
        }


def _begun(connection: Connection, vault: Vault) -> tuple[bytes, bool]:
    """The key to seal with, and whether it is new: not so if a rotation was cut off.

    Nobody else seals in this transaction.
    """
    ids = vault.key_ids()
    sealed = secrets.count_by_key(connection)
    unfinished = len(ids) > 1 and any(key_id in sealed for key_id in ids[1:])
    return (ids[0], False) if unfinished else (vault.add_key(), True)


def _sealed_again(
    connection: Connection, vault: Vault, batch: list[SealedSecret]
) -> tuple[int, list[str]]:
    done, failed = 0, list[str]()
    for secret in batch:
        at = secret.name.place
        try:
            fresh = vault.seal(vault.open(secret.sealed, at), at)
        except CannotOpen:
            failed.append(str(secret.name))
        else:
            done += secrets.reseal(connection, secret.name, secret.sealed, fresh)
    return done, failed


def _forgotten(connection: Connection, vault: Vault) -> list[bytes]:
    """Old keys, taken away in the transaction that has looked: nobody can seal with one of them meanwhile."""
    _, *others = vault.key_ids()
    needed = secrets.count_by_key(connection)
    if any(key_id in needed for key_id in others):
        raise Conflict(
            "Old keys cannot be forgotten: secrets that cannot be opened still name one of them; set those anew or "
            "delete them (flyte get secret), and ask again."
        )
    return vault.forget_old_keys()
