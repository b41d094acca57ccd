"""Bytes over real HTTP: uploads, downloads, logs, and what no request gets past."""

import asyncio
import gzip
import hashlib
from pathlib import Path
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.common import identifier_pb2
from flyteidl2.dataproxy import dataproxy_service_pb2
from flyteidl2.workflow import run_logs_service_pb2
from pyqwest import Client
from tests.fakes import messages
from tests.integration.services.conftest import Plane, content, write
from tests.support import eventually

RUN = "/flyteidl2.workflow.RunService/CreateRun"
PROTO = {"content-type": "application/proto"}


def upload_request(
    content: bytes, **fields: Any
) -> dataproxy_service_pb2.CreateUploadLocationRequest:
    return dataproxy_service_pb2.CreateUploadLocationRequest(
        project="p",
        domain="development",
        filename="fast123.tar.gz",
        content_md5=hashlib.md5(content).digest(),
        add_content_md5_metadata=True,
        **fields,
    )


async def test_a_bundle_goes_up_by_its_signed_link_and_lies_where_tasks_read_it(
    plane: Plane,
) -> None:
    code = b"code" * 1_000_000
    location = await plane.data.create_upload_location(upload_request(code))
    answer = await Client().put(location.signed_url, headers=dict(location.headers), content=code)
    assert answer.status == 200
    assert content(location.native_url) == code
    assert Path(location.native_url).is_relative_to(plane.settings.data)
    assert not list(Path(location.native_url).parent.glob(".*"))


async def test_another_content_than_the_announced_is_not_stored(plane: Plane) -> None:
    location = await plane.data.create_upload_location(upload_request(b"announced"))
    answer = await Client().put(location.signed_url, content=b"other")
    assert answer.status == 400
    assert b"announced was" in answer.content
    assert content(location.native_url) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("fast123", "fast124"),
        ("verb=PUT", "verb=GET"),
        ("expires=", "expires=9"),
        ("signature=", "signature=0"),
        ("uploads/", "uploads/%2e%2e/"),
    ],
)
async def test_a_changed_link_opens_nothing(plane: Plane, old: str, new: str) -> None:
    location = await plane.data.create_upload_location(upload_request(b"x"))
    changed = location.signed_url.replace(old, new, 1)
    assert changed != location.signed_url
    answer = await Client().put(changed, content=b"x")
    assert answer.status == 403
    assert b"new link" in answer.content


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("", "../../../../../../etc/cron.d/x"),
        ("", "../../x"),
        ("..", "x"),
        ("/etc/cron.d", "x"),
        ("a", "../.."),
        ("a/../..", "x"),
    ],
)
async def test_a_name_cannot_lead_out_of_the_uploads(plane: Plane, folder: str, name: str) -> None:
    request = upload_request(b"x", filename_root=folder)
    request.filename = name
    with pytest.raises(ConnectError) as refused:
        await plane.data.create_upload_location(request)
    assert refused.value.code is Code.INVALID_ARGUMENT


async def test_a_report_comes_down_by_its_link(plane: Plane) -> None:
    await plane.runs.create_run(messages.create())
    await eventually(lambda: plane.executor.held)
    attempt = identifier_pb2.ActionAttemptIdentifier(action_id=messages.action_id(), attempt=1)
    request = dataproxy_service_pb2.CreateDownloadLinkRequest(
        artifact_type=dataproxy_service_pb2.ARTIFACT_TYPE_REPORT, action_attempt_id=attempt
    )
    with pytest.raises(ConnectError) as refused:
        await plane.data.create_download_link(request)
    assert refused.value.code is Code.NOT_FOUND

    write(plane.settings.data / "p/development/r1/a0/1/report.html", b"<p>fine</p>")
    link = await plane.data.create_download_link(request)
    answer = await Client().get(link.pre_signed_urls.signed_url[0])
    assert answer.content == b"<p>fine</p>"
    assert answer.headers["content-type"].startswith("text/html")
    assert "sandbox" in answer.headers["content-security-policy"]


async def lines_of(plane: Plane, attempt: int) -> list[str]:
    request = run_logs_service_pb2.TailLogsRequest(action_id=messages.action_id(), attempt=attempt)
    return [
        line.message
        async for batch in plane.logs.tail_logs(request)
        for logs in batch.logs
        for line in logs.lines
    ]


