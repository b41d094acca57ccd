"""What people type and paste: codes of devices, printed keys, addresses of callbacks."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyte_server.auth.oauth import codes, printed
from flyte_server.auth.oauth.clients import is_loopback_callback


def test_shown_codes_can_be_typed_in_any_way() -> None:
    for _ in range(50):
        code = codes.shown()
        for way in (code, code.lower(), code.replace("-", ""), f" {code[:3]} {code[3:]}\n"):
            assert codes.typed(way) == code


@pytest.mark.parametrize("text", ["", "BCDF", "BCDF-GHJK-L", "AEIO-UAEI", "1234-5678", "ßßßß-ßßßß"])
def test_what_is_no_code_is_nothing(text: str) -> None:
    assert codes.typed(text) == ""


def test_words_do_not_come_twice() -> None:
    words = {codes.fresh() for _ in range(1000)}
    assert len(words) == 1000
    assert min(map(len, words)) >= 43


@pytest.mark.parametrize("org", ["", "acme", "a:b"])
def test_both_forms_of_a_printed_key_are_read(org: str) -> None:
    record = {"endpoint": "https://h:1", "client_id": "k1", "client_secret": "s-_", "org": org}
    own = "flyte1." + base64.urlsafe_b64encode(json.dumps(record).encode()).decode()
    official = base64.b64encode(f"flyte.example.com:k1:s-_:{org}".encode()).decode()
    for text in (own, own.rstrip("="), official, official.rstrip("=")):
        assert printed.client_and_secret(text) == ("k1", "s-_")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "flyte1.",
        "flyte1.!!!",
        "flyte1." + base64.urlsafe_b64encode(b"[]").decode(),
        "flyte1." + base64.urlsafe_b64encode(b'{"client_id": 1, "client_secret": 2}').decode(),
        "flyte1." + base64.urlsafe_b64encode(b"[" * 3000).decode(),
        base64.b64encode(b"a:b:c").decode(),
        base64.b64encode(b"\xff:\xff:\xff:\xff").decode(),
        "é",
        "x" * 10_000,
    ],
)
def test_what_is_no_printed_key_is_none(text: str) -> None:
    assert printed.client_and_secret(text) is None


@given(st.text())
def test_no_text_breaks_the_reading(text: str) -> None:
    printed.client_and_secret(text)
    printed.client_and_secret("flyte1." + text)
    codes.typed(text)
    is_loopback_callback(text)


@given(st.text(alphabet="/:@#?[]\\.%1abchlot\n\t ", max_size=40))
def test_nothing_beside_the_plain_form_is_a_callback(rest: str) -> None:
    uri = f"http://localhost{rest}"
    if is_loopback_callback(uri):
        port = rest.removesuffix("/callback").removeprefix(":")
        assert rest.endswith("/callback")
        assert not port or port.isdecimal()
