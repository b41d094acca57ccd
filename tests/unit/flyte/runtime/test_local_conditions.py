"""Conditions in local runs: the person at the terminal is asked once, whatever happens to the run."""

import os
import pty
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import flyte
from flyte import errors
from flyte._runtime.inprocess import journal

env = flyte.TaskEnvironment(name="asking_locally")
FAILURES = [0]


@env.task(retries=1)
async def careful() -> str:
    """Fails as often as the test says, after it was answered."""
    condition = await flyte.new_condition.aio("amount", prompt="How many?", data_type=int)
    amount = await condition.wait.aio()
    if FAILURES[0]:
        FAILURES[0] -= 1
        raise ValueError("after the answer")
    return f"{amount} {await condition.wait.aio()}"


@env.task
def patient() -> float:
    return flyte.new_condition("rate", data_type=float, timeout=0.2).wait()


@dataclass
class Person:
    """Somebody at a terminal."""

    leader: int

    def types(self, text: str) -> None:
        os.write(self.leader, text.encode())


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    leader, follower = pty.openpty()
    with os.fdopen(follower, encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield Person(leader)
    os.close(leader)


def run(name: str, **options: Any) -> str:
    return str(flyte.with_runcontext("local", name=name, **options).run(careful).outputs().o0)


def test_an_answer_is_asked_for_until_it_fits_and_kept_for_another_attempt(
    person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    FAILURES[0] = 1
    person.types("many\n7\n")
    assert run("answered") == "7 7"
    asked = capsys.readouterr().err
    assert asked.count("How many? (int): ") == 2
    assert "'many' is no int" in asked
    told = journal.load("answered")
    assert [each.task for each in told.ended.values() if each.kind == "condition"] == ["amount"]


def test_a_recovered_run_has_the_answer_of_the_earlier_one(person: Person) -> None:
    FAILURES[0] = 2
    person.types("5\n")
    with pytest.raises(errors.RuntimeUserError, match="after the answer"):
        run("broken")
    assert run("mended", recover_from="broken") == "5 5"


def test_nobody_types(person: Person) -> None:
    with pytest.raises(errors.ConditionTimedoutError, match="nobody answered the condition 'rate'"):
        flyte.with_runcontext("local").run(patient).outputs()


def test_the_input_ends(person: Person) -> None:
    person.types("\x04")
    with pytest.raises(errors.ConditionFailedError, match="the input has ended"):
        flyte.with_runcontext("local").run(patient).outputs()
