"""Tokens of an issuer outside: which are believed, what they allow, and what happens while it is away."""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.auth import auth_service_pb2
from flyteidl2.auth.auth_service_connect import AuthMetadataServiceClient
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from tests.fakes.clock import ManualClock
from tests.integration.oauth.conftest import issuing
from tests.integration.oauth.issuer import AUDIENCE, FakeIssuer, issuing_elsewhere, new_key

from flyte_server.auth.oauth.foreign import ForeignTokens
from flyte_server.auth.oauth.published import Published
from flyte_server.auth.roles import Grant, Role
from flyte_server.domain.errors import Unauthenticated, Unavailable
from flyte_server.issuer import Issuer, Rule
from flyte_server.services.access.oauth.metadata import Elsewhere

_RULES = (
    Rule("group", "ml", "run", "shop"),
    Rule("email", "ada@example.com", "admin", None),
    Rule("client", "robot", "view", None),
    Rule("subject", "boss", "admin", None),
)


@pytest.fixture
async def issuer() -> AsyncIterator[FakeIssuer]:
    async with issuing_elsewhere() as made:
        yield made


@pytest.fixture
def elsewhere(issuer: FakeIssuer, clock: ManualClock) -> Elsewhere:
    described = Issuer(issuer.url, AUDIENCE, "flyte-there", _RULES)
    return Elsewhere(described, Published(issuer.url, clock))


@pytest.fixture
def reader(elsewhere: Elsewhere, clock: ManualClock) -> ForeignTokens:
    return ForeignTokens(elsewhere.issuer, elsewhere.published, clock)


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def later(clock: ManualClock, seconds: int = 600) -> int:
    return clock.now_us() // 1_000_000 + seconds


@pytest.mark.parametrize(
    ("said", "grants"),
    [
        ({"groups": ["ml", "x"]}, (Grant(Role.RUN, "shop"),)),
        ({"roles": ["ml"]}, (Grant(Role.RUN, "shop"),)),
        ({"email": "ada@example.com", "email_verified": True}, (Grant(Role.ADMIN),)),
        ({"azp": "robot"}, (Grant(Role.VIEW),)),
        ({"sub": "boss"}, (Grant(Role.ADMIN),)),
        ({}, ()),
        ({"groups": "ml"}, ()),
        ({"groups": ["boss"], "name": "boss"}, ()),
        ({"email": "ada@example.com"}, ()),
        ({"email": "ada@example.com", "email_verified": "yes"}, ()),
        ({"email": ["ada@example.com"], "email_verified": True}, ()),
    ],
)
async def test_claims_become_roles_by_the_rules_and_by_nothing_else(
    issuer: FakeIssuer,
    reader: ForeignTokens,
    clock: ManualClock,
    said: dict[str, Any],
    grants: tuple[Grant, ...],
) -> None:
    claims = await reader.read(issuer.token(exp=later(clock), **said))
    assert claims is not None
    assert claims.grants == grants
    assert claims.kind == "person"
    assert claims.subject == f"user:{said.get('sub', 'u1')}"
    assert claims.expires_at > clock.now_us()


async def test_an_audience_may_be_one_of_several(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    assert await reader.read(issuer.token(exp=later(clock), aud=["other", AUDIENCE]))


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "other"},
        {"aud": None},
        {"aud": ["other"]},
        {"exp": None},
        {"exp": 1},
        {"exp": "soon"},
        {"nbf": 99_999_999_999},
        {"sub": None},
        {"sub": 7},
        {"sub": "a\nb"},
        {"sub": "x" * 300},
    ],
)
async def test_a_token_for_others_or_another_time_is_refused(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock, changed: dict[str, Any]
) -> None:
    said = {"exp": later(clock), **changed}
    with pytest.raises(Unauthenticated, match="log in again"):
        await reader.read(issuer.token(**said))


