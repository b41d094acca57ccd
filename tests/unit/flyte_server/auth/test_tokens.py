"""Tokens say what was minted into them, and nothing else is a token."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.clock import ManualClock

from flyte_server.auth.claims import Claims, OwnRun
from flyte_server.auth.roles import Grant, Role
from flyte_server.auth.tokens import Tokens
from flyte_server.domain.errors import Unauthenticated

KEY = b"k" * 32
NOW = 1_750_000_000_000_000
WORDS = st.text(min_size=1, max_size=40)
GRANTS = st.builds(Grant, st.sampled_from(Role), st.none() | WORDS)
RUNS = st.none() | st.builds(OwnRun, WORDS, WORDS, WORDS, WORDS, st.integers(1, 99), WORDS)


def tokens(key: bytes = KEY, now: int = NOW) -> Tokens:
    return Tokens(key, ManualClock(now))


def claims(**changed: object) -> Claims:
    return Claims(
        **{  # pyright: ignore[reportArgumentType]
            "subject": "key:ci",
            "name": "ci",
            "kind": "key",
            "grants": (Grant(Role.RUN, "p"),),
            **changed,
        }
    )


@given(WORDS, WORDS, st.lists(GRANTS, max_size=3), RUNS)
def test_what_was_minted_is_read(
    subject: str, name: str, grants: list[Grant], run: OwnRun | None
) -> None:
    said = claims(subject=subject, name=name, grants=tuple(grants), run=run)
    assert tokens().read(tokens().mint(said)) == said


def test_two_tokens_of_the_same_claims_differ() -> None:
    assert tokens().mint(claims()) != tokens().mint(claims())


@given(st.text(max_size=60) | st.text(string.ascii_letters + "._-", max_size=60))
def test_other_text_is_no_token(text: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens().read(text)


@given(st.integers(0, 400), st.sampled_from("Aa0_"))
def test_a_token_with_one_other_letter_is_no_token(place: int, letter: str) -> None:
    token = tokens().mint(claims())
    place %= token.rindex(".")  # the last letter of a signature has bits that mean nothing
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        with pytest.raises(Unauthenticated):
            tokens().read(changed)


def test_another_key_reads_nothing() -> None:
    with pytest.raises(Unauthenticated, match="not signed"):
        tokens(b"x" * 32).read(tokens().mint(claims()))
    assert not tokens(b"x" * 32).signed(tokens().mint(claims()))
    assert tokens().signed(tokens().mint(claims()))


def test_the_time_of_a_token_is_kept_to_the_second() -> None:
    token = tokens().mint(claims(expires_at=NOW + 5_000_000))
    assert tokens(now=NOW + 4_900_000).read(token).expires_at == NOW + 5_000_000
    with pytest.raises(Unauthenticated, match="expired"):
        tokens(now=NOW + 5_000_000).read(token)
