"""The token endpoint for programs with an API key."""

import base64

import pytest
from tests.fakes.clock import ManualClock
from tests.integration.oauth.conftest import DEVICE_GRANT, Issuing

from flyte_server.auth.roles import Grant, Role
from flyte_server.auth.tokens import Tokens
from flyte_server.domain.errors import Unauthenticated


async def test_a_key_is_exchanged_for_a_token_of_its_role(oauth: Issuing) -> None:
    client_id, secret = await oauth.key("nightly", Role.RUN, project="shop")
    answer = await oauth.token_with_key(client_id, secret)
    assert answer.status == 200
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 3600
    assert "refresh_token" not in answer.json
    assert answer.headers["cache-control"] == "no-store"
    claims = oauth.read(answer.json["access_token"])
    assert claims.subject == "key:nightly"
    assert claims.kind == "key"
    assert claims.grants == (Grant(Role.RUN, "shop"),)
    assert claims.key == client_id


async def test_the_secret_may_come_in_the_form(oauth: Issuing) -> None:
    client_id, secret = await oauth.key()
    answer = await oauth.post(
        "/oauth2/token",
        {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret},
    )
    assert answer.status == 200
    assert answer.json["scope"] == "all"


async def test_a_token_does_not_outlive_its_key(oauth: Issuing, clock: ManualClock) -> None:
    client_id, secret = await oauth.key(expires_at=clock.now_us() + 120_000_000)
    answer = await oauth.token_with_key(client_id, secret)
    assert answer.json["expires_in"] == 120
    clock.advance(121)
    with pytest.raises(Unauthenticated, match="expired"):
        Tokens(b"k" * 32, clock).read(answer.json["access_token"])
    assert (await oauth.token_with_key(client_id, secret)).status == 401


async def test_a_wrong_secret_and_an_unknown_key_look_the_same(oauth: Issuing) -> None:
    client_id, _ = await oauth.key()
    wrong = await oauth.token_with_key(client_id, "wrong")
    unknown = await oauth.token_with_key("k0000", "wrong")
    assert (wrong.status, wrong.json["error"]) == (401, "invalid_client")
    assert (wrong.status, wrong.body) == (unknown.status, unknown.body)
    assert wrong.headers["www-authenticate"].startswith("Basic")


async def test_a_revoked_key_gets_nothing(oauth: Issuing) -> None:
    client_id, secret = await oauth.key("old")
    await oauth.keys.revoke("old", by="tester")
    assert (await oauth.token_with_key(client_id, secret)).json["error"] == "invalid_client"


async def test_a_key_cannot_take_the_ways_of_people(oauth: Issuing) -> None:
    client_id, secret = await oauth.key()
    for grant in ("authorization_code", "refresh_token", DEVICE_GRANT):
        answer = await oauth.token_with_key(
            client_id, secret, grant_type=grant, code="x", refresh_token="x", device_code="x"
        )
        assert answer.status in {400, 401}
        assert "access_token" not in answer.json


async def test_the_public_client_has_no_key(oauth: Issuing) -> None:
    answer = await oauth.token(grant_type="client_credentials", client_secret="x")
    assert answer.json["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        (b"", "unsupported_grant_type"),
        (b"grant_type=password&username=a&password=b", "unsupported_grant_type"),
        (b"grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        (b"grant_type=%ff%fe", "invalid_request"),
        (b"grant_type=client_credentials&scope=a%22b", "invalid_request"),
        (b"grant_type=\xff", "invalid_request"),
        (b"&".join(b"f%d=1" % number for number in range(100)), "invalid_request"),
    ],
)
async def test_malformed_forms_are_refused(oauth: Issuing, form: bytes, error: str) -> None:
    answer = await oauth.post("/oauth2/token", form)
    assert answer.status == 400
    assert answer.json["error"] == error


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode(b"nothing").decode(),
        "Bearer x",
    ],
)
async def test_malformed_credentials_are_refused(oauth: Issuing, header: str) -> None:
    answer = await oauth.post(
        "/oauth2/token", {"grant_type": "client_credentials"}, {"authorization": header}
    )
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")


async def test_an_unknown_scope_is_refused(oauth: Issuing) -> None:
    client_id, secret = await oauth.key()
    answer = await oauth.token_with_key(client_id, secret, scope="everything")
    assert answer.json["error"] == "invalid_scope"


async def test_a_huge_form_is_refused(oauth: Issuing) -> None:
    answer = await oauth.post("/oauth2/token", b"grant_type=" + b"x" * 100_000)
    assert answer.status == 413


async def test_only_forms_are_taken(oauth: Issuing) -> None:
    answer = await oauth.post("/oauth2/token", b"{}", {"content-type": "application/json"})
    assert answer.status == 400
    assert "x-www-form-urlencoded" in answer.json["error_description"]


async def test_other_verbs_and_addresses_are_refused(oauth: Issuing) -> None:
    got = await oauth.get("/oauth2/token")
    assert (got.status, got.headers["allow"]) == (405, "POST")
    assert (await oauth.get("/oauth2/nothing")).status == 404


async def test_who_guesses_has_to_wait(oauth: Issuing, clock: ManualClock) -> None:
    client_id, secret = await oauth.key()
    for _ in range(10):
        assert (await oauth.token_with_key(client_id, "guess")).status == 401
    answer = await oauth.token_with_key(client_id, secret)
    assert (answer.status, answer.headers["retry-after"]) == (429, "60")
    clock.advance(61)
    assert (await oauth.token_with_key(client_id, secret)).status == 200
