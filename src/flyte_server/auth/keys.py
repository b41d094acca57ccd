"""API keys: what programs come in with.

A secret is 256 random bits, so there is nothing to guess and a plain SHA-256 keeps it: slow hashes protect passwords,
which people choose.  It is shown once and stored nowhere.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from flyte_server.auth.claims import Claims
from flyte_server.auth.roles import Grant, Role
from flyte_server.clock import Clock
from flyte_server.domain.errors import AlreadyExists, Invalid, NotFound, Unauthenticated
from flyte_server.store.access import keys
from flyte_server.store.access.keys import KeyRow
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection

_SECRET_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_WRONG = (
    "The API key is wrong, has expired or was revoked; make a new one: flyte create api-key NAME."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One API key, without its secret."""

    client_id: str
    name: str
    role: Role
    project: str | None
    """None: all projects."""
    created_at: int
    created_by: str
    expires_at: int | None
    """Microseconds since the epoch; None: never."""

    def claims(self, expires_at: int = 0) -> Claims:
        """What a token of this key says.

        Args:
            expires_at: when the token ends; never later than the key.
        """
        ends = [moment for moment in (expires_at, self.expires_at) if moment]
        return Claims(
            subject=f"key:{self.name}",
            name=self.name,
            kind="key",
            grants=(Grant(self.role, self.project),),
            key=self.client_id,
            expires_at=min(ends, default=0),
        )


class Keys:
    """Makes, checks and revokes API keys.

    Example:
        key, secret = await keys.create("nightly", Role.RUN, project="shop", by="local:ada")
        assert await keys.verify(key.client_id, secret) == key
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self,
        name: str,
        role: Role,
        *,
        project: str | None = None,
        expires_at: int | None = None,
        by: str,
    ) -> tuple[Key, str]:
        """A new key and its secret, which nobody can see again.

        Args:
            by: subject of who asks for it.

        Raises:
            Invalid: it cannot be called so, or would have expired already.
            AlreadyExists: there is a key of this name.
        """
        if not _NAME.fullmatch(name):
            raise Invalid(
                f"An API key cannot be called {name!r}; use 1 to 63 letters, digits, '.', '_' and '-', and begin with a"
                " letter or digit."
            )
        now = self._clock.now_us()
        if expires_at is not None and expires_at <= now:
            raise Invalid(f"The API key {name!r} would have expired already; choose a later time.")
        secret = base64.urlsafe_b64encode(secrets.token_bytes(_SECRET_BYTES)).rstrip(b"=").decode()
        row = KeyRow(
            client_id=f"k{secrets.token_hex(8)}",
            name=name,
            secret_hash=_hashed(secret),
            role=role.value,
            project=project or "",
            created_at=now,
            created_by=by,
            expires_at=expires_at,
        )
        if not await self._database.write(keys.insert, row):
            raise AlreadyExists(
                f"There is an API key {name!r} already; choose another name, or revoke it first:"
                f" flyte delete api-key {name}."
            )
        return _key(row), secret

    async def verify(self, client_id: str, secret: str) -> Key:
        """The key whose id and secret these are.

        Raises:
            Unauthenticated: they belong to no key, or it is over; which of these, nobody is told.
        """
        key = await self._database.read(verified, client_id, secret, self._clock.now_us())
        if key is None:
            raise Unauthenticated(_WRONG)
        return key

    async def alive(self, client_id: str) -> Key:
        """The key of a client id, for whoever has shown its secret before.

        Raises:
            Unauthenticated: it has expired or was revoked.
        """
        key = await self._database.read(living, client_id, self._clock.now_us())
        if key is None:
            raise Unauthenticated(_WRONG)
        return key

    async def list(self, *, after: str = "", limit: int = 1000) -> list[Key]:
        """The keys that were not revoked, by name; those that have expired too."""
        rows = await self._database.read(keys.listing, after=after, limit=limit)
        return [_key(row) for row in rows]

    async def revoke(self, name: str, *, by: str) -> None:
        """End a key, and with it all tokens that came of it.

        Raises:
            NotFound: there is none of this name.
        """
        now = self._clock.now_us()
        if not await self._database.write(keys.revoke, name, by=by, now=now):
            raise NotFound(f"There is no API key {name!r}; list them with 'flyte get api-key'.")
        await self._database.sync()  # a power cut must not bring it back to life

    async def usable(self) -> int:
        """How many keys there are with which somebody can come in."""
        return await self._database.read(keys.usable, self._clock.now_us())


def verified(connection: Connection, client_id: str, secret: str, now: int) -> Key | None:
    """The key whose id and secret these are, as part of a transaction; None if they belong to none that holds."""
    row = keys.load(connection, client_id)
    expected = row.secret_hash if row is not None else bytes(hashlib.sha256().digest_size)
    fits = hmac.compare_digest(_hashed(secret), expected)
    return _key(row) if row is not None and fits and _lives(row, now) else None


def living(connection: Connection, client_id: str, now: int) -> Key | None:
    """The key of a client id, as part of a transaction; None if it has expired or was revoked."""
    row = keys.load(connection, client_id)
    return _key(row) if row is not None and _lives(row, now) else None


def _lives(row: KeyRow, now: int) -> bool:
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > now)


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _key(row: KeyRow) -> Key:
    return Key(
        client_id=row.client_id,
        name=row.name,
        role=Role(row.role),
        project=row.project or None,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
    )
