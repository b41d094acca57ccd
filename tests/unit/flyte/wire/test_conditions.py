"""Questions and answers to and from the wire."""

from typing import Any

import pytest
from flyteidl2.core import types_pb2
from flyteidl2.workflow import run_definition_pb2

from flyte import errors
from flyte._context import AnswerType, Question
from flyte._wire.conditions import messages


def test_a_question_is_sent_as_the_protocol_has_it() -> None:
    sent = messages.question(
        Question("n", "How many?", int, is_markdown=True, description="d", timeout_seconds=1.5)
    )
    assert (sent.name, sent.prompt, sent.description) == ("n", "How many?", "d")
    assert sent.type.simple == types_pb2.INTEGER
    assert sent.prompt_type == run_definition_pb2.CONDITION_PROMPT_TYPE_MARKDOWN
    assert (sent.timeout.seconds, sent.timeout.nanos) == (1, 500_000_000)
    assert not sent.HasField("webhook")
    assert messages.answer_type(sent.type) is int


def test_a_payload_that_is_no_json_is_refused_where_it_was_given() -> None:
    wrong = Question("n", "?", bool, webhook_url="http://h", webhook_payload={"x": object()})
    with pytest.raises(errors.DefinitionError, match=r"condition 'n'.*no JSON object"):
        messages.question(wrong)


@pytest.mark.parametrize("answer", [True, False, 0, -5, 2**62, 0.5, -1e300, "", "a\nb"])
def test_answers_come_back_as_they_were(answer: Any) -> None:
    found = messages.value(messages.outputs(answer).literals[0].value)
    assert (found, type(found)) == (answer, type(answer))
    assert messages.payload(answer).ByteSize() > 0


@pytest.mark.parametrize("wrong", [None, [1], b"x", 2**63, object()])
def test_other_values_answer_nothing(wrong: Any) -> None:
    with pytest.raises(TypeError):
        messages.payload(wrong)


@pytest.mark.parametrize(
    ("text", "wanted", "value"),
    [
        ("True", bool, True),
        ("no", bool, False),
        (" 3 ", int, 3),
        ("1e2", float, 100.0),
        (" x ", str, " x "),
    ],
)
def test_typed_texts_become_values(text: str, wanted: AnswerType, value: object) -> None:
    assert messages.parsed(text, wanted) == value


@pytest.mark.parametrize(("text", "wanted"), [("1", bool), ("1.5", int), ("x", float), ("", int)])
def test_other_texts_say_what_is_wanted(text: str, wanted: AnswerType) -> None:
    with pytest.raises(ValueError, match=f"is no {wanted.__name__}; say"):
        messages.parsed(text, wanted)
