"""Logins on a whole control plane: what the gate makes of the tokens that OAuth gives out."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from pyqwest import Client, HTTPTransport
from tests.fakes.clock import ManualClock
from tests.integration.oauth.conftest import Issuing, printed
from tests.integration.oauth.issuer import AUDIENCE, issuing_elsewhere
from tests.integration.services.conftest import Plane, serving
from tests.support import eventually

from flyte_server.auth.oauth.clients import PUBLIC_CLIENT_ID
from flyte_server.auth.roles import Role
from flyte_server.issuer import Issuer, Rule
from flyte_server.settings import Settings

_WHO = "flyteidl2.auth.IdentityService/UserInfo"
_PROJECT = "flyteidl2.project.ProjectService/CreateProject"


async def called(
    plane: Plane, http: Client, method: str, token: str, said: dict[str, Any] | None = None
) -> tuple[int, dict[str, Any]]:
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    answer = await http.post(f"{plane.endpoint}/{method}", headers, json.dumps(said or {}).encode())
    return answer.status, json.loads(bytes(answer.content))


@pytest.fixture
async def http() -> AsyncIterator[Client]:
    async with HTTPTransport(follow_redirects=False) as transport:
        yield Client(transport)


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with serving(Settings(home=tmp_path / "home", port=0, auth="token")) as made:
        yield made


@pytest.fixture
def oauth(plane: Plane, http: Client) -> Issuing:
    """The same client as elsewhere, pointed at a whole control plane."""
    return Issuing(plane.endpoint, ManualClock(), plane.app.parts.database, http)


async def made_key(plane: Plane, name: str, role: Role) -> tuple[str, str]:
    keys = plane.app.parts.access.keys
    key, secret = await keys.create(name, role, by="local:tester")
    return key.client_id, secret


async def test_a_token_of_a_key_opens_the_gate_until_the_key_ends(
    plane: Plane, http: Client, oauth: Issuing
) -> None:
    client_id, secret = await made_key(plane, "nightly", Role.VIEW)
    token = (await oauth.token_with_key(client_id, secret)).json["access_token"]
    status, who = await called(plane, http, _WHO, token)
    assert (status, who["subject"]) == (200, "key:nightly")
    status, refused = await called(plane, http, _PROJECT, token, {"project": {"id": "x"}})
    assert (status, refused["code"]) == (403, "permission_denied")
    await plane.app.parts.access.keys.revoke("nightly", by="local:tester")

    async def is_refused() -> bool:
        return (await called(plane, http, _WHO, token))[0] == 401

    await eventually(is_refused, timeout_seconds=2)


async def test_a_login_is_audited_and_ends_when_a_code_is_used_twice(
    plane: Plane, http: Client, oauth: Issuing
) -> None:
    local = plane.settings.local_token.read_text()
    code = (await oauth.authorize(local)).brought["code"]
    tokens = (await oauth.exchange(code)).json
    status, who = await called(plane, http, _WHO, tokens["access_token"])
    assert (status, who["subject"]) == (200, "local:tester")
    status, told = await called(plane, http, "flyte_standalone.v1.AuditService/List", local)
    assert status == 200
    logins = [it for it in told["entries"] if it["method"] == "OAuth/oauth2/authorize"]
    assert [(it["subject"], it["target"]) for it in logins] == [("local:tester", PUBLIC_CLIENT_ID)]
    assert (await oauth.exchange(code)).json["error"] == "invalid_grant"

    async def is_refused() -> bool:
        return (await called(plane, http, _WHO, tokens["access_token"]))[0] == 401

    await eventually(is_refused, timeout_seconds=2)


async def test_a_page_of_another_site_cannot_send_the_form(plane: Plane, http: Client) -> None:
    for headers in ({"origin": "https://evil.example.com"}, {"sec-fetch-site": "cross-site"}):
        sent = {"content-type": "application/x-www-form-urlencoded", **headers}
        for path in ("/oauth2/authorize", "/oauth2/token", "/device"):
            answer = await http.post(
                f"{plane.endpoint}{path}", sent, urlencode({"answer": "allow"}).encode()
            )
            assert answer.status == 403


async def test_a_link_of_another_site_may_open_the_page(plane: Plane, http: Client) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    answer = await http.get(f"{plane.endpoint}/device", headers)
    assert answer.status == 200


async def test_a_bearer_of_the_printed_kind_is_no_token(plane: Plane, http: Client) -> None:
    client_id, secret = await made_key(plane, "raw", Role.ADMIN)
    for text in (secret, f"{client_id}:{secret}", printed(client_id, secret)):
        assert (await called(plane, http, _WHO, text))[0] == 401


async def test_people_of_an_issuer_outside_have_the_roles_of_its_rules(
    tmp_path: Path, http: Client
) -> None:
    async with issuing_elsewhere() as issuer:
        rules = (Rule("group", "lookers", "view", None), Rule("group", "owners", "admin", None))
        described = Issuer(issuer.url, AUDIENCE, "there", rules)
        settings = Settings(home=tmp_path / "home", port=0, auth="token")
        async with serving(replace(settings, issuer=described)) as plane:
            far = 32_000_000_000
            project = {"project": {"id": "shop", "name": "shop"}}

            async def tried(method: str, said: dict[str, Any], **claims: Any) -> tuple[int, str]:
                token = issuer.token(exp=far, email="ada@example.com", **claims)
                status, answer = await called(plane, http, method, token, said)
                return status, answer.get("code", "") or answer.get("subject", "")

            assert await tried(_WHO, {}, groups=["lookers"]) == (200, "user:u1")
            assert await tried(_PROJECT, project, groups=["lookers"]) == (403, "permission_denied")
            assert await tried(_PROJECT, project, groups=["others"]) == (403, "permission_denied")
            assert (await tried(_PROJECT, project, groups=["owners"]))[0] == 200
            assert (await tried(_WHO, {}, aud="other"))[0] == 401
            # What is not theirs goes on to work.
            local = plane.settings.local_token.read_text()
            assert (await called(plane, http, _WHO, local))[0] == 200
            issuer.away = True
        issuer.asked.clear()
        async with serving(replace(settings, issuer=described)) as again:
            token = issuer.token(exp=far, groups=["owners"])
            status, answer = await called(again, http, _WHO, token)
            assert (status, answer["code"]) == (503, "unavailable")
            assert issuer.url in answer["message"]
