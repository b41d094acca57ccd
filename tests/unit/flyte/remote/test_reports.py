"""`get_report` of runs and actions: which attempt is asked for, and what a link that fails becomes."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from flyteidl2.common import phase_pb2
from flyteidl2.dataproxy import dataproxy_service_pb2
from tests.fakes.remote_plane import FakePlane, attached, gone
from tests.unit.flyte.remote.test_handles import action, answered

from flyte import _session, errors
from flyte._client import documents
from flyte.remote import Action

RUNNING, FAILED = phase_pb2.ACTION_PHASE_RUNNING, phase_pb2.ACTION_PHASE_FAILED


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    plane = FakePlane()
    with _session.using(attached(plane)):
        yield plane


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[str]:
    """A server that answers each connection with the next of these texts, the last one for ever."""
    left = list(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/report.html?signature=secret"


def http(status: str, body: str) -> bytes:
    data = body.encode()
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(data)}\r\nconnection: close\r\n\r\n"
    return head.encode() + data


def link(url: str) -> dataproxy_service_pb2.CreateDownloadLinkResponse:
    urls = dataproxy_service_pb2.PreSignedURLs(signed_url=[url])
    return dataproxy_service_pb2.CreateDownloadLinkResponse(pre_signed_urls=urls)


def asked(plane: FakePlane) -> list[Any]:
    return plane.requests("create_download_link")


async def test_the_report_of_the_latest_attempt(plane: FakePlane) -> None:
    plane.answer("get_action_details", answered(RUNNING))
    async with serving(http("200 OK", "<p>größer</p>")) as url:
        plane.answer("create_download_link", link(url))
        assert await Action(action(RUNNING)).get_report.aio() == "<p>größer</p>"
        assert await Action(action(RUNNING)).get_report.aio(attempt=3) == "<p>größer</p>"
    first, third = asked(plane)
    assert first.artifact_type == dataproxy_service_pb2.ARTIFACT_TYPE_REPORT
    assert first.action_attempt_id.action_id.name == "a0"
    assert (first.action_attempt_id.attempt, third.action_attempt_id.attempt) == (1, 3)


@pytest.mark.parametrize(
    ("phase", "said"),
    [(RUNNING, "no report in attempt 1 yet; a task"), (FAILED, "no report in attempt 1; a task")],
)
def test_an_attempt_without_a_report(plane: FakePlane, phase: int, said: str) -> None:
    plane.answer("get_action_details", answered(phase))
    plane.answer("create_download_link", gone("not_found"))
    with pytest.raises(errors.RuntimeUserError, match=said) as caught:
        Action(action(phase)).get_report()
    assert caught.value.code == "NoReport"


def test_another_refusal_stays_what_it_is(plane: FakePlane) -> None:
    plane.answer("get_action_details", answered(RUNNING))
    plane.answer("create_download_link", gone("permission_denied"))
    with pytest.raises(errors.UnionRpcError, match="permission_denied"):
        Action(action(RUNNING)).get_report()


async def test_a_broken_connection_is_tried_again_from_the_start() -> None:
    cut = http("200 OK", "<p>whole</p>")[:-4]
    async with serving(cut, http("503 Busy", ""), http("200 OK", "<p>whole</p>")) as url:
        assert await documents.whole(url) == b"<p>whole</p>"


async def test_a_refused_link_is_named_without_its_signature() -> None:
    async with serving(http("403 Forbidden", "the link has expired")) as url:
        with pytest.raises(errors.StorageAccessError, match="the link has expired") as caught:
            await documents.whole(url)
    assert "secret" not in str(caught.value)
