"""A control plane that came back at another port is found there."""

import json
import os
from pathlib import Path
from typing import Any

import pyqwest
import pytest

from flyte._client.whereabouts import Following

BASE = "http://127.0.0.1:8090"


class Connections:
    """Notes where requests go."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    async def execute(self, request: pyqwest.Request) -> pyqwest.Response:
        assert request.method == "POST"
        assert request.headers["x"] == "y"
        assert request.content == b"body"
        self.urls.append(request.url)
        return pyqwest.Response(status=200)


@pytest.fixture
def connections() -> Any:
    return Connections()


@pytest.fixture
def following(connections: Any, tmp_path: Path) -> Following:
    return Following(connections, BASE, tmp_path)


async def sent(following: Following, connections: Connections, url: str) -> str:
    headers = pyqwest.Headers({"x": "y"})
    await following.execute(pyqwest.Request("POST", url, headers, b"body"))
    return connections.urls[-1]


def announce(home: Path, text: str, *, at: int) -> None:
    record = home / "server.json"
    record.write_text(text)
    os.utime(record, (at, at))


async def test_requests_follow_the_announcement(
    following: Following, connections: Connections, tmp_path: Path
) -> None:
    assert await sent(following, connections, f"{BASE}/S/M") == f"{BASE}/S/M"
    for at, port in enumerate((9001, 9002), start=1):
        announce(tmp_path, json.dumps({"endpoint": f"http://127.0.0.1:{port}"}), at=at)
        assert await sent(following, connections, f"{BASE}/S/M") == f"http://127.0.0.1:{port}/S/M"
    (tmp_path / "server.json").unlink()
    assert await sent(following, connections, f"{BASE}/S/M") == "http://127.0.0.1:9002/S/M"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
async def test_a_half_written_announcement_is_none(
    following: Following, connections: Connections, tmp_path: Path, text: str
) -> None:
    announce(tmp_path, text, at=1)
    assert await sent(following, connections, f"{BASE}/S/M") == f"{BASE}/S/M"


async def test_links_elsewhere_stay_what_they_are(
    following: Following, connections: Connections, tmp_path: Path
) -> None:
    announce(tmp_path, json.dumps({"endpoint": "http://127.0.0.1:9001"}), at=1)
    signed = "https://bucket.example.com/key?signature=1"
    assert await sent(following, connections, signed) == signed
