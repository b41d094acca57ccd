"""A small issuer of an organization, on a real port: metadata, keys that change, and a token endpoint."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from tests.support import eventually

from flyte_server.services.http import asgi
from flyte_server.services.http.asgi import Receive, Scope, Send

AUDIENCE = "flyte-here"
Key = ECKey | RSAKey


def new_key(kid: str) -> ECKey:
    """A key of the issuer."""
    return ECKey.generate_key("P-256", parameters={"kid": kid, "alg": "ES256", "use": "sig"})


class FakeIssuer:
    """Answers like a small issuer; tests change what it says."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.called = url
        """As it calls itself."""
        self.keys: list[Key] = [new_key("k1")]
        self.away = False
        self.asked: list[str] = []
        """Paths that were asked for."""
        self.forms: list[dict[str, str]] = []
        """What came to its token endpoint."""

    def token(self, key: Key | None = None, alg: str = "ES256", **changed: Any) -> str:
        """A token of it; what is changed to None is left out."""
        signer = key or self.keys[0]
        said = {"iss": self.url, "sub": "u1", "aud": AUDIENCE, **changed}
        claims = {name: value for name, value in said.items() if value is not None}
        header = {"alg": alg, "kid": signer.kid} if signer.kid else {"alg": alg}
        return jwt.encode(header, claims, signer, algorithms=[alg])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        self.asked.append(path)
        if self.away:
            await asgi.answer_json(send, 500, {"error": "away"})
        elif path.endswith("/.well-known/openid-configuration"):
            await asgi.answer_json(send, 200, self._document())
        elif path == "/keys":
            public = KeySet(self.keys).as_dict(private=False)
            await asgi.answer_json(send, 200, dict(public))
        else:
            body = (await receive())["body"].decode()
            self.forms.append(dict(parse_qsl(body)))
            await asgi.answer_json(send, 200, {"access_token": "theirs", "expires_in": 60})

    def _document(self) -> dict[str, object]:
        return {
            "issuer": self.called,
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint": f"{self.url}/token",
            "authorization_endpoint": f"{self.url}/authorize",
            "device_authorization_endpoint": f"{self.url}/device",
            "grant_types_supported": ["authorization_code"],
            "claims_supported": ["sub"],
        }


@contextlib.asynccontextmanager
async def issuing_elsewhere() -> AsyncIterator[FakeIssuer]:
    listener = socket.create_server(("127.0.0.1", 0))
    issuer = FakeIssuer(f"http://127.0.0.1:{listener.getsockname()[1]}")
    config = uvicorn.Config(issuer, http="httptools", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([listener]))
    await eventually(lambda: server.started or task.done())
    try:
        yield issuer
    finally:
        server.should_exit = True
        await task
        listener.close()
