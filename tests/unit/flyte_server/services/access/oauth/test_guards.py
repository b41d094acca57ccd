"""Seals of forms, counted tries, and forms that are read with suspicion."""

import asyncio

import pytest
from tests.fakes.clock import ManualClock

from flyte_server.services.access.oauth import forms, pages, tries
from flyte_server.services.access.oauth.forms import BadForm
from flyte_server.services.access.oauth.seals import Seals
from flyte_server.services.access.oauth.tries import Tries

_SHOWN = {"client_id": "c", "state": "s"}


def test_a_seal_holds_for_the_same_form_browser_and_time() -> None:
    clock = ManualClock()
    seals = Seals(b"k" * 32, clock)
    seal = seals.seal("b", _SHOWN)
    assert seals.holds(seal, "b", dict(reversed(_SHOWN.items())))
    assert not seals.holds(seal, "c", _SHOWN)
    assert not seals.holds(seal, "", _SHOWN)
    assert not seals.holds(seal, "b", {**_SHOWN, "state": "t"})
    assert not seals.holds(seal, "b", {**_SHOWN, "more": ""})
    assert not Seals(b"l" * 32, clock).holds(seal, "b", _SHOWN)
    end, _, mac = seal.partition(".")
    for other in ("", ".", f"{int(end) + 1}.{mac}", f"{end}.", f"-1.{mac}", f"{end}.é", "9" * 500):
        assert not seals.holds(other, "b", _SHOWN)
    clock.advance(601)
    assert not seals.holds(seal, "b", _SHOWN)


@pytest.mark.parametrize("known", ["", "a b", "x" * 999, "<b>", "é;"])
def test_a_browser_gets_a_new_word_when_its_own_is_none(known: str) -> None:
    seals = Seals(b"k" * 32, ManualClock())
    given = seals.browser(known)
    assert given != known
    assert seals.browser(given) == given


def test_an_address_has_ten_tries_in_a_minute() -> None:
    clock = ManualClock()
    counted = Tries(clock)
    for _ in range(10):
        assert not counted.exhausted("a")
        counted.failed("a")
    assert counted.exhausted("a")
    assert not counted.exhausted("b")
    clock.advance(60)
    assert not counted.exhausted("a")
    counted.failed("a")
    assert not counted.exhausted("a")


def test_strangers_do_not_fill_the_memory() -> None:
    counted = Tries(ManualClock())
    for number in range(10_500):
        counted.failed(str(number))
    assert len(counted._failures) == 10_000


def test_addresses_of_one_household_are_one() -> None:
    def at(host: str) -> str:
        return tries.address({"client": (host, 1)})

    assert at("2001:db8::1") == at("2001:db8::ffff:2") != at("2001:db8:1::1")
    assert at("10.0.0.1") != at("10.0.0.2")
    assert tries.address({"client": None}) == ""
    assert at("somewhere") == "somewhere"


@pytest.mark.parametrize(
    "host", ["", "a b", "a/b", "a@b", "a\r\nb", "a:", "a:1234567", "[x]", "<a>"]
)
def test_a_host_header_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(BadForm):
        forms.base({"headers": [(b"host", host.encode())]}, "http")


def test_a_host_header_is_taken_as_it_is_written_plainly() -> None:
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:9", "a-b.example.com"):
        found = forms.base({"headers": [(b"host", host.encode())]}, "https")
        assert found == f"https://{host.lower()}"


async def test_a_sender_that_leaves_is_no_failure_of_ours() -> None:
    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    scope = {"headers": [(b"content-type", b"application/x-www-form-urlencoded")]}
    with pytest.raises(BadForm):
        await forms.body(scope, receive)


@pytest.mark.looptime
async def test_a_slow_sender_is_not_waited_for() -> None:
    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError("nothing comes")

    scope = {"headers": [(b"content-type", b"application/x-www-form-urlencoded")]}
    with pytest.raises(BadForm, match="too long to arrive"):
        await forms.body(scope, receive)


def test_a_page_lets_its_form_go_to_the_program_only() -> None:
    policy = dict(pages.headers("http://localhost:9/callback"))[b"content-security-policy"].decode()
    assert "form-action 'self' http://localhost:9;" in policy
    assert "form-action 'self';" in dict(pages.headers())[b"content-security-policy"].decode()
