"""The browser flow: page, form, code, tokens; and everything that somebody may try with it."""

from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.fakes.clock import ManualClock
from tests.integration.oauth.conftest import (
    LOCAL_TOKEN,
    VERIFIER,
    Issuing,
    asking,
    challenge,
    issuing,
    printed,
)

from flyte_server.auth.oauth.clients import REDIRECT_URI
from flyte_server.auth.oauth.sessions import Sessions
from flyte_server.auth.roles import Grant, Role
from flyte_server.domain.errors import Unauthenticated


async def test_a_person_logs_in_with_the_local_token(oauth: Issuing) -> None:
    back = await oauth.authorize()
    assert (back.status, back.sent_to) == (303, REDIRECT_URI)
    assert back.brought["state"] == "s1"
    answer = await oauth.exchange(back.brought["code"])
    assert answer.json["refresh_token"]
    claims = oauth.read(answer.json["access_token"])
    assert (claims.subject, claims.kind) == ("local:ada", "person")
    assert claims.grants == (Grant(Role.ADMIN),)
    await Sessions(oauth.database, oauth.clock).alive(claims.session)


async def test_a_person_logs_in_with_a_key_and_has_its_role(oauth: Issuing) -> None:
    client_id, secret = await oauth.key("ada", Role.VIEW, project="shop")
    tokens = await oauth.logged_in(printed(client_id, secret))
    claims = oauth.read(tokens["access_token"])
    assert (claims.subject, claims.key) == ("key:ada", client_id)
    assert claims.grants == (Grant(Role.VIEW, "shop"),)


async def test_a_person_refuses(oauth: Issuing) -> None:
    back = await oauth.authorize("", "refuse")
    assert back.sent_to == REDIRECT_URI
    assert back.brought == {"error": "access_denied", "state": "s1"} | {
        key: value for key, value in back.brought.items() if key == "error_description"
    }


async def test_a_wrong_key_shows_the_page_again(oauth: Issuing) -> None:
    again = await oauth.authorize("wrong")
    assert again.status == 403
    assert "no key that holds here" in again.text
    assert again.hidden["state"] == "s1"
    assert "wrong" not in again.hidden.values()


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:1/callback",
        "http://[::1]:60000/callback",
        "http://localhost:8/callback",
    ],
)
async def test_any_loopback_port_may_wait(oauth: Issuing, uri: str) -> None:
    back = await oauth.authorize(redirect_uri=uri)
    assert back.sent_to == uri
    assert (await oauth.exchange(back.brought["code"], redirect_uri=uri)).status == 200


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "https://evil.example.com/callback",
        "http://localhost.evil.example.com:1/callback",
        "http://localhost@evil.example.com/callback",
        "http://evil.example.com#@localhost/callback",
        "http://localhost:53593/callback?next=http://evil",
        "http://localhost:53593/callback#x",
        "http://localhost:53593/other",
        "http://localhost:53593/callback/../x",
        "http://localhost:99999/callback",
        "http://LOCALHOST:1/callback",
        "http://localhost:53593\\@evil.example.com/callback",
        "javascript:alert(1)//localhost/callback",
        "//localhost/callback",
        "http://0.0.0.0:1/callback",
        "http://[::1/callback",
        "http://localhost:1/callback\r\nset-cookie: a=b",
    ],
)
async def test_a_code_is_sent_to_no_other_place(oauth: Issuing, uri: str) -> None:
    page = await oauth.get("/oauth2/authorize", asking(redirect_uri=uri))
    assert page.status == 400
    assert "location" not in page.headers


async def test_an_unknown_program_is_not_redirected(oauth: Issuing) -> None:
    page = await oauth.get("/oauth2/authorize", asking(client_id="<script>alert(1)</script>"))
    assert page.status == 400
    assert "location" not in page.headers
    assert "<script" not in page.text


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": ""},
        {"code_challenge_method": ""},
        {"code_challenge_method": "plain"},
        {"code_challenge": "", "code_challenge_method": ""},
        {"code_challenge": "short"},
        {"scope": "everything"},
        {"response_type": "token"},
        {"response_type": ""},
    ],
)
async def test_a_request_that_cannot_be_granted_goes_back(
    oauth: Issuing, changed: dict[str, str]
) -> None:
    back = await oauth.get("/oauth2/authorize", asking(**changed))
    assert (back.status, back.sent_to) == (303, REDIRECT_URI)
    assert back.brought["error"]
    assert back.brought["state"] == "s1"
    assert "code" not in back.brought


