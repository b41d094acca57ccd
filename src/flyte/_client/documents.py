"""A small file behind a signed link, whole: what is written anew while it is read has no ranges to resume."""

import asyncio

import pyqwest

from flyte._client import transfer, transport
from flyte._client.transfer import Refused, Tries

_OK = 200


async def whole(url: str) -> bytes:
    """The content of a signed address; a connection that breaks is tried again from the start.

    Raises:
        flyte.errors.StorageError: naming the address (without its signature) and the answer.
    """
    tries = Tries("GET", url)
    http = transport.http_transport(url)
    try:
        while True:
            try:
                async with asyncio.timeout(transfer.STALL_SECONDS):
                    answer = await pyqwest.Client(http).get(url)
                if answer.status == _OK:
                    return answer.content
                raise Refused(answer.status, answer.text())
            except transfer.PROBLEMS as problem:
                await tries.pause(problem)
    finally:
        await http.aclose()
