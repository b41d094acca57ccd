"""The door of OAuth: each request is one transaction, so that a code is taken and its tokens exist at the same moment.

Authlib's classes are synchronous, and a transaction is a function that runs alone on the writer: they fit.
"""

import hmac
import logging
from dataclasses import dataclass

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from flyte_server.auth import keys
from flyte_server.auth.claims import Claims
from flyte_server.auth.oauth import codes, printed
from flyte_server.auth.oauth.ledger import Ledger
from flyte_server.auth.oauth.server import Answer, Asked, Server
from flyte_server.auth.tokens import Tokens
from flyte_server.clock import Clock
from flyte_server.store.access.logins import Device
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection

# At DEBUG Authlib writes tokens into the log.
logging.getLogger("authlib").setLevel(logging.INFO)

_FORBIDDEN_SIGNS = frozenset('"\\')


@dataclass(frozen=True, slots=True)
class Owner:
    """Whoever may read the data directory."""

    token: str
    claims: Claims


class Desk:
    """Gives out tokens.

    Args:
        owner: whose token, shown on a page, is as good as an API key.

    Example:
        desk = Desk(database, tokens, clock, owner=owner)
        answer = await desk.token(Asked("POST", {"grant_type": "client_credentials"}, authorization))
    """

    def __init__(self, database: Database, minter: Tokens, clock: Clock, *, owner: Owner) -> None:
        self._database = database
        self._minter = minter
        self._clock = clock
        self._owner = owner

    async def token(self, asked: Asked) -> Answer:
        """The token endpoint: all four grants."""
        if (refused := _malformed(asked)) is not None:
            return refused

        def work(connection: Connection) -> Answer:
            return self._server(connection).token(asked)

        return await self._database.write(work)

    async def device_authorization(self, asked: Asked, verification_uri: str) -> Answer:
        """Codes for a device that begins to wait.

        Args:
            verification_uri: where its person types the code.
        """
        if (refused := _malformed(asked)) is not None:
            return refused

        def work(connection: Connection) -> Answer:
            return self._server(connection).device(asked, verification_uri)

        return await self._database.write(work)

    async def consider(self, asked: Asked) -> Answer | None:
        """Whether a program may ask a person to let it in: None if so, else what the browser is told."""
        if (refused := _malformed(asked)) is not None:
            return refused

        def work(connection: Connection) -> Answer | None:
            return self._server(connection).refusal(asked)

        return await self._database.read(work)

    async def decide(self, asked: Asked, claims: Claims | None) -> Answer:
        """Send the browser back to a program that was let in, with a code, or (None) refused.

        Only for a request that `consider` has nothing against.
        """

        def work(connection: Connection) -> Answer:
            return self._server(connection).decided(asked, claims)

        return await self._database.write(work)

    async def prove(self, word: str) -> Claims | None:
        """Who shows this: an API key as it was printed, or the token of the data directory; None: nobody."""
        shown = word.strip()
        if hmac.compare_digest(
            shown.encode("utf-8", "surrogatepass"), self._owner.token.encode("utf-8")
        ):
            return self._owner.claims
        pair = printed.client_and_secret(shown)
        if pair is None:
            return None
        key = await self._database.read(keys.verified, *pair, self._clock.now_us())
        return None if key is None else key.claims()

    async def waiting(self, typed: str) -> Device | None:
        """The device whose code somebody has typed."""
        user_code = codes.typed(typed)

        def work(connection: Connection) -> Device | None:
            return self._ledger(connection).waiting(user_code)

        return await self._database.read(work) if user_code else None

    async def answer(self, typed: str, claims: Claims | None) -> bool:
        """Let a device in, or (None) refuse it; False when it does not wait any more."""
        user_code = codes.typed(typed)

        def work(connection: Connection) -> bool:
            ledger = self._ledger(connection)
            device = ledger.waiting(user_code)
            if device is not None:
                ledger.let_in(device, claims)
            return device is not None

        return await self._database.write(work)

    def _server(self, connection: Connection) -> Server:
        return Server(self._ledger(connection))

    def _ledger(self, connection: Connection) -> Ledger:
        return Ledger(connection, self._owner.claims, self._minter, self._clock.now_us())


def _malformed(asked: Asked) -> Answer | None:
    """What the grammar of OAuth has no room for (RFC 6749, appendix A); Authlib would repeat it in its answers."""
    for name, value in asked.values.items():
        free = name in {"state", "client_secret"}
        if not value.isascii() or not value.isprintable() or (not free and _odd(value)):
            error = InvalidRequestError(
                "A parameter has signs that are not allowed there; use printable ASCII."
            )
            return Answer(400, dict(error.get_body()))
    return None


def _odd(value: str) -> bool:
    return bool(_FORBIDDEN_SIGNS & set(value))
