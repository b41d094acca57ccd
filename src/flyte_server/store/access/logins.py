"""Logins of people: sessions, the codes that begin them, and the refresh tokens that prolong them.

Codes and refresh tokens are known here by their hashes only, and stay as used rows until their session is over: so
the second use of one is noticed.
"""

from dataclasses import asdict, dataclass

from flyte_server.store import queries
from flyte_server.store.rows import Connection

_statements = queries.load("logins")


@dataclass(frozen=True, slots=True)
class Session:
    """One login of one person.  Times are microseconds since the epoch, here and below."""

    id: str
    client: str
    key: str
    """Client id of the API key that the person has shown; empty: the token of the data directory."""
    scope: str
    created_at: int
    expires_at: int
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """What a browser brings back to the client."""

    hash: bytes
    session: str
    client: str
    redirect_uri: str
    scope: str
    challenge: str
    expires_at: int
    used_at: int | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """A token for new tokens."""

    hash: bytes
    session: str
    expires_at: int
    used_at: int | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A device that waits until a person lets it in."""

    hash: bytes
    user_code: str
    client: str
    scope: str
    expires_at: int
    interval_seconds: int
    polled_at: int | None = None
    answer: str = ""
    """Empty (nobody has answered), `allowed` or `refused`."""
    session: str = ""


def save_session(connection: Connection, session: Session) -> None:
    """Keep a new login."""
    _statements.save_session(connection, **asdict(session))


def session(connection: Connection, id_: str) -> Session | None:
    """A login by its id."""
    row = _statements.session(connection, id=id_)
    return None if row is None else Session(*row)


def prolong(connection: Connection, id_: str, expires_at: int) -> None:
    """A login has a token that ends at `expires_at`."""
    _statements.prolong(connection, id=id_, expires_at=expires_at)


def revoke(connection: Connection, id_: str, now: int) -> bool:
    """End a login; False when it was over."""
    return bool(_statements.revoke(connection, id=id_, now=now))


def save_code(connection: Connection, code: Code) -> None:
    """Keep a new code."""
    _statements.save_code(connection, **asdict(code))


def code(connection: Connection, hash_: bytes) -> Code | None:
    """A code, used or not."""
    row = _statements.code(connection, hash=hash_)
    return None if row is None else Code(*row)


def use_code(connection: Connection, hash_: bytes, now: int) -> bool:
    """Take a code; False when it was taken before."""
    return bool(_statements.use_code(connection, hash=hash_, now=now))


def save_refresh(connection: Connection, refresh: Refresh) -> None:
    """Keep a new refresh token."""
    _statements.save_refresh(connection, **asdict(refresh))


def refresh(connection: Connection, hash_: bytes) -> Refresh | None:
    """A refresh token, used or not."""
    row = _statements.refresh(connection, hash=hash_)
    return None if row is None else Refresh(*row)


def use_refresh(connection: Connection, hash_: bytes, now: int) -> bool:
    """Take a refresh token; False when it was taken before."""
    return bool(_statements.use_refresh(connection, hash=hash_, now=now))


def save_device(connection: Connection, device: Device, *, most: int) -> bool:
    """Let a device wait; False when `most` wait already."""
    if _statements.waiting_devices(connection) >= most:
        return False
    _statements.save_device(connection, **asdict(device))
    return True


def device(connection: Connection, hash_: bytes) -> Device | None:
    """A device by the hash of its code."""
    row = _statements.device(connection, hash=hash_)
    return None if row is None else Device(*row)


def device_of(connection: Connection, user_code: str) -> Device | None:
    """A device by what it shows to its person."""
    row = _statements.device_of_user_code(connection, user_code=user_code)
    return None if row is None else Device(*row)


def polled(connection: Connection, hash_: bytes, now: int, *, interval_seconds: int) -> None:
    """A device has asked, and may ask again after the interval."""
    _statements.polled(connection, hash=hash_, now=now, interval_seconds=interval_seconds)


def answer_device(connection: Connection, hash_: bytes, answer: str, session: str) -> bool:
    """A person has answered; False when somebody has before."""
    return bool(_statements.answer_device(connection, hash=hash_, answer=answer, session=session))


def delete_device(connection: Connection, hash_: bytes) -> None:
    """A device waits no longer."""
    _statements.delete_device(connection, hash=hash_)


def purge(connection: Connection, now: int) -> None:
    """Forget what is over."""
    _statements.expired_devices(connection, now=now)
    _statements.expired_sessions(connection, now=now)
