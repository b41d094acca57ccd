"""The OAuth endpoints on a real port, with a clock that tests move, and a client that follows nothing by itself."""

import asyncio
import base64
import contextlib
import hashlib
import json
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
import uvicorn
from flyteidl2.auth.auth_service_connect import AuthMetadataServiceASGIApplication
from pyqwest import Client, HTTPTransport
from tests.fakes.clock import ManualClock
from tests.support import eventually

from flyte_server.auth.claims import Claims
from flyte_server.auth.keys import Keys
from flyte_server.auth.oauth.clients import PUBLIC_CLIENT_ID, REDIRECT_URI
from flyte_server.auth.roles import Role
from flyte_server.auth.tokens import Tokens
from flyte_server.services.access.oauth import mounting
from flyte_server.services.access.oauth.metadata import Elsewhere
from flyte_server.services.access.oauth.mounting import Ground
from flyte_server.services.faults import Faults
from flyte_server.services.http.asgi import App, Receive, Scope, Send
from flyte_server.store.database import Database

SIGNING_KEY = b"k" * 32
LOCAL_TOKEN = "local-token-" + "x" * 32
VERIFIER = "v" * 50
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def challenge(verifier: str = VERIFIER) -> str:
    """The challenge of S256."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def printed(client_id: str, secret: str) -> str:
    """A key as it is printed for people."""
    record = {"endpoint": "http://127.0.0.1", "client_id": client_id, "client_secret": secret}
    return "flyte1." + base64.urlsafe_b64encode(json.dumps(record).encode()).decode()


def asking(**changed: str) -> dict[str, str]:
    """A request of the browser flow as it should be, but for what is changed; empty: left out."""
    values = {
        "response_type": "code",
        "client_id": PUBLIC_CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "scope": "all",
        "state": "s1",
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
        **changed,
    }
    return {name: value for name, value in values.items() if value}


@dataclass(frozen=True)
class Response:
    """An answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def sent_to(self) -> str:
        """Where the browser is sent, without what it brings along."""
        parts = urlsplit(self.headers["location"])
        return f"{parts.scheme}://{parts.netloc}{parts.path}"

    @property
    def brought(self) -> dict[str, str]:
        """What the browser brings along."""
        return dict(parse_qsl(urlsplit(self.headers["location"]).query))

    @property
    def hidden(self) -> dict[str, str]:
        """The hidden fields of the page's form."""
        found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', self.text)
        return {unescape(name): unescape(value) for name, value in found}


@dataclass
class Issuing:
    """What tests talk to and pull at."""

    base: str
    clock: ManualClock
    database: Database
    http: Client
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> Keys:
        return Keys(self.database, self.clock)

    async def key(
        self, name: str = "nightly", role: Role = Role.RUN, **given: Any
    ) -> tuple[str, str]:
        """A new API key: client id and secret."""
        key, secret = await self.keys.create(name, role, by="tester", **given)
        return key.client_id, secret

    def read(self, token: str) -> Claims:
        """What one of our tokens says."""
        return Tokens(SIGNING_KEY, self.clock).read(token)

    async def get(self, path: str, query: dict[str, str] | None = None) -> Response:
        address = f"{self.base}{path}" + (f"?{urlencode(query)}" if query else "")
        return await self._read(await self.http.get(address, headers=self._cookie()))

    async def post(
        self, path: str, form: dict[str, str] | bytes, headers: dict[str, str] | None = None
    ) -> Response:
        content = form if isinstance(form, bytes) else urlencode(form).encode()
        sent = {"content-type": "application/x-www-form-urlencoded", **self._cookie()}
        return await self._read(
            await self.http.post(f"{self.base}{path}", {**sent, **(headers or {})}, content)
        )

    async def token(self, **form: str) -> Response:
        """Ask the token endpoint, as the public client."""
        return await self.post("/oauth2/token", {"client_id": PUBLIC_CLIENT_ID, **form})

    async def token_with_key(self, client_id: str, secret: str, **form: str) -> Response:
        """Ask the token endpoint, as a program with a key."""
        pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}".encode()
        header = {"authorization": f"Basic {base64.b64encode(pair).decode()}"}
        sent = {"grant_type": "client_credentials", "scope": "all", **form}
        return await self.post("/oauth2/token", sent, header)

    async def authorize(
        self, proof: str = LOCAL_TOKEN, answer: str = "allow", **changed: str
    ) -> Response:
        """Look at the page and send its form."""
        page = await self.get("/oauth2/authorize", asking(**changed))
        assert page.status == 200, page.text
        form = {**page.hidden, "proof": proof, "answer": answer}
        return await self.post("/oauth2/authorize", form)

    async def exchange(self, code: str, **changed: str) -> Response:
        """Bring a code back."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
            **changed,
        }
        return await self.token(**form)

    async def logged_in(self, proof: str = LOCAL_TOKEN) -> dict[str, Any]:
        """The answer with the tokens of a whole browser flow."""
        back = await self.authorize(proof)
        answer = await self.exchange(back.brought["code"])
        assert answer.status == 200, answer.text
        return answer.json

    def _cookie(self) -> dict[str, str]:
        text = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"cookie": text} if text else {}

    async def _read(self, answer: Any) -> Response:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if "set-cookie" in headers:
            name, _, value = headers["set-cookie"].partition(";")[0].partition("=")
            self.cookies[name] = value
        return Response(answer.status, headers, bytes(answer.content))


@contextlib.asynccontextmanager
async def issuing(
    home: Path, clock: ManualClock, *, elsewhere: Elsewhere | None = None
) -> AsyncIterator[Issuing]:
    """The endpoints over a database; begin them twice for a restart."""
    database = Database.open(home / "state.db")
    ground = Ground(key=SIGNING_KEY, token=LOCAL_TOKEN, user="ada", scheme="http")
    made = mounting.make(database, clock, ground, elsewhere=elsewhere)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_app(made), http="httptools", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve([listener]))
    await eventually(lambda: server.started or task.done())
    try:
        async with HTTPTransport(follow_redirects=False) as transport:
            base = f"http://127.0.0.1:{listener.getsockname()[1]}"
            yield Issuing(base, clock, database, Client(transport))
    finally:
        server.should_exit = True
        await task
        listener.close()
        database.close()


def _app(made: mounting.OAuth) -> App:
    metadata = AuthMetadataServiceASGIApplication(made.metadata, interceptors=[Faults()])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        route = next((made.routes[it] for it in made.routes if path.startswith(it)), metadata)
        await route(scope, receive, send)

    return app


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def oauth(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Issuing]:
    async with issuing(tmp_path, clock) as made:
        yield made