async def test_logs_are_followed_while_the_attempt_lives_and_end_with_it(plane: Plane) -> None:
    await plane.runs.create_run(messages.create())
    await eventually(lambda: plane.executor.held)
    log = plane.executor.held[plane.executor.attempt("a0")].log_path
    write(log, b"first\nsecond\nbroken \xff byte\n")
    seen: list[str] = []

    async def follow() -> None:
        request = dataproxy_service_pb2.TailLogsRequest(action_id=messages.action_id(), attempt=1)
        async for batch in plane.data.tail_logs(request):
            seen.extend(line.message for logs in batch.logs for line in logs.lines)

    following = asyncio.create_task(follow())
    await eventually(lambda: seen == ["first", "second", "broken \N{REPLACEMENT CHARACTER} byte"])
    write(log, "ü".encode() * 40_000 + b"\nno newline at the end", append=True)
    await plane.executor.succeed("a0")
    await following
    assert "".join(seen[3:-1]) == "ü" * 40_000
    assert seen[-1] == "no newline at the end"
    assert await lines_of(plane, 0) == seen


async def test_ten_thousand_lines_come_in_batches(plane: Plane) -> None:
    await plane.runs.create_run(messages.create())
    await eventually(lambda: plane.executor.held)
    wanted = [f"line {number}" for number in range(10_000)]
    log = plane.executor.held[plane.executor.attempt("a0")].log_path
    write(log, "\n".join(wanted).encode())
    await plane.executor.succeed("a0")
    request = run_logs_service_pb2.TailLogsRequest(action_id=messages.action_id(), attempt=1)
    batches = [batch async for batch in plane.logs.tail_logs(request)]
    assert [line.message for b in batches for logs in b.logs for line in logs.lines] == wanted
    assert max(len(logs.lines) for batch in batches for logs in batch.logs) <= 500


async def test_a_log_that_has_not_begun_is_not_found(plane: Plane) -> None:
    await plane.runs.create_run(messages.create())
    with pytest.raises(ConnectError) as refused:
        await lines_of(plane, 7)
    assert refused.value.code is Code.NOT_FOUND
    assert "not started" in refused.value.message


async def post(plane: Plane, path: str, content: bytes, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await Client().post(plane.endpoint + path, headers=PROTO | named, content=content)


async def test_only_our_own_names_are_answered(plane: Plane) -> None:
    for host, status in (
        (f"localhost:{plane.settings.port}", 200),
        (f"127.0.0.1:{plane.settings.port}", 200),
        ("evil.example:80", 403),
        ("localhost:1", 403),
    ):
        answer = await Client().get(f"{plane.endpoint}/healthz", headers={"host": host})
        assert answer.status == status, host


async def test_health_tells_who_answers(plane: Plane) -> None:
    answer = await Client().get(f"{plane.endpoint}/healthz")
    assert answer.json()["home"] == str(plane.settings.home)


async def test_a_body_that_is_no_message_is_the_senders_fault(plane: Plane) -> None:
    answer = await post(plane, RUN, b"\xff\xff\xff")
    assert (answer.status, answer.json()["code"]) == (400, "invalid_argument")
    answer = await post(plane, RUN, b"no gzip", content_encoding="gzip")
    assert (answer.status, answer.json()["code"]) == (400, "invalid_argument")


async def test_a_body_that_unpacks_to_too_much_is_refused(plane: Plane) -> None:
    bomb = gzip.compress(bytes(plane.settings.max_message_bytes + 1))
    answer = await post(plane, RUN, bomb, content_encoding="gzip")
    assert answer.json()["code"] == "resource_exhausted"


async def test_a_body_that_is_too_large_is_refused(plane: Plane) -> None:
    answer = await post(plane, RUN, bytes(plane.settings.max_message_bytes + 1))
    assert answer.json()["code"] == "resource_exhausted"
    assert "FLYTE_SERVER_MAX_MESSAGE_MB" in answer.json()["message"]


async def test_unknown_services_and_methods_say_so(plane: Plane) -> None:
    answer = await post(plane, "/flyteidl2.nothing.Service/Do", b"")
    assert answer.status == 404
    assert answer.json()["code"] == "unimplemented"
    answer = await post(plane, "/flyteidl2.workflow.RunService/Nothing", b"")
    assert answer.status == 404


async def test_a_browser_is_told_what_it_found(plane: Plane) -> None:
    answer = await Client().get(f"{plane.endpoint}/v2/domain/development/project/p/runs/r1")
    assert answer.status == 404
    assert b"flyte get run" in answer.content


async def test_the_content_type_json_is_understood(plane: Plane) -> None:
    answer = await Client().post(
        f"{plane.endpoint}/flyteidl2.auth.IdentityService/UserInfo",
        headers={"content-type": "application/json"},
        content=b"{}",
    )
    assert answer.json()["subject"] == "local:tester"
