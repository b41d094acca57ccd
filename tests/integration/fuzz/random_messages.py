"""Messages that no client would send: any field of any message, with values that have hurt somebody before."""

import random
from typing import Any

from google.protobuf import struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

DEEPEST = 5
_KINDS = FieldDescriptor

FITTING = {
    "org": ("acme", ""),
    "organization": ("acme", ""),
    "project": ("p",),
    "domain": ("development",),
    "version": ("v1",),
    "task_version": ("v1",),
    "task_name": ("env.main",),
    "expression": ("0 6 * * *", "*/5 * * * *"),
    "cron_expression": ("0 6 * * *",),
    "timezone": ("UTC", "Europe/Berlin"),
    "parent_action_name": ("a0",),
}
"""By the name of a field: what belongs there."""
_OF_NAMES = {
    "ProjectIdentifier": ("p",),
    "RunIdentifier": ("r1", "r2"),
    "ActionIdentifier": ("a0", "child"),
    "TaskIdentifier": ("env.main",),
    "TaskName": ("env.main",),
    "TriggerName": ("daily",),
}
"""By the message that a field `name` is in."""
KNOWN = ("acme", "p", "development", "r1", "a0", "env.main", "v1", "flytesnacks", "child")
"""Names of things that exist: a request gets further in than to 'not found'."""
TEXTS = (
    "",
    " ",
    "x",
    "..",
    "../../../../etc/passwd",
    "/etc/passwd",
    "a/../../b",
    "file:///etc/passwd",
    "s3://elsewhere/x",
    "http://127.0.0.1:1/",
    "\x00",
    "\x1b[31m",
    "a\nb",
    "é\u202eü\u0000",
    "😀" * 20,
    "'; DROP TABLE runs; --",
    "<script>alert(1)</script>",
    "{{.inputs.x}} ${HOME} $(id)",
    "%s%n%d",
    "null",
    "-1",
    "1e309",
    "* * * * *",
    "61 25 32 13 9",
    "Europe/Nowhere",
    "A" * 5_000,
)
NUMBERS = (0, 1, -1, 2, 100, 2**31 - 1, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63))
_BITS = {
    _KINDS.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    _KINDS.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    _KINDS.CPPTYPE_UINT32: (0, 2**32 - 1),
    _KINDS.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def message(kind: type[Message], chance: random.Random, *, depth: int = 0) -> Message:
    """A random message of a class."""
    made = kind()
    _fill(made, chance, depth)
    return made


def payload(chance: random.Random, depth: int = 0) -> Any:
    """A random JSON object: what services without messages of their own are sent."""
    fields = (
        "project",
        "domain",
        "run",
        "name",
        "action",
        "prefix",
        "uri",
        "limit",
        "kind",
        "most",
    )
    return {
        chance.choice((*fields, *TEXTS[:8])): _json(chance, depth)
        for _ in range(chance.randrange(6))
    }


def _json(chance: random.Random, depth: int) -> Any:
    makers = [
        lambda: text(chance),
        lambda: chance.choice(NUMBERS[:6]),
        lambda: chance.random() * 1e9,
        lambda: chance.choice((True, False, None)),
    ]
    if depth < DEEPEST:
        makers.append(lambda: [_json(chance, depth + 1) for _ in range(chance.randrange(4))])
        makers.append(lambda: payload(chance, depth + 1))
    return chance.choice(makers)()


def text(chance: random.Random) -> str:
    """Half of the time the name of something that exists."""
    return chance.choice(KNOWN if chance.random() < 0.5 else TEXTS)


def _fill(made: Message, chance: random.Random, depth: int) -> None:
    if isinstance(made, struct_pb2.Struct):
        made.update(payload(chance, DEEPEST))
        return
    for field in made.DESCRIPTOR.fields:
        likely = 0.85 if depth < 2 else 0.4
        if chance.random() < likely and not _skips_choice(made, field, chance):
            _set(made, field, chance, depth)


def _skips_choice(made: Message, field: FieldDescriptor, chance: random.Random) -> bool:
    """The first fields of a choice would always lose against the last one."""
    choice = field.containing_oneof
    return choice is not None and len(choice.fields) > 1 and chance.random() < 0.5


def _set(made: Message, field: FieldDescriptor, chance: random.Random, depth: int) -> None:
    if field.message_type is not None:
        _set_message(made, field, chance, depth)
    elif field.is_repeated:
        getattr(made, field.name).extend(_value(field, chance) for _ in range(chance.randrange(4)))
    else:
        setattr(made, field.name, _value(field, chance))


def _set_message(made: Message, field: FieldDescriptor, chance: random.Random, depth: int) -> None:
    if depth >= DEEPEST:
        return
    target = getattr(made, field.name)
    if _is_map(field.message_type):
        _fill_map(target, field.message_type, chance, depth)
    elif field.is_repeated:
        for _ in range(chance.randrange(4)):
            _fill(target.add(), chance, depth + 1)
    else:
        target.SetInParent()
        _fill(target, chance, depth + 1)


def _is_map(kind: Descriptor) -> bool:
    return kind.GetOptions().map_entry


def _fill_map(target: Any, kind: Descriptor, chance: random.Random, depth: int) -> None:
    key, value = kind.fields_by_name["key"], kind.fields_by_name["value"]
    for _ in range(chance.randrange(3)):
        if value.message_type is not None:
            _fill(target[_value(key, chance)], chance, depth + 1)
        else:
            target[_value(key, chance)] = _value(value, chance)


def _value(field: FieldDescriptor, chance: random.Random) -> Any:
    kind = field.cpp_type
    if kind in _BITS:
        low, high = _BITS[kind]
        return min(max(chance.choice(NUMBERS), low), high)
    if kind in {_KINDS.CPPTYPE_DOUBLE, _KINDS.CPPTYPE_FLOAT}:
        return chance.choice((0.0, -1.0, 1.5, 3e38, float("inf"), float("nan")))
    if kind == _KINDS.CPPTYPE_BOOL:
        return chance.random() < 0.5
    if kind == _KINDS.CPPTYPE_ENUM:
        return chance.choice((*range(8), 99, -1))
    if field.type == _KINDS.TYPE_BYTES:
        return text(chance).encode()[:500]
    return _fitting(field, chance) if chance.random() < 0.85 else text(chance)


def _fitting(field: FieldDescriptor, chance: random.Random) -> str:
    owner = field.containing_type.name if field.containing_type is not None else ""
    known = _OF_NAMES.get(owner, ()) if field.name == "name" else FITTING.get(field.name, ())
    return chance.choice(known) if known else text(chance)
