"""Every way to log in of the SDK, at a control plane that wants a token: the two sides fit together."""

import asyncio
import base64
import json
import re
import threading
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pyqwest
import pytest
from flyteidl2.auth.identity_pb2 import UserInfoRequest
from flyteidl2.project.project_service_pb2 import ListProjectsRequest
from tests.integration.services.conftest import Plane, serving

from flyte import _session, errors
from flyte._client import ControlPlane
from flyte._client.auth.browser import Browser
from flyte._client.auth.device import Device
from flyte._client.auth.kept import Keyring
from flyte._client.auth.oauth import OAuth
from flyte._client.auth.renewing import Renewing
from flyte._client.auth.tokens import Source
from flyte._session import Session
from flyte.config import _api_key
from flyte.config._access import Access, Login
from flyte_server.settings import Settings

LOGIN = Login(asked_for=True, use_keyring=False)


@pytest.fixture
async def guarded(flyte_home: Path) -> AsyncIterator[Plane]:
    """A control plane as it is started by default; its directory is that of this test's client."""
    async with serving(Settings(home=flyte_home, port=0, auth="token")) as made:
        yield made


def local(plane: Plane) -> ControlPlane:
    """A client that may read the directory."""
    file = plane.settings.home / "token"
    return ControlPlane.connect(plane.endpoint, access=Access(token_file=file))


async def key(plane: Plane, name: str = "nightly", role: str = "run") -> _api_key.ApiKey:
    """A new API key, as it is printed and read again."""
    client = local(plane)
    try:
        made = await client.own("KeyService", "Create", {"name": name, "role": role})
    finally:
        await client.aclose()
    told = json.dumps(
        {
            "endpoint": plane.endpoint,
            "client_id": made["client_id"],
            "client_secret": made["client_secret"],
        }
    )
    text = "flyte1." + base64.urlsafe_b64encode(told.encode()).decode()
    return _api_key.parse(text, "test")


def with_key(plane: Plane, made: _api_key.ApiKey) -> ControlPlane:
    login = Login(
        kind="ClientSecret",
        asked_for=True,
        client_id=made.client_id,
        client_secret=made.client_secret,
        use_keyring=False,
    )
    return ControlPlane.connect(plane.endpoint, access=Access(login=login))


async def subject(client: ControlPlane) -> str:
    """Who the control plane takes us for."""
    return (await client.identity.user_info(UserInfoRequest())).subject


async def test_who_may_read_the_directory_is_let_in(guarded: Plane) -> None:
    client = local(guarded)
    assert await subject(client) == "local:tester"
    assert await client.own("DataService", "Whereabouts", {})
    await client.aclose()


async def test_nobody_is_not_let_in(guarded: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    client = ControlPlane.connect(guarded.endpoint)
    with pytest.raises(errors.UnionRpcError, match="FLYTE_API_KEY") as caught:
        await client.identity.user_info(UserInfoRequest())
    assert caught.value.code == "unauthenticated"
    await client.aclose()


async def test_a_key_is_let_in_until_it_is_revoked(guarded: Plane) -> None:
    made = await key(guarded)
    client = with_key(guarded, made)
    assert await subject(client) == "key:nightly"
    await client.projects.list_projects(ListProjectsRequest(limit=1))
    admin = local(guarded)
    await admin.own("KeyService", "Revoke", {"name": "nightly"})
    await admin.aclose()
    other = with_key(guarded, made)
    with pytest.raises(errors.UnionRpcError, match=r"was refused.*flyte create api-key"):
        await subject(other)
    await other.aclose()
    await client.aclose()


async def test_a_key_with_a_wrong_secret_is_named(guarded: Plane) -> None:
    made = await key(guarded)
    wrong = _api_key.ApiKey(
        endpoint=made.endpoint, client_id=made.client_id, client_secret="another"
    )
    client = with_key(guarded, wrong)
    with pytest.raises(errors.UnionRpcError, match=f"the key '{made.client_id}' was refused"):
        await subject(client)
    await client.aclose()


# --- a person in the browser ----------------------------------------------------------------------


class Person:
    """Uses the pages as a browser does: the form with its hidden fields, the cookie, the way back."""

    def __init__(self, plane: Plane, proof: str) -> None:
        self._plane = plane
        self._proof = proof
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self.thread = threading.get_ident()

    def show(self, link: str) -> None:
        """Open a link of the browser flow (called in a thread)."""
        self._loop.call_soon_threadsafe(
            lambda: self._tasks.append(self._loop.create_task(self._use(link, {})))
        )

    def say(self, line: str) -> None:
        """Hear of the link of the device flow (called on the loop)."""
        link = next(word for word in line.split() if word.startswith("http"))
        code = parse_qs(urlsplit(link).query).get("user_code", [line.split()[-1]])[0]
        self._tasks.append(self._loop.create_task(self._use(link, {"user_code": code})))

    async def leave(self) -> None:
        """Wait until the browser is closed."""
        await asyncio.gather(*self._tasks)

    async def _use(self, link: str, more: dict[str, str]) -> None:
        async with pyqwest.HTTPTransport(follow_redirects=False) as http:
            client = pyqwest.Client(http)
            page = await client.get(link)
            assert page.status == 200, page.text()
            found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text())
            form = {unescape(name): unescape(value) for name, value in found}
            form.update(more, proof=self._proof, answer="allow")
            headers = {"content-type": "application/x-www-form-urlencoded"}
            cookie = page.headers.get("set-cookie")
            if cookie:
                headers["cookie"] = cookie.partition(";")[0]
            target = link.partition("?")[0]
            answer = await client.post(target, headers, urlencode(form).encode())
            back = answer.headers.get("location")
            if back:
                await client.get(back.replace("localhost", "127.0.0.1"))


