"""The addresses of OAuth: each request becomes one question to the desk."""

import base64
import binascii
from collections.abc import Awaitable, Callable

from flyte_server.auth.oauth.desk import Desk
from flyte_server.auth.oauth.server import Answer, Asked
from flyte_server.services.access.auditing import Audit
from flyte_server.services.access.oauth import forms, metadata, tries
from flyte_server.services.access.oauth.authorizing import Authorizing
from flyte_server.services.access.oauth.forms import BadForm
from flyte_server.services.access.oauth.forwarding import Forwarding
from flyte_server.services.access.oauth.letting_in import LettingIn
from flyte_server.services.access.oauth.seals import Seals
from flyte_server.services.access.oauth.tries import Tries
from flyte_server.services.http import asgi
from flyte_server.services.http.asgi import Headers, Receive, Scope, Send

PREFIXES = ("/oauth2/", "/device", "/.well-known/")
"""What this answers."""
_JSON: Headers = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
    (b"x-content-type-options", b"nosniff"),
]
_GUESSES = frozenset({"invalid_client", "invalid_grant"})
_UNAUTHORIZED = 401
_TOO_MANY = 429

_Handler = Callable[[Scope, Receive, Send], Awaitable[None]]


class Endpoints:
    """Answers everything below `PREFIXES`.

    Args:
        scheme: `http` or `https`: how this control plane is reached.
        forwarding: where the requests go that an issuer outside answers; None: there is none.
    """

    def __init__(
        self,
        desk: Desk,
        seals: Seals,
        failures: Tries,
        *,
        audit: Audit,
        scheme: str,
        forwarding: Forwarding | None = None,
    ) -> None:
        self._desk = desk
        self._forwarding = forwarding
        self._tries = failures
        self._scheme = scheme
        authorizing = Authorizing(desk, seals, failures, audit=audit, scheme=scheme)
        letting_in = LettingIn(desk, seals, failures, audit=audit, scheme=scheme)
        self._handlers: dict[tuple[str, str], _Handler] = {
            ("POST", metadata.TOKEN_PATH): self._token,
            ("POST", metadata.DEVICE_AUTHORIZATION_PATH): self._device_authorization,
            ("GET", metadata.AUTHORIZE_PATH): authorizing.show,
            ("POST", metadata.AUTHORIZE_PATH): authorizing.take,
            ("GET", metadata.DEVICE_PATH): letting_in.show,
            ("POST", metadata.DEVICE_PATH): letting_in.take,
            ("GET", metadata.JWKS_PATH): self._keys,
            **{("GET", path): self._metadata for path in metadata.DOCUMENT_PATHS},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        handler = self._handlers.get((method, path))
        if handler is None:
            await self._refuse(send, method, path)
            return
        try:
            await handler(scope, receive, send)
        except BadForm as error:
            await _say(send, error.status, "invalid_request", str(error))

    async def _token(self, scope: Scope, receive: Receive, send: Send) -> None:
        where = tries.address(scope)
        if self._tries.exhausted(where):
            await _wait(send)
            return
        form = await forms.body(scope, receive)
        if self._forwarding is not None and self._forwarding.concerns(form):
            answer = await self._forwarding.answer(form)
        else:
            answer = await self._desk.token(Asked("POST", form, _authorization(scope)))
        if answer.body.get("error") in _GUESSES:
            self._tries.failed(where)
        await _answer(send, answer)

    async def _device_authorization(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Asked("POST", await forms.body(scope, receive), _authorization(scope))
        page = f"{forms.base(scope, self._scheme)}{metadata.DEVICE_PATH}"
        await _answer(send, await self._desk.device_authorization(asked, page))

    async def _metadata(self, scope: Scope, _receive: Receive, send: Send) -> None:
        document = metadata.document(forms.base(scope, self._scheme))
        await asgi.answer_json(send, 200, document)

    async def _keys(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """No key is public: nobody but this control plane reads its tokens."""
        await asgi.answer_json(send, 200, {"keys": []})

    async def _refuse(self, send: Send, method: str, path: str) -> None:
        known = sorted(verb for verb, place in self._handlers if place == path)
        if not known:
            await _say(send, 404, "not_found", "There is nothing at this address.")
            return
        allow = (b"allow", ", ".join(known).encode())
        sentence = f"{method} is not possible here; use {' or '.join(known)}."
        await _say(send, 405, "invalid_request", sentence, allow)


def _authorization(scope: Scope) -> str:
    """The header, if it can be read at all: Authlib takes whatever it says for text."""
    header = asgi.header(scope, b"authorization")
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return header


async def _answer(send: Send, answer: Answer) -> None:
    refused = answer.status == _UNAUTHORIZED
    more: Headers = [(b"www-authenticate", b'Basic realm="flyte"')] if refused else []
    await asgi.answer(send, answer.status, metadata.encoded(answer.body), headers=[*_JSON, *more])


async def _wait(send: Send) -> None:
    retry = (b"retry-after", str(tries.WINDOW_SECONDS).encode())
    sentence = "Too many wrong tries from this address; wait a minute."
    await _say(send, _TOO_MANY, "slow_down", sentence, retry)


async def _say(
    send: Send, status: int, error: str, sentence: str, *more: tuple[bytes, bytes]
) -> None:
    body = metadata.encoded({"error": error, "error_description": sentence})
    await asgi.answer(send, status, body, headers=[*_JSON, *more])
