"""One web request to an address that a user wrote.

The address is looked up here and the connection made to what was found, so that no other answer of a name server, and
no redirect, leads to where nobody may be sent.
"""

import asyncio
import socket
import ssl
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

import h11

from flyte_server.services.notices.contents import WebRequest

_ANSWER_SECONDS = 10.0
_CHUNK = 4096
_SUCCESSES = range(200, 300)
_PORTS = {"http": 80, "https": 443}


class NotSent(Exception):  # noqa: N818 - named by what happened
    """The receiver could not be reached, or did not want it."""


async def post(asked: WebRequest, *, near: bool) -> None:
    """Send it, and look at nothing but the status: what a receiver says is no business of ours.

    Args:
        asked: the request.
        near: whether it may go to this machine and to private networks.

    Raises:
        NotSent: with the reason.
    """
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            status = await _status(asked, near=near)
    except TimeoutError:
        raise NotSent(f"it did not answer within {_ANSWER_SECONDS:g} s") from None
    except (OSError, ValueError, h11.ProtocolError) as error:
        raise NotSent(f"{type(error).__name__}: {error}"[:300]) from error
    if status not in _SUCCESSES:
        raise NotSent(f"it answered with status {status}")


async def _status(asked: WebRequest, *, near: bool) -> int:
    parts = urlsplit(asked.url)
    reader, writer = await _connected(parts, near=near)
    try:
        return await _exchanged(reader, writer, asked, parts)
    finally:
        writer.close()


async def _connected(
    parts: SplitResult, *, near: bool
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    refusals: list[str] = []
    for _, _, _, _, address in found:
        refusal = _refusal(ip_address(str(address[0]).partition("%")[0]), near=near)
        if refusal is not None:
            refusals.append(f"{host} is {address[0]}, {refusal}")
            continue
        secure = parts.scheme == "https"
        return await asyncio.open_connection(
            str(address[0]),
            port,
            ssl=ssl.create_default_context() if secure else None,
            server_hostname=host if secure else None,
        )
    raise NotSent(refusals[0] if refusals else f"{host} has no address")


def _refusal(address: IPv4Address | IPv6Address, *, near: bool) -> str | None:
    """Why nothing is sent there; None: it may be."""
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        # Clouds give credentials away at link-local addresses.
        return "where notifications never go"
    if not near and not address.is_global:
        return (
            "an address of a private network; the control plane sends there with FLYTE_SERVER_NOTIFY_PRIVATE=1"
            " in its environment"
        )
    return None


async def _exchanged(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    asked: WebRequest,
    parts: SplitResult,
) -> int:
    connection = h11.Connection(h11.CLIENT)
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    headers = [
        ("host", parts.netloc),
        ("connection", "close"),
        ("content-length", str(len(asked.body))),
        *asked.headers,
    ]
    request = h11.Request(method=asked.method, target=target, headers=headers)
    for event in (request, h11.Data(data=asked.body), h11.EndOfMessage()):
        writer.write(connection.send(event) or b"")
    await writer.drain()
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            return event.status_code
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif not isinstance(event, h11.InformationalResponse):
            raise NotSent("it closed the connection without an answer")
