"""Small messages of a stream leave together, in order, and nothing is held back."""

import asyncio

from flyte_server.services.http.asgi import Message
from flyte_server.services.http.gathering import Gathered


def chunk(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


class Wire:
    """What reached the socket."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def bodies(self) -> list[bytes]:
        return [one["body"] for one in self.messages if one["type"] == "http.response.body"]


async def test_chunks_of_one_turn_are_one_write() -> None:
    wire = Wire()
    send = Gathered(wire.send)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for number in range(10):
        await send(chunk(b"%d" % number))
    assert wire.bodies == []
    await asyncio.sleep(0)
    assert wire.bodies == [b"0123456789"]
    await send(chunk(b"next turn"))
    await asyncio.sleep(0)
    assert wire.bodies[1:] == [b"next turn"]


async def test_the_last_chunk_comes_after_all_others() -> None:
    wire = Wire()
    send = Gathered(wire.send)
    await send(chunk(b"a"))
    await send(chunk(b"b"))
    await send(chunk(b"end", more=False))
    assert wire.bodies == [b"ab", b"end"]
    await asyncio.sleep(0)
    assert wire.bodies == [b"ab", b"end"]
    assert not wire.messages[-1]["more_body"]


async def test_much_is_written_before_the_turn_is_over() -> None:
    wire = Wire()
    send = Gathered(wire.send)
    await send(chunk(bytes(64 * 1024)))
    assert len(wire.bodies) == 1


async def test_a_response_in_one_piece_passes_through() -> None:
    wire = Wire()
    await Gathered(wire.send)(chunk(b"whole", more=False))
    assert wire.bodies == [b"whole"]
