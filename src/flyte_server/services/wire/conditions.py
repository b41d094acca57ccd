"""Conditions and their answers, in both directions."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flyteidl2.actions import actions_service_pb2
from flyteidl2.common import identity_pb2
from flyteidl2.core import literals_pb2, types_pb2
from flyteidl2.task import common_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2
from google.protobuf import json_format

from flyte_server.domain.commands import Hook, NewCondition
from flyte_server.domain.errors import Invalid
from flyte_server.domain.records import Action, Answer
from flyte_server.services.wire import ids

_SIMPLE: Mapping[str, "types_pb2.SimpleType"] = {
    "bool": types_pb2.BOOLEAN,
    "int": types_pb2.INTEGER,
    "float": types_pb2.FLOAT,
    "str": types_pb2.STRING,
}
_NAMES = {int(number): name for name, number in _SIMPLE.items()}
_PRIMITIVES = {"bool": "boolean", "int": "integer", "float": "float_value", "str": "string_value"}
_PAYLOAD_VALUE: Any = run_service_pb2.EventPayload.DESCRIPTOR.oneofs[0].name
"""The name of its one choice."""
_LONGEST_NAME, _LONGEST_PROMPT, _LONGEST_HOOK = 256, 64 * 1024, 64 * 1024
_LONGEST_SECONDS = 10 * 365 * 24 * 3600.0


def command(message: actions_service_pb2.Action) -> NewCondition:
    """What a running action asks.

    Raises:
        Invalid: it has no name, a type that nobody can answer with, or a webhook that cannot be called.
    """
    asked = message.condition
    if not asked.name or len(asked.name) > _LONGEST_NAME:
        raise Invalid(
            f"action.condition.name is {asked.name[:_LONGEST_NAME]!r}; send a name of 1 to {_LONGEST_NAME} characters."
        )
    if len(asked.prompt) > _LONGEST_PROMPT or len(asked.description) > _LONGEST_PROMPT:
        raise Invalid(
            f"The prompt or description of {asked.name!r} is longer than {_LONGEST_PROMPT} characters; shorten it."
        )
    return NewCondition(
        name=ids.name(message.action_id.name, where="action.action_id.name"),
        parent=ids.name(message.parent_action_name, where="action.parent_action_name"),
        condition=asked.name,
        spec=asked.SerializeToString(deterministic=True),
        answer_type=_type_name(asked),
        timeout_seconds=_timeout_seconds(asked),
        group=message.group,
        hook=_hook(asked),
    )


def literal_type(answer_type: str) -> types_pb2.LiteralType:
    """The type of an answer, as the wire names it."""
    return types_pb2.LiteralType(simple=_SIMPLE.get(answer_type, types_pb2.NONE))


def literal(answer: Answer) -> literals_pb2.Literal:
    """The value of an answer, as a parent gets it."""
    message = literals_pb2.Literal()
    setattr(message.scalar.primitive, _PRIMITIVES[type(answer.value).__name__], answer.value)
    return message


def outputs(answer: Answer) -> common_pb2.Outputs:
    """The value of an answer, as the outputs of a task look."""
    return common_pb2.Outputs(literals=[common_pb2.NamedLiteral(name="o0", value=literal(answer))])


def of_literal(message: literals_pb2.Literal) -> bool | int | float | str:
    """The value that a literal says.

    Raises:
        Invalid: it is no value that answers a condition.
    """
    kind = message.scalar.primitive.WhichOneof("value")
    if kind not in _PRIMITIVES.values():
        raise Invalid(
            "value is no boolean, integer, float or string; send one of these as a literal."
        )
    return getattr(message.scalar.primitive, kind)


def of_payload(message: run_service_pb2.EventPayload) -> bool | int | float | str:
    """The value that a payload says.

    Raises:
        Invalid: it says none.
    """
    field = message.WhichOneof(_PAYLOAD_VALUE)
    if field is None:
        raise Invalid("payload is empty; send bool_value, int_value, float_value or string_value.")
    return getattr(message, field)


def metadata(action: Action) -> run_definition_pb2.ConditionActionMetadata:
    """What lists say of a condition."""
    return run_definition_pb2.ConditionActionMetadata(
        name=action.task_name, type=literal_type(action.policy.answer_type)
    )


def signal_info(answer: Answer) -> run_definition_pb2.SignalInfo:
    """Who answered, and what."""
    by = identity_pb2.EnrichedIdentity()
    by.user.id.subject = answer.by
    by.user.spec.first_name = answer.by_name
    by.user.spec.user_handle = answer.by
    return run_definition_pb2.SignalInfo(signalled_by=by, output=literal(answer))


def _type_name(asked: run_definition_pb2.ConditionAction) -> str:
    name = _NAMES.get(asked.type.simple) if asked.type.WhichOneof("type") == "simple" else None
    if name is None:
        raise Invalid(
            f"The condition {asked.name!r} wants a type that nobody can answer with; choose one of"
            f" {', '.join(_SIMPLE)}."
        )
    return name


def _timeout_seconds(asked: run_definition_pb2.ConditionAction) -> float:
    seconds = asked.timeout.seconds + asked.timeout.nanos / 1e9
    if not asked.HasField("timeout") or seconds == 0:
        return 0.0
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise Invalid(
            f"The condition {asked.name!r} has a timeout of {seconds:g} s; choose one above 0 and of at most ten years."
        )
    return seconds


def _hook(asked: run_definition_pb2.ConditionAction) -> Hook | None:
    if not asked.HasField("webhook") or not asked.webhook.url:
        return None
    url = asked.webhook.url
    check_url(url)
    payload = json.dumps(json_format.MessageToDict(asked.webhook.payload))
    if len(payload) > _LONGEST_HOOK:
        raise Invalid(f"The webhook of {asked.name!r} has a payload above {_LONGEST_HOOK} bytes.")
    return Hook(url, payload if asked.webhook.HasField("payload") else "")


def check_url(url: str) -> None:
    """Whether a webhook's address may be called at all.

    Raises:
        Invalid: it is no plain `http(s)://host…`.
    """
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        is_plain = port_is_right = False
    if not is_plain or not port_is_right or any(each.isspace() for each in url):
        raise Invalid(
            f"The webhook's url {url[:200]!r} is no address like https://example.com/hook; give one with http or"
            " https, and no user or password in it."
        )