async def logged_in(plane: Plane, source: Source, person: Person) -> str:
    async with pyqwest.HTTPTransport() as http:
        credentials = Renewing(source, Keyring(plane.endpoint, enabled=False))
        client = ControlPlane(plane.endpoint, http, credentials=credentials)
        found = await subject(client)
        await person.leave()
        return found


async def test_a_person_logs_in_in_the_browser(guarded: Plane) -> None:
    person = Person(guarded, (guarded.settings.home / "token").read_text().strip())
    async with pyqwest.HTTPTransport() as http:
        oauth = OAuth(Access(login=LOGIN), guarded.endpoint, http)
        source = Browser(oauth, lambda _: None, show=person.show, limit_seconds=20)
        assert await logged_in(guarded, source, person) == "local:tester"
        first = await source.token(None)
        await person.leave()
        second = await source.token(first)
        assert second.access != first.access, "refreshed without a person"
        assert second.refresh != first.refresh


async def test_a_person_logs_in_with_a_code(guarded: Plane) -> None:
    person = Person(guarded, (guarded.settings.home / "token").read_text().strip())
    async with pyqwest.HTTPTransport() as http:
        source = Device(OAuth(Access(login=LOGIN), guarded.endpoint, http), person.say)
        assert await logged_in(guarded, source, person) == "local:tester"


# --- the session ----------------------------------------------------------------------------------


async def test_a_session_finds_the_token_of_the_control_plane_that_it_names(
    guarded: Plane, flyte_home: Path
) -> None:
    """By any name of its address, as long as its process lives and answers."""
    (flyte_home / "server.json").write_text(
        json.dumps(
            {
                "pid": await _pid(guarded),
                "host": "127.0.0.1",
                "port": guarded.settings.port,
                "endpoint": guarded.endpoint,
                "version": "0",
            }
        )
    )
    for endpoint in (guarded.endpoint, f"localhost:{guarded.settings.port}", "local"):
        session = Session(endpoint=endpoint, insecure=True)
        client = await session.control_plane()
        assert await subject(client) == "local:tester", endpoint
        await client.aclose()


async def test_passing_on_says_who_asks(guarded: Plane) -> None:
    token = (guarded.settings.home / "token").read_text().strip()
    session = Session(endpoint=guarded.endpoint, login=Login(kind="Passthrough", asked_for=True))
    client = await session.control_plane()
    with pytest.raises(errors.UnionRpcError, match="auth_metadata"):
        await subject(client)
    with _session.passing_on({"authorization": f"Bearer {token}"}):
        assert await subject(client) == "local:tester"
    with (
        _session.passing_on({"authorization": "Bearer wrong"}),
        pytest.raises(errors.UnionRpcError, match="was refused"),
    ):
        await subject(client)
    await client.aclose()


async def _pid(plane: Plane) -> int:
    answer = await pyqwest.Client().get(f"{plane.endpoint}/healthz")
    return json.loads(answer.content)["pid"]
