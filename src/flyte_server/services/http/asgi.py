"""The words of ASGI that are used here, and short answers."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class Gone(Exception):  # noqa: N818 - not an error: there is nobody left to tell
    """The client hung up in the middle."""


async def body(receive: Receive) -> AsyncIterator[bytes]:
    """A request's body, piece by piece.

    Raises:
        Gone: the client hung up.
    """
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def header(scope: Scope, name: bytes) -> str:
    """The value of a request's header (`name` in lower case); empty if it has none."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return ""


async def answer(send: Send, status: int, body: bytes, *, headers: Headers | None = None) -> None:
    """A whole response."""
    length = (b"content-length", str(len(body)).encode())
    await send(
        {"type": "http.response.start", "status": status, "headers": [length, *(headers or [])]}
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def answer_json(send: Send, status: int, value: dict[str, object]) -> None:
    """A response with a JSON object."""
    await answer(
        send, status, json.dumps(value).encode(), headers=[(b"content-type", b"application/json")]
    )


async def refuse(
    send: Send, status: int, code: str, message: str, *, headers: Headers | None = None
) -> None:
    """A refusal in the form of Connect errors, which clients of the services understand.

    Args:
        code: a Connect code, e.g. `permission_denied`.
    """
    body = json.dumps({"code": code, "message": message}).encode()
    kind = (b"content-type", b"application/json")
    await answer(send, status, body, headers=[kind, *(headers or [])])
