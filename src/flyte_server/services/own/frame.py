"""A Connect service whose messages are JSON objects.

The methods of a service are plain coroutines from a `Request` to a dictionary.  Clients send and
get `google.protobuf.Struct`; in the JSON form of Connect that is the object itself:

    curl -H 'content-type: application/json' -d '{"prefix": "…"}' \
        http://127.0.0.1:8090/flyte_standalone.v1.DataService/ListFiles
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from connectrpc.compression import Compression
from connectrpc.interceptor import Interceptor
from connectrpc.method import IdempotencyLevel, MethodInfo
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from flyte_server.domain.errors import Invalid

PACKAGE = "flyte_standalone.v1"
Context = RequestContext[Any, Any]
Payload = Mapping[str, Any]
"""Strings, numbers, booleans, None, and lists and dictionaries of them.  A number is a double: whole numbers above
2**53 travel as text."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks, with readers that say which field is wrong."""

    method: str
    """`Service/Method`, for messages."""
    fields: Payload
    context: Context

    def text(self, name: str, default: str | None = None) -> str:
        """A string.

        Raises:
            Invalid: it is missing (and there is no default), or no string.
        """
        value = self.fields.get(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, "a string")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of strings.

        Raises:
            Invalid: it is missing, or something else.
        """
        value = self.fields.get(name)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._wrong(name, "a list of strings")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number that is not negative.

        Raises:
            Invalid: it is missing (and there is no default), or something else.
        """
        value = self.fields.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self._wrong(name, "a whole number of at least 0")
        return value

    def _wrong(self, name: str, wanted: str) -> Invalid:
        found = repr(self.fields[name]) if name in self.fields else "nothing"
        return Invalid(f"{self.method} needs {wanted} as {name!r}, but got {found}.")


Method = Callable[[Request], Awaitable[Payload]]


class OwnService(Protocol):
    """What a service of ours is."""

    @property
    def name(self) -> str:
        """Such as `DataService`: it answers below `/flyte_standalone.v1.DataService`."""
        ...

    def methods(self) -> Mapping[str, Method]:
        """By their names on the wire, such as `ListFiles`."""
        ...


class OwnApplication(ConnectASGIApplication[OwnService]):
    """The ASGI application of a service of ours; made like the generated ones."""

    def __init__(
        self,
        service: OwnService,
        *,
        interceptors: Iterable[Interceptor] = (),
        read_max_bytes: int | None = None,
        compressions: Iterable[Compression] | None = None,
    ) -> None:
        self._path = f"/{PACKAGE}.{service.name}"
        super().__init__(
            service=service,
            endpoints=_endpoints,
            interceptors=interceptors,
            read_max_bytes=read_max_bytes,
            compressions=compressions,
        )

    @property
    def path(self) -> str:
        return self._path


def _endpoints(service: OwnService) -> Mapping[str, Any]:
    full_name = f"{PACKAGE}.{service.name}"
    return {
        f"/{full_name}/{name}": Endpoint.unary(
            method=MethodInfo(
                name=name,
                service_name=full_name,
                input=Struct,
                output=Struct,
                idempotency_level=IdempotencyLevel.UNKNOWN,
            ),
            function=_spoken(f"{service.name}/{name}", method),
        )
        for name, method in service.methods().items()
    }


def _spoken(name: str, method: Method) -> Callable[[Struct, Context], Awaitable[Struct]]:
    async def call(request: Struct, context: Context) -> Struct:
        answer = Struct()
        answer.update(await method(Request(name, _object(request), context)))
        return answer

    return call


def _object(message: Struct) -> dict[str, Any]:
    return {name: _plain(value) for name, value in message.fields.items()}


def _plain(value: Value) -> Any:
    """A value as Python has it; a whole number is an int again."""
    kind = value.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    found = getattr(value, kind)
    if isinstance(found, Struct):
        return _object(found)
    if isinstance(found, ListValue):
        return [_plain(each) for each in found.values]
    return int(found) if isinstance(found, float) and found.is_integer() else found
