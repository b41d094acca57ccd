"""A control plane that wants a token, and the provider that gives them, on a real port: all that logging in needs.

It keeps to the RFCs as far as a client can tell, and does what a test says where that has to go wrong.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import trustme
import uvicorn
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.auth.auth_service_connect import (
    AuthMetadataService,
    AuthMetadataServiceASGIApplication,
)
from flyteidl2.auth.auth_service_pb2 import (
    GetOAuth2MetadataResponse,
    GetPublicClientConfigResponse,
)
from flyteidl2.auth.identity_connect import IdentityService, IdentityServiceASGIApplication
from flyteidl2.auth.identity_pb2 import UserInfoResponse
from tests.support import eventually

Form = dict[str, str]
Answer = tuple[int, dict[str, Any]]
SECRET = "s3cret/with:odd characters"


@dataclass
class Provider(IdentityService, AuthMetadataService):
    """What it gives, and what it was asked."""

    base: str = ""
    good: set[str] = field(default_factory=set[str])
    """Tokens that are good for the service."""
    forms: list[Form] = field(default_factory=list[Form])
    """What the token endpoint was asked."""
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """Headers of calls."""
    life_seconds: float = 3600
    token_endpoint: str | None = None
    header: str = "authorization"
    date: str | None = None
    """What the answers say it is; None: nothing."""
    refuses: bool = False
    """Whether good tokens are not good enough."""
    has_metadata: bool = True
    pending: int = 0
    """How often the device has to ask until somebody has entered the code."""
    challenge: str = ""
    """Of the browser login that is going on."""
    answers: Callable[[Form], Answer] | None = None
    """In the place of the token endpoint's own."""

    async def user_info(self, request: Any, ctx: Any) -> UserInfoResponse:
        headers = {name.lower(): value for name, value in ctx.request_headers().allitems()}
        self.headers.append(headers)
        said = headers.get(self.header, "").removeprefix("Bearer ")
        if self.refuses or said not in self.good:
            raise ConnectError(Code.UNAUTHENTICATED, "who are you?")
        return UserInfoResponse(name=said)

    async def get_o_auth2_metadata(self, request: Any, ctx: Any) -> GetOAuth2MetadataResponse:
        if not self.has_metadata:
            raise ConnectError(Code.UNIMPLEMENTED, "not here")
        return GetOAuth2MetadataResponse(
            token_endpoint=self.token_endpoint or f"{self.base}/oauth2/token",
            authorization_endpoint=f"{self.base}/oauth2/authorize",
            device_authorization_endpoint=f"{self.base}/oauth2/device",
        )

    async def get_public_client_config(
        self, request: Any, ctx: Any
    ) -> GetPublicClientConfigResponse:
        return GetPublicClientConfigResponse(
            client_id="flyte-cli",
            redirect_uri="http://localhost:0/callback",
            scopes=["all", "offline"],
            authorization_metadata_key=self.header,
        )

    def token(self, form: Form) -> Answer:
        """The answer of the token endpoint."""
        self.forms.append(form)
        if self.answers is not None:
            return self.answers(form)
        grants: dict[str, Callable[[Form], str | None]] = {
            "client_credentials": self._of_a_secret,
            "authorization_code": self._of_a_code,
            "refresh_token": self._of_a_refresh,
        }
        refusal = grants.get(form["grant_type"], self._of_a_device)(form)
        return (400, {"error": refusal}) if refusal else (200, self._given())

    def _given(self) -> dict[str, Any]:
        number = len(self.good) + 1
        self.good = self.good | {f"token-{number}"}
        return {
            "access_token": f"token-{number}",
            "expires_in": self.life_seconds,
            "refresh_token": f"refresh-{number}",
            "token_type": "Bearer",
        }

    def _of_a_secret(self, form: Form) -> str | None:
        good = form.get("basic") == f"nightly:{SECRET}"
        return None if good else "invalid_client"

    def _of_a_code(self, form: Form) -> str | None:
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        proven = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.challenge
        return None if proven and form["code"] == "the-code" else "invalid_grant"

    def _of_a_refresh(self, form: Form) -> str | None:
        number = form["refresh_token"].rpartition("-")[2]
        return None if f"token-{number}" in self.good else "invalid_grant"

    def _of_a_device(self, form: Form) -> str | None:
        if form["device_code"] != "the-device":
            return "invalid_grant"
        self.pending -= 1
        return "authorization_pending" if self.pending >= 0 else None


@contextlib.asynccontextmanager
async def providing(
    certificate: trustme.LeafCert | None = None, folder: Path | None = None
) -> AsyncIterator[Provider]:
    """A provider that answers at its `base`; with a certificate it speaks TLS."""
    provider = Provider()
    listener = socket.create_server(("127.0.0.1", 0))
    scheme = "http" if certificate is None else "https"
    provider.base = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        _app(provider),
        lifespan="off",
        log_config=None,
        date_header=False,
        timeout_graceful_shutdown=2,
        ssl_context_factory=None
        if certificate is None
        else lambda _config, _default: _context(certificate),
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # pyright: ignore[reportAttributeAccessIssue]
    task = asyncio.create_task(server.serve([listener]))
    await eventually(lambda: server.started or task.done())
    try:
        yield provider
    finally:
        server.should_exit = True
        await task


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def _app(provider: Provider) -> Any:
    identity = IdentityServiceASGIApplication(provider)
    metadata = AuthMetadataServiceASGIApplication(provider)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        if path.startswith("/oauth2/"):
            form = await _form(scope, receive)
            answer = _device if path.endswith("/device") else provider.token
            await _answer(send, provider, *answer(form))
            return
        service = metadata if path.startswith(metadata.path) else identity
        await service(scope, receive, send)

    return app


def _device(form: Form) -> Answer:
    return 200, {
        "device_code": "the-device",
        "user_code": "ABCD-EFGH",
        "verification_uri": "http://127.0.0.1/device",
        "interval": 0.01,
        "expires_in": 20,
    }


async def _form(scope: Any, receive: Any) -> Form:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    form = dict(parse_qsl(body.decode()))
    for name, value in scope["headers"]:
        if name == b"authorization":
            pair = base64.b64decode(value.removeprefix(b"Basic ")).decode()
            form["basic"] = ":".join(unquote(part) for part in pair.split(":"))
    return form


async def _answer(send: Any, provider: Provider, status: int, document: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json")]
    if provider.date:
        headers.append((b"date", provider.date.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})
