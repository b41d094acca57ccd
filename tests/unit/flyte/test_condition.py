"""flyte.new_condition(): what it accepts, and what it asks of the engine."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from tests.fakes.runtime import FakeRuntime

import flyte
from flyte import _context, errors


@dataclass
class Asks(FakeRuntime):
    """Answers each condition with what the test has put under its name."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[_context.Question] = field(default_factory=list)
    loops: list[asyncio.AbstractEventLoop] = field(default_factory=list)

    async def ask(self, question: _context.Question) -> None:
        self.asked.append(question)

    async def answer(self, question: _context.Question) -> Any:
        self.loops.append(asyncio.get_running_loop())
        return self.answers[question.name]


@pytest.fixture
def runtime() -> Iterator[Asks]:
    made = Asks(answers={"go": True, "n": 3})
    with made.task():
        yield made


def test_what_the_user_says_reaches_the_engine(runtime: Asks) -> None:
    webhook = flyte.ConditionWebhook("https://example.com/hook", {"text": "{callback_uri}"})
    condition = flyte.new_condition(
        "n",
        prompt="How **many**?",
        prompt_type="markdown",
        data_type=int,
        description="of them",
        timeout=timedelta(minutes=2),
        webhook=webhook,
    )
    assert runtime.asked == [
        _context.Question(
            "n",
            "How **many**?",
            int,
            is_markdown=True,
            description="of them",
            timeout_seconds=120.0,
            webhook_url="https://example.com/hook",
            webhook_payload={"text": "{callback_uri}"},
        )
    ]
    assert condition.wait() == 3
    assert (condition.name, condition.data_type, condition.webhook) == ("n", int, webhook)


async def test_waiting_stays_on_the_callers_loop(runtime: Asks) -> None:
    condition = await flyte.new_condition.aio("go")
    assert runtime.asked[0].type is bool
    assert await condition.wait.aio() is True
    assert runtime.loops == [asyncio.get_running_loop()]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": ""}, "needs a name"),
        ({"name": "x" * 300}, "needs a name"),
        ({"name": 3}, "needs a name"),
        ({"data_type": dict}, "choose bool, int, float or str"),
        ({"prompt_type": "html"}, "choose 'text' or 'markdown'"),
        ({"timeout": 0}, "seconds above 0"),
        ({"timeout": 1e-9}, "at most ten years"),
        ({"timeout": 1e300}, "at most ten years"),
        ({"timeout": timedelta.max}, "at most ten years"),
        ({"timeout": True}, "seconds above 0"),
        ({"timeout": float("inf")}, "seconds above 0"),
        ({"timeout": timedelta(seconds=-1)}, "seconds above 0"),
        ({"webhook": flyte.ConditionWebhook("ftp://x")}, "http or https"),
    ],
)
def test_what_makes_no_sense_is_refused(
    runtime: Asks, arguments: dict[str, Any], said: str
) -> None:
    name = arguments.pop("name", "c")
    with pytest.raises(errors.DefinitionError, match=said):
        flyte.new_condition(name, **arguments)
    assert not runtime.asked


def test_a_condition_belongs_to_a_task() -> None:
    with pytest.raises(errors.NotInTaskContextError, match="belongs to a running task"):
        flyte.new_condition("go")


def test_a_traced_function_asks_nobody(runtime: Asks) -> None:
    @flyte.trace
    def step() -> bool:
        return flyte.new_condition("go").wait()

    with pytest.raises(errors.TraceDoesNotAllowNestedTasksError, match="step"):
        step()
