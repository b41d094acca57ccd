"""The device flow: codes, the page, polling."""

from pathlib import Path

import pytest
from tests.fakes.clock import ManualClock
from tests.integration.oauth.conftest import (
    DEVICE_GRANT,
    LOCAL_TOKEN,
    Issuing,
    Response,
    issuing,
    printed,
)

from flyte_server.auth.oauth.clients import PUBLIC_CLIENT_ID
from flyte_server.auth.roles import Role


async def begun(oauth: Issuing, **form: str) -> Response:
    return await oauth.post(
        "/oauth2/device_authorization", {"client_id": PUBLIC_CLIENT_ID, "scope": "all", **form}
    )


async def polled(oauth: Issuing, device_code: str, **form: str) -> Response:
    return await oauth.token(grant_type=DEVICE_GRANT, device_code=device_code, **form)


async def let_in(
    oauth: Issuing, user_code: str, *, proof: str = LOCAL_TOKEN, answer: str = "allow"
) -> Response:
    page = await oauth.get("/device", {"user_code": user_code})
    assert page.status == 200
    form = {**page.hidden, "user_code": user_code, "proof": proof, "answer": answer}
    return await oauth.post("/device", form)


async def test_a_device_is_let_in(oauth: Issuing, clock: ManualClock) -> None:
    codes = (await begun(oauth)).json
    assert codes["verification_uri"] == f"{oauth.base}/device"
    assert codes["user_code"] in codes["verification_uri_complete"]
    assert (await polled(oauth, codes["device_code"])).json["error"] == "authorization_pending"
    page = await let_in(oauth, codes["user_code"].lower().replace("-", " "))
    assert (page.status, "let in" in page.text) == (200, True)
    clock.advance(5)
    answer = await polled(oauth, codes["device_code"])
    assert answer.status == 200
    assert answer.json["refresh_token"]
    assert oauth.read(answer.json["access_token"]).subject == "local:ada"
    again = await polled(oauth, codes["device_code"])
    assert again.json["error"] == "invalid_grant"


async def test_the_person_of_a_device_has_the_role_of_their_key(oauth: Issuing) -> None:
    client_id, secret = await oauth.key("ada", Role.VIEW)
    codes = (await begun(oauth)).json
    await let_in(oauth, codes["user_code"], proof=printed(client_id, secret))
    claims = oauth.read((await polled(oauth, codes["device_code"])).json["access_token"])
    assert (claims.subject, claims.kind, claims.key) == ("key:ada", "person", client_id)


async def test_a_device_that_asks_too_often_has_to_slow_down(
    oauth: Issuing, clock: ManualClock
) -> None:
    code = (await begun(oauth)).json["device_code"]
    assert (await polled(oauth, code)).json["error"] == "authorization_pending"
    clock.advance(1)
    assert (await polled(oauth, code)).json["error"] == "slow_down"
    clock.advance(6)  # five seconds were enough before
    assert (await polled(oauth, code)).json["error"] == "slow_down"
    clock.advance(60)
    assert (await polled(oauth, code)).json["error"] == "authorization_pending"


async def test_a_device_is_refused(oauth: Issuing) -> None:
    codes = (await begun(oauth)).json
    assert (await let_in(oauth, codes["user_code"], proof="", answer="refuse")).status == 200
    assert (await polled(oauth, codes["device_code"])).json["error"] == "access_denied"
    assert (await let_in(oauth, codes["user_code"])).status == 404


async def test_a_device_waits_ten_minutes(oauth: Issuing, clock: ManualClock) -> None:
    codes = (await begun(oauth)).json
    assert codes["expires_in"] == 600
    clock.advance(601)
    assert (await let_in(oauth, codes["user_code"])).status == 404
    assert (await polled(oauth, codes["device_code"])).json["error"] == "expired_token"


async def test_a_device_waits_across_restarts(tmp_path: Path, clock: ManualClock) -> None:
    async with issuing(tmp_path, clock) as before:
        codes = (await begun(before)).json
    async with issuing(tmp_path, clock) as between:
        await let_in(between, codes["user_code"].replace("-", ""))
    async with issuing(tmp_path, clock) as after:
        assert (await polled(after, codes["device_code"])).status == 200


@pytest.mark.parametrize("typed", ["", "AAAA-BBBB", "x" * 500, "<script>", "BCDF-GHJK"])
async def test_a_wrong_code_lets_nobody_in(oauth: Issuing, typed: str) -> None:
    await begun(oauth)
    page = await let_in(oauth, typed)
    assert page.status == 404
    assert "No device waits" in page.text
    assert "<script" not in page.text


async def test_codes_cannot_be_guessed_one_after_the_other(oauth: Issuing) -> None:
    codes = (await begun(oauth)).json
    for _ in range(10):
        await let_in(oauth, "BCDF-GHJK")
    assert (await let_in(oauth, codes["user_code"])).status == 429


async def test_a_wrong_key_lets_nobody_in(oauth: Issuing) -> None:
    codes = (await begun(oauth)).json
    assert (await let_in(oauth, codes["user_code"], proof="wrong")).status == 403
    assert (await polled(oauth, codes["device_code"])).json["error"] == "authorization_pending"


async def test_the_form_is_taken_from_its_page_only(oauth: Issuing) -> None:
    codes = (await begun(oauth)).json
    form = {"user_code": codes["user_code"], "proof": LOCAL_TOKEN, "answer": "allow"}
    assert (await oauth.post("/device", form)).status == 403


async def test_an_unknown_client_gets_no_codes(oauth: Issuing) -> None:
    client_id, _ = await oauth.key()
    for name in ("nobody", client_id):
        assert (await begun(oauth, client_id=name)).json["error"] == "invalid_client"
    assert (await begun(oauth, scope="everything")).json["error"] == "invalid_scope"


async def test_so_many_devices_wait_and_no_more(oauth: Issuing, clock: ManualClock) -> None:
    for _ in range(1000):
        assert (await begun(oauth)).status == 200
    full = await begun(oauth)
    assert (full.status, full.json["error"]) == (503, "temporarily_unavailable")
    clock.advance(601)
    assert (await begun(oauth)).status == 200
