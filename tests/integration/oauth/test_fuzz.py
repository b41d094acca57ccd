"""Whatever is sent to the addresses of OAuth: an answer, never a failure of ours, and never a token."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.oauth.conftest import DEVICE_GRANT, LOCAL_TOKEN, Issuing, asking

_NAMES = (
    *("grant_type", "client_id", "client_secret", "code", "code_verifier", "redirect_uri", "scope"),
    *("refresh_token", "device_code", "state", "response_type", "code_challenge", "seal"),
    *("code_challenge_method", "user_code", "answer", "proof", "x"),
)
_VALUES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        (
            *(
                "client_credentials",
                "authorization_code",
                "refresh_token",
                DEVICE_GRANT,
                "flyte-cli",
            ),
            *("all", "all offline", "code", "S256", "allow", "refuse", "1.x", "BCDF-GHJK"),
            "http://localhost:1/callback",
        )
    ),
)
_PATHS = st.sampled_from(
    ("/oauth2/token", "/oauth2/device_authorization", "/oauth2/authorize", "/device")
)
_HEADERS = st.sampled_from(
    (
        None,
        {"authorization": "Basic OjpA"},
        {"authorization": "Basic ZmZmZg=="},
        {"cookie": "flyte_form=;"},
    )
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=_PATHS, form=st.dictionaries(st.sampled_from(_NAMES), _VALUES), headers=_HEADERS)
async def test_random_forms(
    oauth: Issuing, path: str, form: dict[str, str], headers: dict[str, str] | None
) -> None:
    oauth.clock.advance(3600)  # nobody has to wait
    answer = await oauth.post(path, _speakable(form), headers)
    assert answer.status < 500 or answer.status == 503
    assert b"Traceback" not in answer.body
    assert b"access_token" not in answer.body
    assert "location" not in answer.headers


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=_PATHS, body=st.binary(max_size=200))
async def test_random_bytes(oauth: Issuing, path: str, body: bytes) -> None:
    oauth.clock.advance(3600)
    answer = await oauth.post(path, body)
    assert 400 <= answer.status < 500


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changed=st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=3))
async def test_a_request_that_is_almost_right(oauth: Issuing, changed: dict[str, str]) -> None:
    page = await oauth.get("/oauth2/authorize", asking(**_speakable(changed)))
    assert page.status in {200, 303, 400}
    if page.status == 200:
        form = {**page.hidden, "proof": LOCAL_TOKEN, "answer": "allow"}
        back = await oauth.post("/oauth2/authorize", form)
        assert back.status == 303
        assert back.sent_to.endswith("/callback")


def _speakable(form: dict[str, str]) -> dict[str, str]:
    """Without what no address can carry."""
    return {name: value.encode("utf-8", "replace").decode() for name, value in form.items()}
