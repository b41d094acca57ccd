"""Somebody who does not answer: how long it is borne, and what is said of it."""

import asyncio

import pytest

from flyte._kit.absence import Absence

pytestmark = pytest.mark.looptime

AWAY = ConnectionError("refused")


@pytest.fixture
def said() -> list[str]:
    return []


async def missed(away: Absence, *, seconds: float) -> None:
    """Ask in vain, once a second."""
    for _ in range(round(seconds)):
        away.missed(AWAY)
        await asyncio.sleep(1)


async def test_a_short_absence_is_not_worth_a_word(said: list[str]) -> None:
    away = Absence("she", say=said.append)
    await missed(away, seconds=4)
    away.answered()
    assert said == []


async def test_a_long_one_is_told_every_minute_and_its_end_once(said: list[str]) -> None:
    away = Absence("she", say=said.append)
    await missed(away, seconds=190)
    away.answered()
    away.answered()
    assert len(said) == 5
    assert said[0].startswith("she has been away since ")
    assert said[0].endswith("waiting (refused)")
    assert said[0] == said[3], "since when stays the same"
    assert said[4] == "she is back"


async def test_what_was_silent_has_been_away_since_the_silence_began(said: list[str]) -> None:
    away = Absence("she", say=said.append, limit_seconds=50)
    away.missed(AWAY, waited_seconds=20)
    assert len(said) == 1
    with pytest.raises(ConnectionError):
        await missed(away, seconds=40)
    assert asyncio.get_running_loop().time() == pytest.approx(30)


async def test_for_a_person_once_is_enough(said: list[str]) -> None:
    away = Absence("she", say=said.append, every_seconds=None)
    await missed(away, seconds=600)
    assert len(said) == 1


async def test_after_the_limit_the_error_itself_is_raised(said: list[str]) -> None:
    away = Absence("she", say=said.append, limit_seconds=100)
    with pytest.raises(ConnectionError, match="refused"):
        await missed(away, seconds=200)
    assert asyncio.get_running_loop().time() == pytest.approx(100)


async def test_an_answer_begins_the_time_anew(said: list[str]) -> None:
    away = Absence("she", say=said.append, limit_seconds=100)
    for _ in range(3):
        await missed(away, seconds=99)
        away.answered()
    assert len([line for line in said if "is back" in line]) == 3


async def test_unless_told_otherwise_it_is_borne_for_a_day(said: list[str]) -> None:
    Absence("she", say=said.append).missed(AWAY, waited_seconds=86_399)
    with pytest.raises(ConnectionError):
        Absence("she", say=said.append).missed(AWAY, waited_seconds=86_400)
