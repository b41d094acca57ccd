"""Web requests of notifications: encryption, and answers that are none."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme
from tests.fakes import receivers

from flyte_server.services.notices.contents import WebRequest
from flyte_server.services.notices.posting import NotSent, post


def request(url: str) -> WebRequest:
    return WebRequest("POST", url, (("content-type", "text/plain"),), b"hello")


async def test_an_encrypted_receiver_is_told_if_its_authority_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, receiver = trustme.CA(), receivers.WebReceiver()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
            await post(request(f"https://localhost:{port}/"), near=True)
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        await post(request(f"https://localhost:{port}/"), near=True)
        with pytest.raises(NotSent, match="IP address mismatch"):
            await post(request(f"https://127.0.0.1:{port}/"), near=True)
    assert [each.body for each in receiver.told] == ["hello"]


@pytest.mark.parametrize("answer", [b"", b"hello\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_what_is_no_answer_is_none(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        with pytest.raises(NotSent):
            await post(request(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), near=True)


async def test_a_name_that_is_none_is_said() -> None:
    with pytest.raises(NotSent, match="gaierror"):
        await post(request("http://no-such-host.invalid/"), near=True)
