"""Random messages to every method of every service: a refusal or an answer, never an accident.

`FLYTE_FUZZ=1000` sends so many to each method; `-s` prints what was sent and answered.
"""

import asyncio
import collections
import json
import logging
import os
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from connectrpc.server import Endpoint
from flyteidl2.workflow import run_service_pb2
from google.protobuf import struct_pb2
from pyqwest import Client, HTTPTransport
from tests.fakes import messages
from tests.integration.fuzz import random_messages
from tests.integration.services.conftest import Plane, serving

from flyte_server.services import registry
from flyte_server.services.registry import ServiceApp
from flyte_server.settings import Settings

COUNT = int(os.environ.get("FLYTE_FUZZ", "25"))
"""Messages to each method."""
_LONGEST_SECONDS = 10.0
_STREAM_SECONDS = 0.2
"""Streams that stay open are left by us after so long."""
_AT_ONCE = 16
_BROKEN = frozenset({"internal", "unknown", "data_loss"})
_OWN = "flyte_standalone.v1"
_CONTENT = {False: "application/proto", True: "application/connect+proto"}

pytestmark = pytest.mark.timeout(max(240, COUNT * 10))


@dataclass
class Findings:
    """What came back."""

    sent: collections.Counter[str] = field(default_factory=collections.Counter)
    codes: collections.Counter[str] = field(default_factory=collections.Counter)
    broken: list[str] = field(default_factory=list)

    def note(self, path: str, code: str, content: bytes, seed: str) -> None:
        """One answer."""
        self.sent[path] += 1
        self.codes[code] += 1
        if code in _BROKEN or b"Traceback" in content:
            self.broken.append(f"{path} seed {seed}: {code} {content[:300]!r}")


def endpoints(app: ServiceApp) -> Sequence[tuple[str, Endpoint[Any, Any]]]:
    """The methods of a service, with their paths."""
    found = app._endpoints(app._service)
    return sorted(found.items())


def is_stream(endpoint: Endpoint[Any, Any]) -> bool:
    """Whether it answers with many messages."""
    return "Stream" in type(endpoint).__name__


@pytest.fixture
async def plane(tmp_path: Path) -> Any:
    async with serving(Settings(home=tmp_path / "home", port=0, auth="none")) as made:
        await made.runs.create_run(
            run_service_pb2.CreateRunRequest(run_id=messages.run_id(), task_spec=messages.spec())
        )
        yield made


async def test_no_service_breaks_at_random_messages(
    plane: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    findings = Findings()
    async with HTTPTransport() as transport:
        client = Client(transport)
        for app in registry.services(plane.app.parts):
            for path, endpoint in endpoints(app):
                await _drive(client, plane, path, endpoint, findings)
    _report(findings)
    assert not findings.broken, "\n".join(findings.broken[:20])
    assert [record for record in caplog.records if "reference" in record.getMessage()] == []
    assert min(findings.sent.values()) >= COUNT
    # After all that the run is still there, and can be read.
    shown = await plane.runs.get_run_details(
        run_service_pb2.GetRunDetailsRequest(run_id=messages.run_id())
    )
    assert shown.details.action.id.name == "a0"


async def _drive(
    client: Client, plane: Plane, path: str, endpoint: Endpoint[Any, Any], findings: Findings
) -> None:
    """Send `COUNT` messages to one method, some at the same time: streams stay open for a while."""
    room = asyncio.Semaphore(_AT_ONCE)
    ask = _streamed if is_stream(endpoint) else _asked

    async def one(number: int) -> None:
        seed = f"{path}-{number}"
        chance = random.Random(seed)
        content = _content(path, endpoint, chance)
        if number % 10 == 9:  # cut, or with a byte that was turned
            content = _damaged(content, chance)
        async with room:
            code, body = await ask(client, plane.endpoint + path, content)
        findings.note(path, code, body, seed)

    await asyncio.gather(*map(one, range(COUNT)))


def _content(path: str, endpoint: Endpoint[Any, Any], chance: random.Random) -> bytes:
    if _OWN in path:
        made = struct_pb2.Struct()
        made.update(random_messages.payload(chance))
        return made.SerializeToString()
    return random_messages.message(endpoint.method.input, chance).SerializeToString()


def _damaged(content: bytes, chance: random.Random) -> bytes:
    if not content:
        return bytes(chance.randrange(256) for _ in range(20))
    at = chance.randrange(len(content))
    return chance.choice((content[:at], content[:at] + b"\xff" + content[at + 1 :]))


async def _asked(client: Client, url: str, content: bytes) -> tuple[str, bytes]:
    answer = await asyncio.wait_for(
        client.post(url, headers=_headers(stream=False), content=content), _LONGEST_SECONDS
    )
    return _code(answer.status, answer.content), answer.content


def _headers(*, stream: bool) -> dict[str, str]:
    return {"content-type": _CONTENT[stream], "connect-protocol-version": "1"}


def _code(status: int, content: bytes) -> str:
    if status == 200:
        return "ok"
    try:
        return str(json.loads(content)["code"])
    except (ValueError, KeyError):
        return f"http {status}"


async def _streamed(client: Client, url: str, content: bytes) -> tuple[str, bytes]:
    """The code of the stream's end; `open` if it was still open when we left."""
    enveloped = struct.pack(">BI", 0, len(content)) + content
    body = bytearray()
    async with client.stream(
        "POST", url, headers=_headers(stream=True), content=enveloped
    ) as answer:
        if answer.status != 200:
            async for chunk in answer.content:
                body += chunk
            return _code(answer.status, bytes(body)), bytes(body)
        try:
            async with asyncio.timeout(_STREAM_SECONDS):
                async for chunk in answer.content:
                    body += chunk
        except TimeoutError:
            return "open", bytes(body)
    return next(_ends(bytes(body)), "http cut"), bytes(body)


def _ends(body: bytes) -> Iterator[str]:
    """The code that the last envelope of a stream says."""
    at = 0
    while at + 5 <= len(body):
        flags, length = struct.unpack(">BI", body[at : at + 5])
        if flags & 2:
            end = json.loads(body[at + 5 : at + 5 + length] or b"{}")
            yield str(end.get("error", {}).get("code", "ok"))
        at += 5 + length


def _report(findings: Findings) -> None:
    print(f"\n{sum(findings.sent.values())} messages to {len(findings.sent)} methods")
    print(dict(findings.codes.most_common()))
