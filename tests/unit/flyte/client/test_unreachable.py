"""Whoever types a wrong address, or trusts the wrong certificate, hears what is wrong, where, and the next step."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from flyteidl2.auth.identity_pb2 import UserInfoRequest
from tests.fakes.provider import SECRET, providing

from flyte import errors
from flyte._client import ControlPlane
from flyte._client.data import DataLinks
from flyte._session import Session
from flyte.config._access import Access, Login


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def pem(authority: trustme.CA) -> bytes:
    return authority.cert_pem.bytes()


async def complaint(endpoint: str, **options: Any) -> str:
    """What a call of the control plane fails with."""
    plane = ControlPlane.connect(endpoint, access=Access(rpc_retries=0, **options))
    try:
        with pytest.raises(errors.ControlPlaneUnreachableError) as caught:
            await plane.identity.user_info(UserInfoRequest())
    finally:
        await plane.aclose()
    assert caught.value.code == "unavailable"
    assert f"cannot reach the control plane at {endpoint}: " in str(caught.value)
    return str(caught.value)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


async def test_a_wrong_host() -> None:
    told = await complaint("https://no-such-host.invalid")
    assert "no machine is called no-such-host.invalid; correct the host" in told


async def test_a_wrong_port() -> None:
    port = free_port()
    told = await complaint(f"http://127.0.0.1:{port}")
    assert (
        f"nobody listens at 127.0.0.1:{port}; correct the port, or start it with `flyte start"
        in told
    )


async def test_an_unknown_authority(authority: trustme.CA) -> None:
    async with providing(authority.issue_cert("127.0.0.1")) as provider:
        for trusted in (None, pem(trustme.CA())):
            told = await complaint(provider.base, ca_cert=trusted)
            assert "from an authority that this machine does not know" in told
            assert "ca_cert_file_path" in told


async def test_a_certificate_for_another_name(authority: trustme.CA) -> None:
    async with providing(authority.issue_cert("flyte.example.com")) as provider:
        told = await complaint(provider.base, ca_cert=pem(authority))
    assert "is for another name" in told
    assert "flyte.example.com" in told


async def test_a_certificate_of_another_time(authority: trustme.CA) -> None:
    old = authority.issue_cert(
        "127.0.0.1",
        not_before=datetime.datetime(2019, 1, 1, tzinfo=datetime.UTC),
        not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    )
    async with providing(old) as provider:
        told = await complaint(provider.base, ca_cert=pem(authority))
    assert "has expired, or the clock of this machine is wrong" in told


async def test_plain_http_spoken_to_tls(authority: trustme.CA) -> None:
    async with providing(authority.issue_cert("127.0.0.1")) as provider:
        told = await complaint(provider.base.replace("https", "http"))
    assert "does it speak TLS? Then write the endpoint as https://" in told


async def test_tls_spoken_to_plain_http() -> None:
    async with providing() as provider:
        told = await complaint(provider.base.replace("http", "https"))
    assert "speaks plain HTTP, not TLS; write the endpoint as http://" in told


async def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("garbage")
    session = Session(endpoint="https://127.0.0.1:1", ca_cert_file_path=str(file))
    with pytest.raises(errors.ConfigError, match="correct ca_cert_file_path"):
        await session.control_plane()


async def test_a_proxy_that_is_no_address_is_named() -> None:
    with pytest.raises(errors.ConfigError, match="http_proxy_url"):
        ControlPlane.connect("https://host", access=Access(http_proxy_url="::"))


async def test_the_own_authority_serves_calls_and_logins(authority: trustme.CA) -> None:
    login = Login(
        kind="ClientSecret",
        asked_for=True,
        client_id="nightly",
        client_secret=SECRET,
        use_keyring=False,
    )
    async with (
        providing(authority.issue_cert("127.0.0.1")) as provider,
        providing(authority.issue_cert("127.0.0.1")) as elsewhere,
    ):
        elsewhere.good = provider.good
        provider.token_endpoint = f"{elsewhere.base}/oauth2/token"
        provider.good = elsewhere.good = {"token-1"}
        elsewhere.good = set()
        plane = ControlPlane.connect(
            provider.base, access=Access(login=login, ca_cert=pem(authority))
        )
        assert (await plane.identity.user_info(UserInfoRequest())).name == "token-1"
        await plane.aclose()


@asynccontextmanager
async def file_server(certificate: trustme.LeafCert) -> AsyncIterator[str]:
    """An object store at another place than the control plane, whose certificate is of the same authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def test_the_own_authority_serves_transfers(authority: trustme.CA) -> None:
    async with file_server(authority.issue_cert("127.0.0.1")) as url:
        plane = ControlPlane.connect("https://flyte.test", access=Access(ca_cert=pem(authority)))
        links = DataLinks(plane, "p", "d")
        assert (await links._client(f"{url}/x").get(f"{url}/x")).text() == "ok"
        elsewhere = plane.transport_to("https://store.test/x")
        assert elsewhere is not plane.http
        assert plane.transport_to("https://flyte.test/x") is plane.http
        await plane.aclose()


async def test_a_proxy_carries_what_leaves_the_machine() -> None:
    asked: list[bytes] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    plane = ControlPlane.connect(
        "https://flyte.test", access=Access(http_proxy_url=url, rpc_retries=0)
    )
    with pytest.raises(errors.UnionRpcError):
        await plane.identity.user_info(UserInfoRequest())
    await plane.aclose()
    server.close()
    await server.wait_closed()
    assert asked[0].startswith(b"CONNECT flyte.test:443 ")


@pytest.mark.parametrize(("retries", "calls"), [(0, 1), (2, 3)])
async def test_as_many_tries_as_are_asked_for(retries: int, calls: int) -> None:
    """A server that refuses with UNAVAILABLE, as one does that is about to end."""
    heard = 0

    async def busy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(busy, "127.0.0.1", 0)
    plane = ControlPlane.connect(
        f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        access=Access(rpc_retries=retries),
    )
    with pytest.raises(errors.UnionRpcError):
        await plane.identity.user_info(UserInfoRequest())
    await plane.aclose()
    server.close()
    await server.wait_closed()
    assert heard == calls
