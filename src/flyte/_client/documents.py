"""A small file behind a signed link, whole: what is written anew while it is read has no ranges to resume."""

import asyncio

import pyqwest

from flyte._client import transfer
from flyte._client.transfer import Refused, Tries

_OK = 200


async def whole(url: str, http: pyqwest.Transport | None = None) -> bytes:
    """The content of a signed address; a connection that breaks is tried again from the start.

    Args:
        url: the address.
        http: the connections, as `ControlPlane.transport_to` gives them; None: some of the process.

    Raises:
        flyte.errors.StorageError: naming the address (without its signature) and the answer.
    """
    tries = Tries("GET", url)
    while True:
        try:
            async with asyncio.timeout(transfer.STALL_SECONDS):
                answer = await pyqwest.Client(http).get(url)
            if answer.status == _OK:
                return answer.content
            raise Refused(answer.status, answer.text())
        except transfer.PROBLEMS as problem:
            await tries.pause(problem)