async def test_what_stands_in_the_page_is_inert(oauth: Issuing) -> None:
    evil = '"><script>alert(1)</script><b x="'
    page = await oauth.get("/oauth2/authorize", asking(state=evil))
    assert page.status == 200
    assert "<script" not in page.text
    assert page.hidden["state"] == evil
    page = await oauth.get("/device", {"user_code": evil})
    assert "<script" not in page.text


async def test_pages_cannot_be_framed_and_run_nothing(oauth: Issuing) -> None:
    for path, query in (("/oauth2/authorize", asking()), ("/device", None)):
        headers = (await oauth.get(path, query)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "SameSite=Strict" in headers["set-cookie"]
        assert "HttpOnly" in headers["set-cookie"]


@pytest.mark.parametrize("field", ["state", "redirect_uri", "code_challenge", "seal"])
async def test_an_altered_form_is_refused(oauth: Issuing, field: str) -> None:
    page = await oauth.get("/oauth2/authorize", asking())
    hidden = page.hidden
    changed = "http://localhost:1/callback" if field == "redirect_uri" else hidden[field][:-1] + "z"
    form = {**hidden, field: changed, "proof": LOCAL_TOKEN, "answer": "allow"}
    answer = await oauth.post("/oauth2/authorize", form)
    assert answer.status == 403
    assert "location" not in answer.headers


async def test_a_form_belongs_to_the_browser_that_was_shown_it(oauth: Issuing) -> None:
    page = await oauth.get("/oauth2/authorize", asking())
    form = {**page.hidden, "proof": LOCAL_TOKEN, "answer": "allow"}
    oauth.cookies.clear()
    assert (await oauth.post("/oauth2/authorize", form)).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example.com"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_another_page_cannot_send_the_form(oauth: Issuing, headers: dict[str, str]) -> None:
    page = await oauth.get("/oauth2/authorize", asking())
    form = {**page.hidden, "proof": LOCAL_TOKEN, "answer": "allow"}
    assert (await oauth.post("/oauth2/authorize", form, headers)).status == 403
    own = {"origin": oauth.base, "sec-fetch-site": "same-origin"}
    assert (await oauth.post("/oauth2/authorize", form, own)).status == 303


async def test_a_form_becomes_too_old(oauth: Issuing, clock: ManualClock) -> None:
    page = await oauth.get("/oauth2/authorize", asking())
    clock.advance(601)
    form = {**page.hidden, "proof": LOCAL_TOKEN, "answer": "allow"}
    assert (await oauth.post("/oauth2/authorize", form)).status == 403


async def test_a_login_goes_on_after_a_restart(tmp_path: Path, clock: ManualClock) -> None:
    async with issuing(tmp_path, clock) as before:
        page = await before.get("/oauth2/authorize", asking())
        cookies = before.cookies
    form = {**page.hidden, "proof": LOCAL_TOKEN, "answer": "allow"}
    async with issuing(tmp_path, clock) as between:
        between.cookies = cookies
        back = await between.post("/oauth2/authorize", form)
    async with issuing(tmp_path, clock) as after:
        answer = await after.exchange(back.brought["code"])
        assert answer.status == 200
    async with issuing(tmp_path, clock) as last:
        word = answer.json["refresh_token"]
        assert (await last.token(grant_type="refresh_token", refresh_token=word)).status == 200


async def test_a_code_that_is_used_twice_ends_the_login(oauth: Issuing) -> None:
    code = (await oauth.authorize()).brought["code"]
    tokens = (await oauth.exchange(code)).json
    again = await oauth.exchange(code)
    assert (again.status, again.json["error"]) == (400, "invalid_grant")
    refreshed = await oauth.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refreshed.json["error"] == "invalid_grant"
    with pytest.raises(Unauthenticated):
        await Sessions(oauth.database, oauth.clock).alive(
            oauth.read(tokens["access_token"]).session
        )


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": "w" * 50}, "invalid_grant"),
        ({"code_verifier": challenge()}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": "http://localhost:1/callback"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_grant"),
        ({"client_id": "k123"}, "invalid_client"),
        ({"client_secret": "x"}, "invalid_client"),
        ({"code": "unknown"}, "invalid_grant"),
        ({"code": ""}, "invalid_request"),
    ],
)
async def test_a_code_is_bound_to_what_it_was_given_for(
    oauth: Issuing, changed: dict[str, str], error: str
) -> None:
    code = (await oauth.authorize()).brought["code"]
    answer = await oauth.exchange(**{"code": code, **changed})
    assert answer.status in {400, 401}
    assert answer.json["error"] == error