async def test_a_token_that_others_signed_is_refused(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    stranger = new_key("k1")
    with pytest.raises(Unauthenticated):
        await reader.read(issuer.token(stranger, exp=later(clock)))
    with pytest.raises(Unauthenticated):
        await reader.read(issuer.token(new_key("k9"), exp=later(clock)))


async def test_no_signature_is_no_signature(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    said = {"iss": issuer.url, "sub": "boss", "aud": AUDIENCE, "exp": later(clock)}
    for alg in ("none", "None", "", None, ["none"]):
        with pytest.raises(Unauthenticated):
            await reader.read(f"{_part({'alg': alg})}.{_part(said)}.")


async def test_the_public_key_is_no_secret(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    said = {"iss": issuer.url, "sub": "boss", "aud": AUDIENCE, "exp": later(clock)}
    signed = f"{_part({'alg': 'HS256', 'kid': 'k1'})}.{_part(said)}"
    mac = hmac.digest(issuer.keys[0].as_pem(private=False), signed.encode(), "sha256")
    with pytest.raises(Unauthenticated):
        await reader.read(f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")


async def test_a_key_in_the_token_itself_is_not_believed(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    own = ECKey.generate_key("P-256")
    said = {"iss": issuer.url, "sub": "boss", "aud": AUDIENCE, "exp": later(clock)}
    header = {"alg": "ES256", "jwk": dict(own.as_dict(private=False))}
    with pytest.raises(Unauthenticated):
        await reader.read(jwt.encode(header, said, own, algorithms=["ES256"]))


@pytest.mark.parametrize(
    "text", ["", "x", "a.b", "a.b.c", "a.b.c.d.e", "..", "é.é.é", "x" * 99_999]
)
async def test_what_is_no_token_of_it_is_left_to_others(reader: ForeignTokens, text: str) -> None:
    assert await reader.read(text) is None


async def test_a_token_of_another_issuer_is_left_to_others(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    assert await reader.read(issuer.token(exp=later(clock), iss=f"{issuer.url}/")) is None
    assert issuer.asked == []


async def test_rsa_keys_are_known_too(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    issuer.keys = [RSAKey.generate_key(2048, parameters={"kid": "r1"})]
    assert await reader.read(issuer.token(alg="RS256", exp=later(clock)))


async def test_a_token_without_key_id_needs_a_single_key(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    def token() -> str:
        said = {"iss": issuer.url, "sub": "u1", "aud": AUDIENCE, "exp": later(clock)}
        return jwt.encode({"alg": "ES256"}, said, issuer.keys[0], algorithms=["ES256"])

    assert await reader.read(token())
    issuer.keys.append(new_key("k2"))
    clock.advance(3601)
    with pytest.raises(Unauthenticated, match="which of the issuer's keys"):
        await reader.read(token())


async def test_keys_are_fetched_once_and_again_for_a_new_one(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    for _ in range(3):
        await reader.read(issuer.token(exp=later(clock)))
    assert issuer.asked.count("/keys") == 1
    issuer.keys.insert(0, new_key("k2"))
    clock.advance(31)
    assert await reader.read(issuer.token(exp=later(clock)))
    assert issuer.asked.count("/keys") == 2


async def test_invented_key_ids_do_not_make_us_knock_without_end(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    await reader.read(issuer.token(exp=later(clock)))
    for number in range(20):
        with pytest.raises(Unauthenticated):
            await reader.read(issuer.token(new_key(f"x{number}"), exp=later(clock)))
    assert issuer.asked.count("/keys") == 1
    clock.advance(31)
    for number in range(20):
        with pytest.raises(Unauthenticated):
            await reader.read(issuer.token(new_key(f"y{number}"), exp=later(clock)))
    assert issuer.asked.count("/keys") == 2


async def test_a_withdrawn_key_is_forgotten_within_the_hour(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    old = issuer.keys[0]
    await reader.read(issuer.token(exp=later(clock)))
    issuer.keys = [new_key("k2")]
    clock.advance(3601)
    with pytest.raises(Unauthenticated):
        await reader.read(issuer.token(old, exp=later(clock)))


async def test_an_issuer_that_is_away_locks_nobody_out(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    await reader.read(issuer.token(exp=later(clock)))
    issuer.away = True
    clock.advance(7200)
    assert await reader.read(issuer.token(exp=later(clock)))


async def test_an_issuer_that_was_never_there_is_waited_for(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    issuer.away = True
    with pytest.raises(Unavailable, match="does not answer"):
        await reader.read(issuer.token(exp=later(clock)))
    issuer.away = False
    clock.advance(31)
    assert await reader.read(issuer.token(exp=later(clock)))


async def test_an_issuer_that_calls_itself_otherwise_is_not_believed(
    issuer: FakeIssuer, reader: ForeignTokens, clock: ManualClock
) -> None:
    issuer.called = "https://login.example.com"
    with pytest.raises(Unavailable):
        await reader.read(issuer.token(exp=later(clock)))


async def test_metadata_points_to_it_and_keys_go_on_to_work(
    tmp_path: Path, clock: ManualClock, issuer: FakeIssuer, elsewhere: Elsewhere
) -> None:
    async with issuing(tmp_path, clock, elsewhere=elsewhere) as oauth:
        client = AuthMetadataServiceClient(oauth.base, http_client=oauth.http)
        found = await client.get_o_auth2_metadata(auth_service_pb2.GetOAuth2MetadataRequest())
        assert found.authorization_endpoint == f"{issuer.url}/authorize"
        assert found.device_authorization_endpoint == f"{issuer.url}/device"
        assert found.token_endpoint == f"{oauth.base}/oauth2/token"
        public = await client.get_public_client_config(
            auth_service_pb2.GetPublicClientConfigRequest()
        )
        assert (public.client_id, public.audience) == ("flyte-there", AUDIENCE)
        assert "openid" in public.scopes
        await client.close()
        client_id, secret = await oauth.key()
        assert (await oauth.token_with_key(client_id, secret)).status == 200
        assert issuer.forms == []
        form = {"grant_type": "authorization_code", "client_id": "flyte-there", "code": "c"}
        answer = await oauth.post("/oauth2/token", form)
        assert answer.json["access_token"] == "theirs"
        assert issuer.forms == [form]
        issuer.url = "http://127.0.0.1:1"


async def test_codes_for_an_issuer_that_is_away_are_told_to_wait(
    tmp_path: Path, clock: ManualClock, issuer: FakeIssuer, elsewhere: Elsewhere
) -> None:
    issuer.away = True
    async with issuing(tmp_path, clock, elsewhere=elsewhere) as oauth:
        form = {"grant_type": "refresh_token", "client_id": "flyte-there", "refresh_token": "r"}
        answer = await oauth.post("/oauth2/token", form)
        assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")
        # Our own pages and keys do not depend on it.
        assert (await oauth.get("/.well-known/oauth-authorization-server")).status == 200
