"""Questions and answers to and from the wire."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flyteidl2.core import literals_pb2, types_pb2
from flyteidl2.task import common_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2
from google.protobuf.struct_pb2 import Struct

from flyte import errors
from flyte._context import AnswerType, Question

_SIMPLE: Mapping[AnswerType, "types_pb2.SimpleType"] = {
    bool: types_pb2.BOOLEAN,
    int: types_pb2.INTEGER,
    float: types_pb2.FLOAT,
    str: types_pb2.STRING,
}
_TYPES: dict[int, AnswerType] = {int(number): kind for kind, number in _SIMPLE.items()}
_FIELDS: Mapping[AnswerType, str] = {
    bool: "bool_value",
    int: "int_value",
    float: "float_value",
    str: "string_value",
}
_PRIMITIVES: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "float_value",
    str: "string_value",
}
_BOOLS = {"true": True, "yes": True, "false": False, "no": False}
_BITS = 63


def question(asked: Question) -> run_definition_pb2.ConditionAction:
    """What a task asks."""
    message = run_definition_pb2.ConditionAction(
        name=asked.name,
        type=types_pb2.LiteralType(simple=_SIMPLE[asked.type]),
        prompt=asked.prompt,
        description=asked.description,
        prompt_type=(
            run_definition_pb2.CONDITION_PROMPT_TYPE_MARKDOWN
            if asked.is_markdown
            else run_definition_pb2.CONDITION_PROMPT_TYPE_TEXT
        ),
    )
    if asked.timeout_seconds is not None:
        message.timeout.FromTimedelta(timedelta(seconds=asked.timeout_seconds))
    if asked.webhook_url:
        message.webhook.url = asked.webhook_url
        if asked.webhook_payload is not None:
            message.webhook.payload.CopyFrom(_struct(asked))
    return message


def _struct(asked: Question) -> Struct:
    packed = Struct()
    try:
        packed.update(dict(asked.webhook_payload or {}))
    except (TypeError, ValueError) as error:
        raise errors.DefinitionError(
            f"condition {asked.name!r}: the webhook's payload is no JSON object ({error}); use texts, numbers,"
            " booleans, None, lists and dictionaries"
        ) from error
    return packed


def value(message: literals_pb2.Literal) -> Any:
    """The value that answered a condition."""
    primitive = message.scalar.primitive
    kind = primitive.WhichOneof("value")
    return getattr(primitive, kind) if kind else None


def outputs(answer: bool | float | str) -> common_pb2.Outputs:
    """An answer, as the outputs of a task look."""
    literal = literals_pb2.Literal()
    setattr(literal.scalar.primitive, _PRIMITIVES[type(answer)], answer)
    return common_pb2.Outputs(literals=[common_pb2.NamedLiteral(name="o0", value=literal)])


def answer_type(message: types_pb2.LiteralType) -> AnswerType | None:
    """What a condition is answered with; None for a type that this SDK does not know."""
    return _TYPES.get(message.simple) if message.WhichOneof("type") == "simple" else None


def payload(given: Any) -> run_service_pb2.EventPayload:
    """A value that answers a condition.

    Raises:
        TypeError: it is of no type that a condition can have.
    """
    field = _FIELDS.get(type(given))
    if field is None:
        raise TypeError(
            f"a condition is answered with a bool, int, float or str, not with {given!r} ({type(given).__name__})"
        )
    if type(given) is int and given.bit_length() > _BITS:
        raise TypeError(f"{given} does not fit into 64 bits; answer with a smaller number")
    message = run_service_pb2.EventPayload()
    setattr(message, field, given)
    return message


def parsed(text: str, wanted: AnswerType) -> bool | int | float | str:
    """The value that somebody has typed.

    Raises:
        ValueError: it says none of that type; the message says what would.
    """
    if wanted is str:
        return text
    plain = text.strip()
    if wanted is bool:
        found = _BOOLS.get(plain.lower())
        if found is None:
            raise ValueError(f"{text!r} is no bool; say true or false")
        return found
    try:
        return wanted(plain)
    except ValueError:
        example = "a whole number" if wanted is int else "a number like 0.5"
        raise ValueError(f"{text!r} is no {wanted.__name__}; say {example}") from None
