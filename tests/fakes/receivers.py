"""Receivers of notifications on real sockets: a web server, and an SMTP server."""

import asyncio
import email
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage


@dataclass(frozen=True)
class Told:
    """A web request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class WebReceiver:
    """Answers each request with the next of its statuses, then with 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list[int])
    told: list[Told] = field(default_factory=list[Told])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = first.split(" ")
        self.told.append(Told(method, path, headers, body.decode()))
        status = self.statuses.pop(0) if self.statuses else 200
        if status:
            where = f"location: {self.url}/elsewhere\r\n" if status == 302 else ""
            writer.write(f"HTTP/1.1 {status} X\r\n{where}content-length: 0\r\n\r\n".encode())
            await writer.drain()
        writer.close()


@asynccontextmanager
async def web(*statuses: int) -> AsyncGenerator[WebReceiver]:
    """A web server of this machine; status 0 closes the connection without an answer."""
    receiver = WebReceiver(statuses=list(statuses))
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield receiver


@dataclass
class MailReceiver:
    """Takes emails, but not for the addresses that it refuses."""

    port: int = 0
    refused: frozenset[str] = frozenset()
    received: list[tuple[list[str], EmailMessage]] = field(
        default_factory=list[tuple[list[str], EmailMessage]]
    )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipients: list[str] = []
        writer.write(b"220 fake\r\n")
        while line := (await reader.readline()).decode().strip():
            verb = line.split(" ")[0].upper()
            if verb == "RCPT":
                found = re.findall(r"<(.*?)>", line)[0]
                writer.write(b"550 unknown\r\n" if found in self.refused else b"250 ok\r\n")
                recipients += [] if found in self.refused else [found]
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                content = await reader.readuntil(b"\r\n.\r\n")
                made = email.message_from_bytes(content[:-5], policy=policy.default)
                assert isinstance(made, EmailMessage)
                self.received.append((recipients, made))
                writer.write(b"250 taken\r\n")
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 ok\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def smtp(*refused: str) -> AsyncGenerator[MailReceiver]:
    """An SMTP server of this machine."""
    receiver = MailReceiver(refused=frozenset(refused))
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver
