"""Where the process listens, and to whom: loopback by default, elsewhere only with TLS and keys; slow clients go."""

import asyncio
import contextlib
import json
import signal
import socket
import ssl
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import psutil
import pytest
import trustme
import uvicorn
from tests.support import eventually, wait_until

from flyte_server.auth.keys import Keys
from flyte_server.auth.roles import Role
from flyte_server.clock import RealClock
from flyte_server.services.http.patience import HEAD_BYTES, Patient
from flyte_server.store.database import Database

COMMAND = (sys.executable, "-P", "-m", "flyte_server")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def tls(tmp_path: Path) -> list[str]:
    """Options with a certificate for this machine."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    (tmp_path / "cert.pem").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    words = [(f"--tls-{name}", str(tmp_path / f"{name}.pem")) for name in ("cert", "key", "ca")]
    return [word for pair in words for word in pair]


def refusal(home: Path, *arguments: str) -> str:
    ended = subprocess.run(
        [*COMMAND, "--home", str(home), "--port", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (home / "server.json").exists()
    return ended.stderr


@contextlib.contextmanager
def running(home: Path, *arguments: str) -> Generator[dict[str, object]]:
    """A server, and what it announces."""
    with subprocess.Popen(
        [*COMMAND, "--home", str(home), "--port", "0", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            note = home / "server.json"
            wait_until(lambda: note.exists() or process.poll() is not None, timeout_seconds=20)
            assert process.poll() is None, process.stderr and process.stderr.read()
            yield json.loads(note.read_text())
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()


def listens_at(pid: int) -> set[str]:
    found = psutil.Process(pid).net_connections("tcp")
    return {each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN}


async def make_key(home: Path) -> None:
    database = Database.open(home / "state.db")
    await Keys(database, RealClock()).create("me", Role.ADMIN, by="local:me")
    database.close()


def test_by_default_nobody_else_can_connect_and_everybody_is_asked(home: Path) -> None:
    with running(home) as record:
        assert listens_at(int(str(record["pid"]))) == {"127.0.0.1"}
        assert record["auth"] == "token"
        request = urllib.request.Request(
            f"{record['endpoint']}/flyteidl2.auth.IdentityService/UserInfo",
            b"{}",
            {"content-type": "application/json"},
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        refused.value.close()
        assert refused.value.code == 401
        for name in ("token", "auth.key", "blobs.key"):
            assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        request.add_header("authorization", f"Bearer {(home / 'token').read_text()}")
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["subject"].startswith("local:")


def test_the_token_stays_the_same(home: Path) -> None:
    with running(home):
        token = (home / "token").read_text()
    with running(home):
        assert (home / "token").read_text() == token


async def test_where_others_can_connect_it_refuses_step_by_step(home: Path, tls: list[str]) -> None:
    outside = ("--host", "0.0.0.0")
    assert "--tls-cert" in refusal(home, *outside)
    assert "leave --auth none out" in refusal(home, *outside, "--auth", "none", *tls)
    assert "flyte create api-key" in refusal(home, *outside, *tls)
    await make_key(home)
    with running(home, *outside, *tls) as record:
        assert str(record["endpoint"]).startswith("https://127.0.0.1:")
        assert record["ca_cert"] == tls[-1]
    assert "--tls-cert" in refusal(home, *outside), "a key alone is not enough"


def test_half_of_a_certificate_is_refused(home: Path, tls: list[str]) -> None:
    assert "belong together" in refusal(home, *tls[:2])
    assert "belong together" in refusal(home, *tls[2:4])


def test_with_a_certificate_nothing_is_said_in_the_clear(home: Path, tls: list[str]) -> None:
    with running(home, *tls) as record:
        context = ssl.create_default_context(cafile=tls[-1])
        with urllib.request.urlopen(f"{record['endpoint']}/healthz", context=context) as answer:
            assert answer.status == 200
        plain = str(record["endpoint"]).replace("https", "http")
        with pytest.raises((urllib.error.URLError, ConnectionError, OSError)):
            urllib.request.urlopen(f"{plain}/healthz", timeout=5)


def test_asking_nobody_is_a_choice_that_is_warned_of(home: Path) -> None:
    with running(home, "--auth", "none") as record:
        request = urllib.request.Request(
            f"{record['endpoint']}/flyteidl2.auth.IdentityService/UserInfo",
            b"{}",
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["subject"].startswith("local:")
        assert record["auth"] == "none"


class Hasty(Patient):
    """Waits for a fraction of a second."""

    header_seconds = 0.2
    pause_seconds = 0.2
    look_seconds = 0.05


async def _read_all(scope: object, receive: object, send: object) -> None:
    while (await receive()).get("more_body"):  # pyright: ignore[reportCallIssue]
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})  # pyright: ignore[reportCallIssue]  # fmt: skip
    await send({"type": "http.response.body", "body": b"ok"})  # pyright: ignore[reportCallIssue]


@pytest.fixture
async def hasty() -> AsyncIterator[int]:
    """The port of a server that is soon tired of a client."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_read_all, http=Hasty, lifespan="off", log_config=None)  # pyright: ignore[reportArgumentType]
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([listener]))
    await eventually(lambda: server.started)
    yield listener.getsockname()[1]
    server.should_exit = True
    await task


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"POST / HTTP/1.1\r\nhost: x\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf",
    ],
)
async def test_a_client_that_does_not_go_on_is_hung_up_on(hasty: int, said: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty)
    writer.write(said)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_headers_without_end_are_refused(hasty: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty)
    writer.write(b"POST / HTTP/1.1\r\nx: " + b"y" * (2 * HEAD_BYTES))
    async with asyncio.timeout(5):
        assert b"400" in await reader.readline()
    writer.close()


async def test_a_client_that_goes_on_is_waited_for(hasty: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty)
    for _ in range(2):
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\n")
        began = asyncio.get_running_loop().time()
        for piece in range(8):
            due = began + 0.1 * piece
            await eventually(lambda due=due: asyncio.get_running_loop().time() >= due)
            writer.write(b"x")
        async with asyncio.timeout(5):
            assert b"200" in await reader.readline()
            assert (await reader.readuntil(b"ok")).endswith(b"ok")
    writer.close()
