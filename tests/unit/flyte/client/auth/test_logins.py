"""Logging in, over real sockets, at a provider that keeps to the RFCs or does not."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyqwest
import pytest
from flyteidl2.auth.identity_pb2 import UserInfoRequest
from tests.fakes.provider import SECRET, Provider, providing

from flyte import errors
from flyte._client import ControlPlane
from flyte._client.auth import logins
from flyte._client.auth.browser import Browser
from flyte._client.auth.kept import Keyring
from flyte._client.auth.oauth import OAuth
from flyte._client.auth.renewing import Renewing
from flyte.config._access import Access, Login

KEY = Login(
    kind="ClientSecret",
    asked_for=True,
    client_id="nightly",
    client_secret=SECRET,
    use_keyring=False,
)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with providing() as made:
        yield made


async def ask(provider: Provider, login: Login, times: int = 1) -> list[str]:
    """Who the control plane takes us for, over one connection."""
    plane = ControlPlane.connect(provider.base, access=Access(login=login))
    try:
        calls = (plane.identity.user_info(UserInfoRequest()) for _ in range(times))
        return [(await call).name for call in calls]
    finally:
        await plane.aclose()


def command(tmp_path: Path, code: str) -> tuple[str, ...]:
    file = tmp_path / "token.py"
    file.write_text(code)
    return (sys.executable, str(file))


async def test_an_api_key_logs_in_once(provider: Provider) -> None:
    assert await ask(provider, KEY, 3) == ["token-1"] * 3
    assert provider.forms == [
        {
            "grant_type": "client_credentials",
            "scope": "all offline",
            "basic": f"nightly:{SECRET}",
        }
    ]


async def test_the_header_is_the_one_that_the_control_plane_wants(provider: Provider) -> None:
    provider.header = "flyte-authorization"
    assert await ask(provider, KEY) == ["token-1"]


async def test_a_key_that_is_wrong_or_revoked_is_named_and_its_secret_not(
    provider: Provider,
) -> None:
    login = Login(kind="ClientSecret", asked_for=True, client_id="nightly", client_secret="wr0ng")
    with pytest.raises(errors.UnionRpcError, match=r"'nightly' was refused.*invalid_client") as e:
        await ask(provider, login)
    assert e.value.code == "unauthenticated"
    assert "flyte create api-key" in str(e.value)
    assert "wr0ng" not in str(e.value)


async def test_a_key_that_is_revoked_meanwhile_is_named(provider: Provider) -> None:
    provider.life_seconds = 1e-6  # the next call renews it
    plane = ControlPlane.connect(provider.base, access=Access(login=KEY))
    await plane.identity.user_info(UserInfoRequest())
    provider.good, provider.answers = set(), lambda _: (401, {"error": "invalid_client"})
    with pytest.raises(errors.UnionRpcError, match="revoked"):
        await plane.identity.user_info(UserInfoRequest())
    await plane.aclose()


async def test_a_control_plane_that_tells_nothing_about_logins(provider: Provider) -> None:
    provider.has_metadata = False
    with pytest.raises(errors.UnionRpcError, match="does not say where to log in"):
        await ask(provider, KEY)


async def test_a_secret_is_not_sent_in_the_clear_wherever_the_control_plane_points(
    provider: Provider,
) -> None:
    provider.token_endpoint = "http://login.example.com/token"
    with pytest.raises(errors.UnionRpcError, match="plain HTTP to another machine: nothing secret"):
        await ask(provider, KEY)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((200, {}), "gave no access_token"),
        ((200, {"access_token": 5}), "gave no access_token"),
        ((502, {}), "answered with status 502 and no token"),
        ((200, []), "no token"),
        ((400, {"error": {"odd": 1}, "error_description": 7}), "was refused"),
    ],
)
async def test_a_provider_that_answers_nonsense(
    provider: Provider, answer: tuple[int, Any], sentence: str
) -> None:
    provider.answers = lambda _: answer
    with pytest.raises(errors.UnionRpcError, match=sentence):
        await ask(provider, KEY)


async def test_a_token_endpoint_where_nobody_listens(provider: Provider) -> None:
    provider.token_endpoint = "http://127.0.0.1:1/token"
    with pytest.raises(
        errors.ControlPlaneUnreachableError, match=r"nobody listens at 127\.0\.0\.1:1"
    ):
        await ask(provider, KEY)


async def test_a_token_that_is_refused_at_once_is_told_with_the_clock(provider: Provider) -> None:
    provider.refuses = True
    provider.date = "Mon, 01 Jan 2024 00:00:00 GMT"
    with pytest.raises(
        errors.UnionRpcError, match=r"who are you\?: this machine's clock is .* s ahead"
    ):
        await ask(provider, KEY)


async def test_a_command_prints_the_token_and_is_asked_again(
    provider: Provider, tmp_path: Path
) -> None:
    provider.good = {"second"}
    words = command(
        tmp_path,
        "import pathlib\nmark = pathlib.Path(__file__).with_suffix('.ran')\n"
        "print('second' if mark.exists() else 'first')\nmark.touch()",
    )
    login = Login(kind="ExternalCommand", asked_for=True, command=words)
    with pytest.raises(errors.UnionRpcError, match="got for it just now was refused"):
        await ask(provider, login)
    assert await ask(provider, login, 2) == ["second", "second"]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("", "printed nothing"),
        ("import sys; print('no ticket', file=sys.stderr); sys.exit(3)", "status 3: no ticket"),
    ],
)
async def test_a_command_that_fails_is_told(
    provider: Provider, tmp_path: Path, code: str, sentence: str
) -> None:
    login = Login(kind="ExternalCommand", asked_for=True, command=command(tmp_path, code))
    with pytest.raises(errors.UnionRpcError, match=sentence):
        await ask(provider, login)


async def test_a_command_that_does_not_exist_is_told(provider: Provider) -> None:
    login = Login(kind="ExternalCommand", asked_for=True, command=("/no/such/program",))
    with pytest.raises(
        errors.UnionRpcError, match=r"'/no/such/program' cannot be started \(No such"
    ):
        await ask(provider, login)


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"exp": 1_000_000_000}, "ended .* s ago by this machine's clock"),
        ({"nbf": 9_000_000_000}, "begins to be valid .* s from now by this machine's clock"),
    ],
)
async def test_a_token_of_another_time_is_told_with_the_clock(
    provider: Provider, tmp_path: Path, claims: dict[str, int], sentence: str
) -> None:
    words = command(
        tmp_path,
        "import base64, json\n"
        f"body = base64.urlsafe_b64encode(json.dumps({claims!r}).encode()).rstrip(b'=').decode()\n"
        "print(f'e30.{body}.c2ln')",
    )
    login = Login(kind="ExternalCommand", asked_for=True, command=words)
    with pytest.raises(errors.UnionRpcError, match=sentence):
        await ask(provider, login)


async def test_a_proxy_gets_its_own_token_with_calls_and_logins(
    provider: Provider, tmp_path: Path
) -> None:
    words = command(tmp_path, "print('for-the-proxy')")
    login = Login(
        kind="ClientSecret",
        asked_for=True,
        client_id="nightly",
        client_secret=SECRET,
        proxy_command=words,
    )
    assert await ask(provider, login) == ["token-1"]
    assert {each.get("proxy-authorization") for each in provider.headers} == {
        "Bearer for-the-proxy"
    }
    assert provider.headers[-1]["authorization"] == "Bearer token-1"


async def test_the_device_flow_waits_until_the_code_was_entered(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.pending = 3
    login = Login(kind="DeviceFlow", asked_for=True, use_keyring=False)
    assert await ask(provider, login) == ["token-1"]
    assert "http://127.0.0.1/device and enter the code ABCD-EFGH" in capsys.readouterr().err
    assert len(provider.forms) == 4


async def test_the_device_flow_ends_when_it_is_refused(provider: Provider) -> None:
    provider.answers = lambda _: (400, {"error": "access_denied"})
    with pytest.raises(errors.UnionRpcError, match=r"refused the login \(access_denied\)"):
        await ask(provider, Login(kind="DeviceFlow", asked_for=True))


# --- the browser ----------------------------------------------------------------------------------


class Person:
    """Takes the place of the browser and of whoever sits before it."""

    def __init__(self, provider: Provider, **changed: str) -> None:
        self._provider = provider
        self._changed = changed
        self.said: list[str] = []
        self.statuses: list[int] = []
        self.query: dict[str, str] = {}
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []

    def show(self, link: str) -> None:
        """Called in a thread, as a browser is started."""
        self._loop.call_soon_threadsafe(
            lambda: self._tasks.append(self._loop.create_task(self._go(link)))
        )

    async def _go(self, link: str) -> None:
        self.query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        self._provider.challenge = self.query["code_challenge"]
        back = {"state": self.query["state"], "code": "the-code", **self._changed}
        query = "&".join(f"{name}={value}" for name, value in back.items() if value)
        async with pyqwest.HTTPTransport() as http:
            client = pyqwest.Client(http)
            place = self.query["redirect_uri"].replace("localhost", "127.0.0.1")
            nothing = await client.get(place.replace("/callback", "/favicon.ico"))
            self.statuses.append(nothing.status)
            self.statuses.append((await client.get(f"{place}?{query}")).status)

    async def leave(self) -> None:
        """Wait until the browser is closed."""
        await asyncio.gather(*self._tasks)


@pytest.fixture
async def http() -> AsyncIterator[pyqwest.HTTPTransport]:
    async with pyqwest.HTTPTransport() as transport:
        yield transport


def browser(
    provider: Provider, http: pyqwest.Transport, person: Person, limit_seconds: float = 10
) -> Browser:
    oauth = OAuth(Access(), provider.base, http)
    return Browser(oauth, person.said.append, show=person.show, limit_seconds=limit_seconds)


async def test_the_browser_brings_back_a_code(
    provider: Provider, http: pyqwest.HTTPTransport
) -> None:
    person = Person(provider)
    token = await browser(provider, http, person).token(None)
    await person.leave()
    assert token.access == "token-1"
    assert person.statuses == [404, 200]
    assert person.query["code_challenge_method"] == "S256"
    assert person.query["client_id"] == "flyte-cli"
    assert provider.forms[0]["redirect_uri"] == person.query["redirect_uri"]
    assert person.said[0].startswith(f"To log in, open {provider.base}/oauth2/authorize?")


async def test_the_next_token_needs_no_person(
    provider: Provider, http: pyqwest.HTTPTransport
) -> None:
    person = Person(provider)
    login = browser(provider, http, person)
    first = await login.token(None)
    second = await login.token(first)
    await person.leave()
    assert second.access == "token-2"
    assert [form["grant_type"] for form in provider.forms] == [
        "authorization_code",
        "refresh_token",
    ]


async def test_an_answer_with_another_state_is_not_ours(
    provider: Provider, http: pyqwest.HTTPTransport
) -> None:
    person = Person(provider, state="forged")
    with pytest.raises(errors.UnionRpcError, match="nobody logged in within"):
        await browser(provider, http, person, limit_seconds=0.5).token(None)
    await person.leave()
    assert person.statuses == [404, 400]
    assert provider.forms == []


async def test_a_login_that_was_refused_is_told(
    provider: Provider, http: pyqwest.HTTPTransport
) -> None:
    person = Person(provider, code="", error="access_denied")
    with pytest.raises(errors.UnionRpcError, match=r"login was refused \(access_denied\)"):
        await browser(provider, http, person).token(None)
    await person.leave()


async def test_where_nobody_is_there_no_browser_is_waited_for(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(errors.UnionRpcError, match="nobody is here to log in; set FLYTE_API_KEY"):
        await ask(provider, Login(use_keyring=False))


async def test_headless_the_code_of_a_device_is_used(provider: Provider) -> None:
    login = Login(headless=True, asked_for=True, use_keyring=False)
    assert await ask(provider, login) == ["token-1"]


# --- the keyring ----------------------------------------------------------------------------------


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Chooses a backend of keyring by its own variable, as users do."""

    def choose(name: str) -> None:
        keyring = pytest.importorskip("keyring")
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", name)
        keyring.core.init_backend()
        monkeypatch.undo()

    return choose


