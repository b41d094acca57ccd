"""Who is let in: every kind of token that is not good, and every way around the gate, ends in a refusal."""

import base64
import gzip
import hashlib
import hmac
import json
import stat
from typing import Any

import pytest
from tests.fakes.clock import ManualClock
from tests.integration.access.conftest import LATER_US, OWN, RUNS, Locked
from tests.support import eventually

from flyte_server.auth.bearers import Bearers
from flyte_server.auth.claims import Claims
from flyte_server.auth.roles import Grant, Role
from flyte_server.auth.tokens import ISSUER, Tokens
from flyte_server.clock import RealClock
from flyte_server.domain.errors import Unauthenticated
from flyte_server.services import registry
from flyte_server.services.access.gate import Gate
from flyte_server.services.http import guard
from flyte_server.services.http.asgi import Message, Receive, Scope, Send

WHOAMI = "flyteidl2.auth.IdentityService/UserInfo"
LIST = f"{RUNS}/ListRuns"


def forged(header: dict[str, Any], claims: dict[str, Any], key: bytes = b"") -> str:
    """A token as somebody without our key would make it."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    signed = f"{part(header)}.{part(claims)}"
    if header.get("alg") == "none":
        return f"{signed}."
    mac = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


ADMIN = {
    "iss": ISSUER,
    "sub": "user:eve",
    "name": "eve",
    "kind": "person",
    "exp": LATER_US // 1_000_000,
    "grants": [["admin", None]],
}


async def test_without_a_token_no_service_answers(locked: Locked) -> None:
    for app in registry.services(locked.plane.app.parts):
        for path in app._endpoints(app._service):
            answer = await locked.ask(path.removeprefix("/"))
            if not path.startswith("/flyteidl2.auth.AuthMetadataService/"):
                assert (answer.status, answer.code) == (401, "unauthenticated"), path


async def test_the_refusal_says_what_to_do(locked: Locked) -> None:
    answer = await locked.ask(WHOAMI)
    assert "token" in answer.message
    assert "flyte create api-key" in answer.message


async def test_the_token_of_the_data_directory_opens_everything(locked: Locked) -> None:
    assert stat.S_IMODE(locked.plane.settings.local_token.stat().st_mode) == 0o600
    assert stat.S_IMODE(locked.plane.settings.auth_key.stat().st_mode) == 0o600
    answer = await locked.ask(WHOAMI, token=locked.token)
    assert answer.json["subject"] == "local:tester"
    assert (await locked.ask(LIST, token=locked.token)).code == "ok"


async def test_a_stream_is_refused_at_its_end_as_connect_has_it(locked: Locked) -> None:
    answer = await locked.http.post(
        f"{locked.plane.endpoint}/{RUNS}/WatchRuns",
        {"content-type": "application/connect+json"},
        b"\x00\x00\x00\x00\x02{}",
    )
    assert answer.status == 200
    assert answer.content[0] == 2
    assert json.loads(answer.content[5:])["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "é",
        "x" * 100_000,
        forged({"alg": "none", "typ": "JWT"}, ADMIN),
        forged({"alg": "None"}, ADMIN),
        forged({"alg": "HS256"}, ADMIN, b"another key, as long as ours is"),
        forged({"alg": "HS256"}, ADMIN),
        forged({"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}, ADMIN, b"\0\0\0"),
        forged({"alg": "HS256", "crit": ["exp"]}, ADMIN, b"x" * 32),
    ],
)
async def test_a_token_that_we_have_not_signed_is_refused(locked: Locked, token: str) -> None:
    answer = await locked.http.post(
        f"{locked.plane.endpoint}/{LIST}",
        {"content-type": "application/json", "authorization": f"Bearer {token}".encode().decode("latin-1")},
        b"{}",
    )  # fmt: skip
    assert answer.status == 401


async def test_a_changed_token_is_refused(locked: Locked) -> None:
    token = locked.person(Grant(Role.VIEW, "p"))
    head, claims, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    said["grants"] = [["admin", None]]
    changed = base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()
    assert (await locked.ask(LIST, token=f"{head}.{changed}.{signature}")).status == 401
    assert (await locked.ask(LIST, token=token)).status == 200


async def test_a_token_of_another_control_plane_is_refused(locked: Locked) -> None:
    claims = Claims(subject="user:eve", name="eve", kind="person", grants=(Grant(Role.ADMIN),))
    foreign = Tokens(b"y" * 32, RealClock()).mint(claims)
    assert (await locked.ask(LIST, token=foreign)).status == 401


async def test_an_expired_token_is_refused_even_if_it_was_good_before(locked: Locked) -> None:
    soon = RealClock().now_us() + 1_500_000
    token = locked.access.tokens.mint(
        Claims(
            subject="user:ada",
            name="ada",
            kind="person",
            grants=(Grant(Role.VIEW),),
            expires_at=soon,
        )
    )

    async def is_refused() -> bool:
        return (await locked.ask(LIST, token=token)).status == 401

    await eventually(is_refused)
    assert "expired" in (await locked.ask(LIST, token=token)).message


async def test_a_revoked_key_ends_its_tokens_within_a_second(locked: Locked) -> None:
    token = await locked.key("nightly", Role.VIEW)
    assert (await locked.ask(LIST, token=token)).status == 200
    revoked = await locked.ask(f"{OWN}.KeyService/Revoke", {"name": "nightly"}, token=locked.token)
    assert revoked.code == "ok"

    async def is_refused() -> bool:
        return (await locked.ask(LIST, token=token)).status == 401

    await eventually(is_refused, timeout_seconds=1)


async def test_a_key_that_has_expired_ends_its_tokens(locked: Locked) -> None:
    soon = RealClock().now_us() + 500_000
    key, _ = await locked.access.keys.create("brief", Role.VIEW, expires_at=soon, by="local:tester")
    token = locked.access.tokens.mint(key.claims(LATER_US))

    async def is_refused() -> bool:
        return (await locked.ask(LIST, token=token)).status == 401

    await eventually(is_refused, timeout_seconds=3)


async def test_nobody_can_say_themselves_who_they_are(locked: Locked) -> None:
    admin = json.dumps({"subject": "local:tester", "name": "tester", "kind": "local", "grants": []})
    smuggled = await locked.ask(LIST, x_flyte_caller=admin)
    assert smuggled.status == 401
    token = locked.person(Grant(Role.VIEW, "p"))
    for name in ("x-flyte-caller", "X-Flyte-Caller", "X-FLYTE-CALLER"):
        answer = await locked.ask(WHOAMI, token=token, **{name: admin})
        assert answer.json.get("subject") == "user:ada", answer


async def test_several_tokens_are_one_too_many(locked: Locked) -> None:
    answer = await locked.http.post(
        f"{locked.plane.endpoint}/{LIST}",
        [
            ("content-type", "application/json"),
            ("authorization", "Bearer x"),
            ("authorization", f"Bearer {locked.token}"),
        ],
        b"{}",
    )
    assert answer.status == 401


async def test_another_scheme_is_no_token(locked: Locked) -> None:
    answer = await locked.ask(LIST, authorization=f"Basic {locked.token}")
    assert answer.status == 401
    assert "Bearer" in answer.message


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
        {"host": "evil.example"},
        {"host": "127.0.0.1:1"},
    ],
)
async def test_a_page_of_another_site_reaches_nothing(
    locked: Locked, headers: dict[str, str]
) -> None:
    answer = await locked.ask(LIST, token=locked.token, **headers)
    assert (answer.status, answer.code) == (403, "permission_denied")


async def test_pages_of_our_own_and_links_in_mails_are_let_through(locked: Locked) -> None:
    own = await locked.ask(LIST, token=locked.token, origin=locked.plane.endpoint)
    assert own.code == "ok"
    fetched = await locked.ask(LIST, token=locked.token, sec_fetch_site="same-origin")
    assert fetched.code == "ok"
    opened = await locked.http.get(
        f"{locked.plane.endpoint}/healthz",
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    )
    assert opened.status == 200


async def test_without_asking_everybody_is_the_machines_user(locked: Locked) -> None:
    assert locked.access.everybody is None


async def test_whoever_comes_may_send_little_where_nobody_is_asked(locked: Locked) -> None:
    url = f"{locked.plane.endpoint}/flyteidl2.auth.AuthMetadataService/GetPublicClientConfig"
    headers = {"content-type": "application/json"}
    large = b'{"x": "' + b" " * guard.OPEN_BYTES + b'"}'
    assert (await locked.http.post(url, headers, large)).status == 429
    packed = gzip.compress(large * 16)
    assert len(packed) < guard.OPEN_BYTES
    answer = await locked.http.post(url, {**headers, "content-encoding": "gzip"}, packed)
    assert answer.status == 429, answer.text()


async def test_an_endless_header_is_no_token(locked: Locked) -> None:
    padded = " " * 30_000 + locked.token
    answer = await locked.ask(WHOAMI, token=padded)
    assert (answer.status, answer.code) == (401, "unauthenticated")


async def test_a_path_writes_no_lines_of_its_own_into_the_log(
    locked: Locked, caplog: pytest.LogCaptureFixture
) -> None:
    await locked.http.post(f"{locked.plane.endpoint}/x%0AERROR%20all%20is%20lost", {}, b"")
    (said,) = [record.getMessage() for record in caplog.records if "refused" in record.message]
    assert "\n" not in said
    assert "all is lost" in said


class Withdrawn:
    """An issuer outside that takes back what it has signed."""

    holds = True

    async def read(self, text: str) -> Claims | None:
        if not self.holds:
            raise Unauthenticated("The key was withdrawn.")
        return Claims(subject="user:ada", name=text, kind="person", grants=(Grant(Role.VIEW),))


async def test_what_was_believed_once_is_read_again_after_a_while(locked: Locked) -> None:
    clock, issuer, passed = ManualClock(), Withdrawn(), 0

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal passed
        passed += 1

    async def ask() -> int:
        before = passed
        scope: Scope = {
            "type": "http",
            "path": "/x",
            "headers": [(b"authorization", b"Bearer theirs")],
        }
        await gate(scope, receive, send)
        return passed - before

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_message: Message) -> None:
        return None

    gate = Gate(app, Bearers([issuer]), locked.access.standing, clock)
    assert await ask() == 1
    issuer.holds = False
    assert await ask() == 1
    clock.advance(301)
    assert await ask() == 0
