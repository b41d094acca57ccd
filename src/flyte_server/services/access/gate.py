"""The gate: nothing reaches a service before it is known who asks.

Every request has a bearer token, and leaves here with the name of who sends it in a header that only we write.  A token
of a task also says which attempt asks, so that the fence (`services.fencing`) holds for runtimes that do not say so.
"""

import json
import logging
import struct
from collections import OrderedDict
from dataclasses import dataclass

from flyte_server.auth.bearers import Bearers
from flyte_server.clock import Clock
from flyte_server.domain.errors import Unauthenticated, Unavailable
from flyte_server.services import fencing
from flyte_server.services.access import callers, rules
from flyte_server.services.access.callers import Caller
from flyte_server.services.access.standing import Standing
from flyte_server.services.http import asgi
from flyte_server.services.http.asgi import App, Headers, Receive, Scope, Send

_AUTHORIZATION = b"authorization"
_CALLER = callers.HEADER.encode()
_ATTEMPT = fencing.HEADER.encode()
_SCHEME = "bearer "
_REMEMBERED = 4096
_LONGEST = 20 * 1024
"""Of a token with its scheme, in bytes: what is remembered of strangers' tokens must not fill the memory."""
_BELIEVED_SECONDS = 300.0
"""So long a token that was read once is taken at its word: keys of an issuer outside may have been withdrawn since."""
_STREAM = "application/connect+"
_END_OF_STREAM = 2
_QUIET_US = 1_000_000
"""Refusals are logged at most once in this time: who knocks without end must not fill the disk."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """A token that was read before."""

    caller: Caller
    headers: Headers
    """What is written into its requests."""
    replaced: frozenset[bytes]
    """What its requests lose."""
    read_at: float = 0.0
    """By the monotonic clock, in seconds."""


class Gate:
    """Wraps the application.

    Args:
        open_paths: beginnings of paths whose applications check their callers themselves, by signatures or forms.
        everybody: who sends requests without a valid token, where nobody is asked; None: they are refused.
    """

    def __init__(
        self,
        app: App,
        bearers: Bearers,
        standing: Standing,
        clock: Clock,
        *,
        open_paths: tuple[str, ...] = (),
        everybody: Caller | None = None,
    ) -> None:
        self._app = app
        self._bearers = bearers
        self._standing = standing
        self._clock = clock
        self._open = (*rules.OPEN_PATHS, *open_paths)
        self._everybody = None if everybody is None else _known(everybody)
        self._tokens: OrderedDict[bytes, _Known] = OrderedDict()
        self._logged = -_QUIET_US

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path in rules.OPEN_PAGES or path.startswith(self._open):
            headers = [pair for pair in scope["headers"] if pair[0] != _CALLER]
            await self._app({**scope, "headers": headers}, receive, send)
            return
        try:
            known = await self._who(scope["headers"])
        except Unauthenticated as error:
            self._log(scope, error)
            await _refuse(scope, send, str(error))
            return
        except Unavailable as error:  # an issuer outside, whose keys are not known yet
            await asgi.refuse(send, 503, "unavailable", str(error))
            return
        replaced = known.replaced
        headers = [pair for pair in scope["headers"] if pair[0] not in replaced]
        headers += known.headers
        await self._app({**scope, "headers": headers}, receive, send)

    async def _who(self, headers: Headers) -> _Known:
        try:
            return await self._shown(headers)
        except Unauthenticated:
            if self._everybody is None:
                raise
            return self._everybody

    async def _shown(self, headers: Headers) -> _Known:
        """Whose token a request has."""
        shown = [value for name, value in headers if name == _AUTHORIZATION]
        if len(shown) != 1:
            raise Unauthenticated(_said(len(shown)))
        known = self._tokens.get(shown[0])
        if known is None or self._clock.monotonic() - known.read_at > _BELIEVED_SECONDS:
            known = self._remember(shown[0], await self._read(shown[0]))
        caller = known.caller
        if caller.expires_at or caller.key or caller.session:
            await self._standing.check(caller)
        return known

    async def _read(self, value: bytes) -> Caller:
        if len(value) > _LONGEST:
            raise Unauthenticated(
                f"The authorization header is longer than {_LONGEST} bytes, as no token of this control plane is."
            )
        text = value.decode("latin-1")
        if not text.lower().startswith(_SCHEME):
            raise Unauthenticated(
                "The authorization header is no bearer token; send 'authorization: Bearer TOKEN'."
            )
        return callers.from_claims(await self._bearers.read(text[len(_SCHEME) :].strip()))

    def _remember(self, value: bytes, caller: Caller) -> _Known:
        known = self._tokens[value] = _known(caller, self._clock.monotonic())
        if len(self._tokens) > _REMEMBERED:
            self._tokens.popitem(last=False)
        return known

    def _log(self, scope: Scope, error: Unauthenticated) -> None:
        now = self._clock.now_us()
        if now - self._logged >= _QUIET_US:
            self._logged = now
            client = scope.get("client") or ("?",)
            _log.warning("refused a request for %r from %s: %s", scope["path"], client[0], error)


def _known(caller: Caller, read_at: float = 0.0) -> _Known:
    headers = [callers.header(caller)]
    replaced = {_CALLER}
    if caller.run is not None:
        run = caller.run
        text = fencing.header(run.project, run.domain, run.name, run.action, run.attempt, run.mark)
        headers.append((_ATTEMPT, text.encode()))
        replaced.add(_ATTEMPT)
    return _Known(caller, headers, frozenset(replaced), read_at)


def _said(tokens: int) -> str:
    if tokens:
        return "The request has several authorization headers; send one."
    return (
        "The request says not who sends it. On this machine: send 'authorization: Bearer TOKEN' with the content of the"
        " file 'token' in the data directory (flyte's own client does so); elsewhere set FLYTE_API_KEY to a key of"
        " 'flyte create api-key NAME'."
    )


async def _refuse(scope: Scope, send: Send, message: str) -> None:
    """As Connect has it: a stream is refused at its end, by a frame."""
    kind = asgi.header(scope, b"content-type")
    if not kind.startswith(_STREAM):
        await asgi.refuse(
            send, 401, "unauthenticated", message, headers=[(b"www-authenticate", b"Bearer")]
        )
        return
    end = json.dumps({"error": {"code": "unauthenticated", "message": message}}).encode()
    frame = struct.pack(">BI", _END_OF_STREAM, len(end)) + end
    await asgi.answer(send, 200, frame, headers=[(b"content-type", kind.encode("latin-1"))])