async def test_without_a_keyring_memory_does(
    provider: Provider, ring: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    ring("keyring.backends.fail.Keyring")
    caplog.set_level(logging.DEBUG, "flyte.login")
    kept = Login(kind="ClientSecret", asked_for=True, client_id="nightly", client_secret=SECRET)
    assert await ask(provider, kept, 2) == ["token-1", "token-1"]
    said = [record.getMessage() for record in caplog.records if record.name == "flyte.login"]
    assert len(said) == 1, said
    assert "no keyring keeps tokens here" in said[0]
    assert SECRET not in caplog.text


async def test_a_kept_token_serves_the_next_process(
    provider: Provider, ring: Callable[[str], None]
) -> None:
    ring("tests.fakes.keyrings.InMemory")
    kept = Login(kind="ClientSecret", asked_for=True, client_id="nightly", client_secret=SECRET)
    assert await ask(provider, kept) == ["token-1"]
    assert await ask(provider, kept) == ["token-1"]
    assert len(provider.forms) == 1
    assert await ask(provider, KEY) == ["token-2"], "disable_keyring looks for nothing"


async def test_a_kept_token_that_is_refused_is_replaced(
    provider: Provider, ring: Callable[[str], None]
) -> None:
    ring("tests.fakes.keyrings.InMemory")
    kept = Login(kind="ClientSecret", asked_for=True, client_id="nightly", client_secret=SECRET)
    await ask(provider, kept)
    provider.good = {"of somebody else"}
    assert await ask(provider, kept) == ["token-2"]
    assert await ask(provider, kept) == ["token-2"], "the new one is kept"


async def test_what_others_have_written_into_the_keyring_is_no_token(
    ring: Callable[[str], None],
) -> None:
    ring("tests.fakes.keyrings.InMemory")
    kept = Keyring("https://h")
    assert await kept.find("x") is None
    await asyncio.to_thread(
        pytest.importorskip("keyring").set_password, "flyte https://h", "x", "{}"
    )
    assert await kept.find("x") is None
    await kept.forget("x")
    await kept.forget("x")


async def test_every_way_to_log_in_has_a_source(http: pyqwest.HTTPTransport) -> None:
    login = Login(kind="DeviceFlow", asked_for=True)
    made = logins.renewing(Access(login=login), "http://127.0.0.1:1", http)
    assert isinstance(made, Renewing)
