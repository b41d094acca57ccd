"""A proxy before the control plane that wants a token of its own, with every request that goes there."""

import pyqwest

from flyte._client import transport
from flyte._client.auth.command import Command
from flyte._client.auth.once import Once
from flyte._client.auth.tokens import Token, seconds

HEADER = "proxy-authorization"
_REFUSED = frozenset({401, 403, 407})
_FRESH_SECONDS = 10.0
"""A token that is refused earlier is not the reason: the command is not run for every refusal."""


class Fronted:
    """A transport that says `proxy-authorization` to one server: calls, logins and data alike.

    Args:
        http: makes the connections.
        base: address of the control plane behind the proxy; other servers are told nothing.
        command: prints the token; it is run anew before the token ends, and after it was refused.
    """

    def __init__(self, http: pyqwest.HTTPTransport, base: str, command: Command) -> None:
        self._http = http
        self._base = base
        self._command = command
        self._token: Token | None = None
        self._once: Once[Token] = Once()

    async def execute(self, request: pyqwest.Request) -> pyqwest.Response:
        """Send a request."""
        if not transport.same_place(request.url, self._base):
            return await self._http.execute(request)
        token = await self._current()
        request.headers[HEADER] = f"Bearer {token.access}"
        response = await self._http.execute(request)
        if response.status in _REFUSED and seconds() - token.made_at > _FRESH_SECONDS:
            self._token = None  # the next request, or its next try, brings another one
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _current(self) -> Token:
        token = self._token
        if token is None or token.is_ending:
            token = self._token = await self._once.done(lambda: self._command.token(token))
        return token
