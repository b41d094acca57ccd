"""What a request for tokens reads and writes: one transaction's view of clients, logins and tokens."""

import logging
import secrets
from dataclasses import dataclass, replace
from typing import Any

from flyte_server.auth import keys
from flyte_server.auth.claims import Claims
from flyte_server.auth.oauth import codes
from flyte_server.auth.oauth.clients import PUBLIC_CLIENT_ID, Client, KeyClient, PublicClient
from flyte_server.auth.oauth.people import Login
from flyte_server.auth.tokens import Tokens
from flyte_server.store.access import logins
from flyte_server.store.access.logins import Code, Device, Refresh, Session
from flyte_server.store.rows import Connection

SECOND = 1_000_000
ACCESS_SECONDS = 3600
REFRESH_SECONDS = 30 * 24 * 3600
CODE_SECONDS = 60
OVERLAP_SECONDS = 10
"""So long a refresh token may be used twice: two processes of one person refresh at the same moment, and an answer that
was lost on its way is asked for again."""
_MOST_DEVICES = 1000
"""That wait at the same time: whoever asks for more codes without end fills no disk."""
_SLOWER_SECONDS = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything about logins, inside of one transaction.

    Args:
        owner: what the token of the data directory allows.
        now: microseconds since the epoch.
    """

    connection: Connection
    owner: Claims
    minter: Tokens
    now: int

    def client(self, client_id: str) -> Client:
        """Whoever calls itself so."""
        if client_id == PUBLIC_CLIENT_ID:
            return PublicClient()
        return KeyClient(client_id, self._verify)

    def begin(self, claims: Claims, client_id: str, scope: str) -> Session:
        """A new login of somebody who has just proven who they are."""
        logins.purge(self.connection, self.now)
        session = Session(
            id=secrets.token_hex(16),
            client=client_id,
            key=claims.key,
            scope=scope,
            created_at=self.now,
            expires_at=self._bounded(claims, REFRESH_SECONDS),
        )
        logins.save_session(self.connection, session)
        return session

    def login(self, session_id: str) -> Login | None:
        """A login that still holds; None if it, or the key that it began with, is over."""
        session = logins.session(self.connection, session_id)
        if session is None or session.revoked_at is not None:
            return None
        if not session.key:
            return Login(session, self.owner)
        key = keys.living(self.connection, session.key, self.now)
        return None if key is None else Login(session, key.claims())

    def token(self, claims: Claims, scope: str, session: Session | None) -> dict[str, Any]:
        """The answer of the token endpoint.

        Args:
            session: the login that the tokens belong to; None: of a program, which comes back with its key.
        """
        expires_at = self._bounded(claims, ACCESS_SECONDS)
        kind = claims.kind if session is None else "person"
        name = "" if session is None else session.id
        said = replace(claims, kind=kind, expires_at=expires_at, session=name)
        answer: dict[str, Any] = {
            "access_token": self.minter.mint(said),
            "token_type": "Bearer",
            "expires_in": max(1, (expires_at - self.now) // SECOND),
            "scope": scope,
        }
        if session is not None:
            answer["refresh_token"] = self._refresh_token(claims, session)
        return answer

    def save_code(self, code: Code) -> None:
        logins.save_code(self.connection, code)

    def code(self, word: str, client_id: str) -> Code | None:
        """A code that may be exchanged.  Whoever brings one for the second time may have stolen it, or was stolen from:
        all tokens of its login are over."""
        code = logins.code(self.connection, codes.hashed(word))
        if code is None or code.client != client_id:
            return None
        if code.used_at is not None:
            self._end(code.session, "code")
            return None
        return code if code.expires_at > self.now else None

    def use_code(self, code: Code) -> None:
        logins.use_code(self.connection, code.hash, self.now)

    def refresh(self, word: str) -> tuple[Refresh, Login] | None:
        """A refresh token that may be exchanged, and its login; a second use ends the login, as with codes."""
        refresh = logins.refresh(self.connection, codes.hashed(word))
        if refresh is None or refresh.expires_at <= self.now:
            return None
        if refresh.used_at is not None and self.now - refresh.used_at > OVERLAP_SECONDS * SECOND:
            self._end(refresh.session, "refresh token")
            return None
        login = self.login(refresh.session)
        return None if login is None else (refresh, login)

    def use_refresh(self, refresh: Refresh) -> None:
        logins.use_refresh(self.connection, refresh.hash, self.now)

    def save_device(self, device: Device) -> bool:
        """Let a device wait; False when too many wait already."""
        logins.purge(self.connection, self.now)
        return logins.save_device(self.connection, device, most=_MOST_DEVICES)

    def device(self, word: str) -> Device | None:
        return logins.device(self.connection, codes.hashed(word))

    def shown(self, user_code: str) -> Device | None:
        """The device that shows this code to its person."""
        return logins.device_of(self.connection, user_code)

    def waiting(self, user_code: str) -> Device | None:
        """The device that shows this code and has no answer yet."""
        device = self.shown(user_code)
        if device is None or device.answer or device.expires_at <= self.now:
            return None
        return device

    def let_in(self, device: Device, claims: Claims | None) -> None:
        """Answer a device: somebody lets it in, or (None) refuses it."""
        session = "" if claims is None else self.begin(claims, device.client, device.scope).id
        answer = "refused" if claims is None else "allowed"
        logins.answer_device(self.connection, device.hash, answer, session)

    def too_early(self, device: Device) -> bool:
        """Whether a device asks more often than it may; then it has to wait longer from now on."""
        early = (
            device.polled_at is not None
            and self.now - device.polled_at < device.interval_seconds * SECOND
        )
        logins.polled(
            self.connection,
            device.hash,
            self.now,
            interval_seconds=device.interval_seconds + (_SLOWER_SECONDS if early else 0),
        )
        return early

    def delete_device(self, device: Device) -> None:
        logins.delete_device(self.connection, device.hash)

    def _end(self, session: str, what: str) -> None:
        if logins.revoke(self.connection, session, self.now):
            _log.warning(
                "a %s was used twice: the login %s is over, with its tokens", what, session
            )

    def _verify(self, client_id: str, secret: str) -> Claims | None:
        key = keys.verified(self.connection, client_id, secret, self.now)
        return None if key is None else key.claims()

    def _refresh_token(self, claims: Claims, session: Session) -> str:
        word = codes.fresh()
        expires_at = self._bounded(claims, REFRESH_SECONDS)
        logins.save_refresh(self.connection, Refresh(codes.hashed(word), session.id, expires_at))
        logins.prolong(self.connection, session.id, expires_at)
        return word

    def _bounded(self, claims: Claims, seconds: int) -> int:
        """The end of something that may last so long, and no longer than the key it stems from."""
        end = self.now + seconds * SECOND
        return min(end, claims.expires_at) if claims.expires_at else end