async def test_a_code_lasts_a_minute(oauth: Issuing, clock: ManualClock) -> None:
    code = (await oauth.authorize()).brought["code"]
    clock.advance(61)
    assert (await oauth.exchange(code)).json["error"] == "invalid_grant"


async def test_refreshing_gives_new_tokens_and_takes_the_old(
    oauth: Issuing, clock: ManualClock
) -> None:
    first = await oauth.logged_in()
    second = await oauth.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert second.status == 200
    assert second.json["refresh_token"] != first["refresh_token"]
    clock.advance(3700)
    third = await oauth.token(
        grant_type="refresh_token", refresh_token=second.json["refresh_token"]
    )
    assert oauth.read(third.json["access_token"]).subject == "local:ada"


async def test_two_processes_may_refresh_at_the_same_moment(oauth: Issuing) -> None:
    word = (await oauth.logged_in())["refresh_token"]
    for _ in range(2):
        assert (await oauth.token(grant_type="refresh_token", refresh_token=word)).status == 200


async def test_a_refresh_token_that_comes_back_ends_the_login(
    oauth: Issuing, clock: ManualClock
) -> None:
    first = await oauth.logged_in()
    second = await oauth.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    clock.advance(11)
    stolen = await oauth.token(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert stolen.json["error"] == "invalid_grant"
    word = second.json["refresh_token"]
    after = await oauth.token(grant_type="refresh_token", refresh_token=word)
    assert after.json["error"] == "invalid_grant"
    with pytest.raises(Unauthenticated, match="log in again"):
        await Sessions(oauth.database, oauth.clock).alive(
            oauth.read(second.json["access_token"]).session
        )


async def test_a_refresh_token_does_not_outlast_its_key(oauth: Issuing) -> None:
    client_id, secret = await oauth.key("ada")
    tokens = await oauth.logged_in(printed(client_id, secret))
    await oauth.keys.revoke("ada", by="tester")
    answer = await oauth.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert answer.json["error"] == "invalid_grant"


async def test_a_refresh_token_ends_after_a_month(oauth: Issuing, clock: ManualClock) -> None:
    tokens = await oauth.logged_in()
    clock.advance(31 * 24 * 3600)
    answer = await oauth.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert answer.json["error"] == "invalid_grant"


async def test_who_guesses_on_the_page_has_to_wait(oauth: Issuing) -> None:
    for _ in range(10):
        await oauth.authorize("guess")
    assert (await oauth.authorize(LOCAL_TOKEN)).status == 429


async def test_codes_and_tokens_are_kept_as_hashes(oauth: Issuing, tmp_path: Path) -> None:
    code = (await oauth.authorize()).brought["code"]
    tokens = (await oauth.exchange(code)).json
    await oauth.database.sync()
    kept = _content(tmp_path)
    assert len(kept) > 1000
    for word in (code, tokens["refresh_token"], tokens["access_token"], LOCAL_TOKEN, VERIFIER):
        assert word.encode() not in kept


def _content(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.glob("state.db*"))


async def test_a_field_that_comes_twice_is_refused(oauth: Issuing) -> None:
    query = urlencode([*asking().items(), ("state", "other")])
    answer = await oauth.get(f"/oauth2/authorize?{query}")
    assert answer.status == 400
    assert "location" not in answer.headers
