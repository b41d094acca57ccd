"""Who asks, said with every call; and what happens when it is refused."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_connect import ActionsService, ActionsServiceASGIApplication
from flyteidl2.actions.actions_service_pb2 import (
    EnqueueRequest,
    EnqueueResponse,
    WatchForUpdatesRequest,
    WatchForUpdatesResponse,
)
from pyqwest.testing import ASGITransport

from flyte import errors
from flyte._client import ControlPlane
from flyte._client.auth import choosing
from flyte._client.auth.credentials import Credentials, Fixed, Nobody, Passing, TokenFile
from flyte._client.auth.kept import Keyring
from flyte._client.auth.renewing import Renewing
from flyte._client.auth.tokens import Token, seconds
from flyte.config._access import Access, Login

ENDPOINT = "http://127.0.0.1:8090"


class Guarded(ActionsService):
    """Answers only those who send the right token."""

    def __init__(self, token: str, *, others: str = "who are you") -> None:
        self.token = token
        self.others = others
        self.heard: list[str | None] = []

    async def enqueue(self, request: EnqueueRequest, ctx: Any) -> EnqueueResponse:
        self._check(ctx)
        return EnqueueResponse()

    async def watch_for_updates(
        self, request: WatchForUpdatesRequest, ctx: Any
    ) -> AsyncIterator[WatchForUpdatesResponse]:
        self._check(ctx)
        for _ in range(3):
            response = WatchForUpdatesResponse()
            response.control_message.sentinel = True
            yield response

    def _check(self, ctx: Any) -> None:
        said = ctx.request_headers().get("authorization")
        self.heard.append(said)
        if said != f"Bearer {self.token}":
            raise ConnectError(Code.UNAUTHENTICATED, self.others)


class Counting:
    """A source that gives `token-1`, `token-2`, … and takes its time."""

    name = "counting"
    is_kept = False

    def __init__(self, *, life_seconds: float | None = 3600, fails: bool = False) -> None:
        self.given = 0
        self.before: list[Token | None] = []
        self._life_seconds = life_seconds
        self._fails = fails

    async def token(self, before: Token | None) -> Token:
        self.given += 1
        self.before.append(before)
        await asyncio.sleep(0)
        if self._fails:
            raise errors.UnionRpcError("unauthenticated", "the login failed")
        now = seconds()
        ends = None if self._life_seconds is None else now + self._life_seconds
        return Token(access=f"token-{self.given}", made_at=now, expires_at=ends)


def plane_of(service: Guarded, credentials: Credentials) -> ControlPlane:
    http = ASGITransport(ActionsServiceASGIApplication(service))
    return ControlPlane(ENDPOINT, http, credentials=credentials)


def renewing(source: Counting) -> Renewing:
    return Renewing(source, Keyring(ENDPOINT, enabled=False))


async def watched(plane: ControlPlane) -> int:
    return len([each async for each in plane.actions.watch_for_updates(WatchForUpdatesRequest())])


async def test_a_fixed_token_goes_with_calls_and_streams() -> None:
    service = Guarded("t")
    plane = plane_of(service, Fixed("t"))
    await plane.actions.enqueue(EnqueueRequest())
    assert await watched(plane) == 3
    assert service.heard == ["Bearer t", "Bearer t"]


async def test_the_token_of_this_machine_is_read_again_when_it_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    service = Guarded("old")
    plane = plane_of(service, TokenFile(file))
    await plane.actions.enqueue(EnqueueRequest())
    service.token = "new"
    file.write_text("new\n")
    await plane.actions.enqueue(EnqueueRequest())
    assert await watched(plane) == 3
    assert service.heard == ["Bearer old", "Bearer old", "Bearer new", "Bearer new"]


@pytest.mark.parametrize("content", [None, "wrong"], ids=["no file", "a wrong one"])
async def test_a_token_file_that_does_not_help_is_named(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "token"
    if content:
        file.write_text(content)
    plane = plane_of(Guarded("t"), TokenFile(file))
    with pytest.raises(
        errors.UnionRpcError, match=r"who are you.*/token.*flyte create api-key"
    ) as e:
        await plane.actions.enqueue(EnqueueRequest())
    assert e.value.code == "unauthenticated"
    assert content is None or content not in str(e.value), "a token is never told"


async def test_nothing_is_asked_of_whoever_is_not_asked() -> None:
    source = Counting()
    service = Guarded("token-1")
    plane = plane_of(service, renewing(source))
    await plane.actions.enqueue(EnqueueRequest())
    assert service.heard == [None, "Bearer token-1"], "one refusal, then the login"
    await plane.actions.enqueue(EnqueueRequest())
    assert source.given == 1


async def test_a_stream_is_opened_again_after_the_login() -> None:
    source = Counting()
    service = Guarded("token-1")
    assert await watched(plane_of(service, renewing(source))) == 3
    assert service.heard == [None, "Bearer token-1"]


async def test_many_concurrent_calls_log_in_once() -> None:
    source = Counting()
    service = Guarded("token-1")
    plane = plane_of(service, renewing(source))
    await asyncio.gather(*(plane.actions.enqueue(EnqueueRequest()) for _ in range(50)))
    assert source.given == 1


async def test_a_login_that_fails_fails_once_for_all_who_wait() -> None:
    source = Counting(fails=True)
    plane = plane_of(Guarded("t"), renewing(source))
    calls = [plane.actions.enqueue(EnqueueRequest()) for _ in range(20)]
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert {str(end) for end in ends} == {"the login failed"}
    assert source.given == 1


async def test_a_token_is_renewed_before_it_ends() -> None:
    source = Counting(life_seconds=0)
    service = Guarded("token-1")
    plane = plane_of(service, renewing(source))
    await plane.actions.enqueue(EnqueueRequest())
    service.token = "token-2"
    await plane.actions.enqueue(EnqueueRequest())
    assert service.heard[-1] == "Bearer token-2"
    assert len(service.heard) == 3, "the old one was not tried"
    assert source.before[1] is not None
    assert source.before[1].access == "token-1"


async def test_a_token_that_is_refused_is_replaced_once() -> None:
    source = Counting()
    service = Guarded("nothing will do")
    plane = plane_of(service, renewing(source))
    with pytest.raises(errors.UnionRpcError, match="got for it just now was refused"):
        await plane.actions.enqueue(EnqueueRequest())
    with pytest.raises(errors.UnionRpcError):
        await plane.actions.enqueue(EnqueueRequest())
    assert source.given == 1, "another login so soon would give the same"


async def test_a_cancelled_call_leaves_no_login_behind() -> None:
    started = asyncio.Event()

    class Slow(Counting):
        async def token(self, before: Token | None) -> Token:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

    plane = plane_of(Guarded("t"), renewing(Slow()))
    call = asyncio.ensure_future(plane.actions.enqueue(EnqueueRequest()))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.sleep(0)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_what_is_passed_on_is_what_the_moment_says() -> None:
    said: dict[str, str] = {}
    service = Guarded("mine")
    plane = plane_of(service, Passing(lambda: dict(said)))
    with pytest.raises(errors.UnionRpcError, match="auth_metadata"):
        await plane.actions.enqueue(EnqueueRequest())
    said["authorization"] = "Bearer mine"
    await plane.actions.enqueue(EnqueueRequest())


OPEN = "http://flyte.example.com"
TASK: Mapping[str, str] = {"_U_ACTION_TOKEN": "of-task"}


@pytest.mark.parametrize(
    ("base", "access", "environment", "kind"),
    [
        (ENDPOINT, Access(token_file=Path("t")), None, TokenFile),
        ("https://flyte.example.com", Access(token_file=Path("t")), None, TokenFile),
        (ENDPOINT, Access(token_file=Path("t")), TASK, Fixed),
        (ENDPOINT, Access(), {"RUN_NAME": "r"}, Nobody),
        (ENDPOINT, Access(), None, Renewing),
        (OPEN, Access(token_file=Path("t")), None, Nobody),
        (OPEN, Access(), TASK, Nobody),
        (
            ENDPOINT,
            Access(
                token_file=Path("t"),
                login=Login(kind="ExternalCommand", command=("x",), asked_for=True),
            ),
            None,
            Renewing,
        ),
        (
            ENDPOINT,
            Access(login=Login(kind="Passthrough", asked_for=True), metadata=dict),
            None,
            Passing,
        ),
    ],
)
async def test_which_credentials_are_taken(
    base: str, access: Access, environment: Mapping[str, str] | None, kind: type
) -> None:
    http = ASGITransport(ActionsServiceASGIApplication(Guarded("t")))
    assert isinstance(choosing.credentials(access, base, http, environment), kind)


@pytest.mark.parametrize(
    "login",
    [
        Login(kind="ClientSecret", client_id="c", client_secret="s", asked_for=True),
        Login(kind="Passthrough", asked_for=True),
    ],
    ids=lambda login: login.kind,
)
def test_no_secret_leaves_the_machine_unencrypted(login: Login) -> None:
    with pytest.raises(errors.ConfigError, match="plain HTTP to another machine"):
        ControlPlane.connect(OPEN, access=Access(login=login))
