"""A control plane that writes down every request it gets, for tests of what our client sends.

Run as `python -m tests.fakes.recording_server HOME PORT FILE [--public]`.  With `--public` it has only what the public
protocol has: our own services are unknown there, and headers of ours do not arrive, as at any other backend.
"""

import argparse
import asyncio
import base64
import json
import logging
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn

from flyte_server import home
from flyte_server.__main__ import Server
from flyte_server.app import create_app
from flyte_server.settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

OWN = "/flyte_standalone."
OWN_HEADERS = (b"x-flyte-home", b"x-flyte-attempt")


class Recorder:
    """Wraps an application; writes one line of JSON per request of a service."""

    def __init__(self, app: Any, file: Path, *, public: bool) -> None:
        self._app = app
        self._file = file
        self._public = public
        self._lock = threading.Lock()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(("/flyteidl2.", OWN)):
            await self._app(scope, receive, send)
            return
        body = bytearray()

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    self._write(path, scope, bytes(body))
            return message

        if not self._public:
            await self._app(scope, heard, send)
        elif path.startswith(OWN):
            await heard()
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            headers = [pair for pair in scope["headers"] if pair[0] not in OWN_HEADERS]
            await self._app({**scope, "headers": headers}, heard, send)

    def _write(self, path: str, scope: Any, body: bytes) -> None:
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        line = {"path": path, "headers": headers, "body": base64.b64encode(body).decode()}
        with self._lock, self._file.open("a") as file:
            file.write(json.dumps(line) + "\n")


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home")
    parser.add_argument("port", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--public", action="store_true")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    settings = Settings.from_environment(home=given.home, auth="none")
    home.prepare(settings.home)
    listener = socket.create_server(("127.0.0.1", given.port))
    settings = replace(settings, port=given.port)
    plane = create_app(settings)
    recorder = Recorder(plane, given.file, public=given.public)
    config = uvicorn.Config(
        recorder, http="httptools", lifespan="off", log_config=None, timeout_graceful_shutdown=2
    )
    server = Server(config, plane, lambda: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    asyncio.run(server.serve([listener]))


if __name__ == "__main__":
    main()
