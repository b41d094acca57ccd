"""JSON objects to and from the services of our own control plane, as `google.protobuf.Struct`.

They stand beside the public protocol, for what it has no words for; another backend does not have them.
"""

from collections.abc import Mapping
from typing import Any

from connectrpc.method import IdempotencyLevel, MethodInfo
from google.protobuf.struct_pb2 import ListValue, Struct, Value

PACKAGE = "flyte_standalone.v1"


def method(service: str, name: str) -> MethodInfo[Struct, Struct]:
    """What Connect needs to know about a method, e.g. of `DataService`, `ListFiles`."""
    return MethodInfo(
        name=name,
        service_name=f"{PACKAGE}.{service}",
        input=Struct,
        output=Struct,
        idempotency_level=IdempotencyLevel.UNKNOWN,
    )


def packed(payload: Mapping[str, Any]) -> Struct:
    """An object as a message; whole numbers above 2**53 have to be text."""
    message = Struct()
    message.update(payload)
    return message


def unpacked(message: Struct) -> dict[str, Any]:
    """The object of a message; a number without a fraction is an int."""
    return {name: _plain(value) for name, value in message.fields.items()}


def _plain(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    found = getattr(value, kind)
    if isinstance(found, Struct):
        return unpacked(found)
    if isinstance(found, ListValue):
        return [_plain(each) for each in found.values]
    return int(found) if isinstance(found, float) and found.is_integer() else found
