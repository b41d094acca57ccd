"""Signed links as any HTTP client uses them: ranges, marks, refusals; and the frame of our own services."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import xxhash
from flyteidl2.dataproxy import dataproxy_service_pb2
from pyqwest import Client, FullResponse
from tests.integration.services.conftest import Plane, content, write
from tests.support import eventually

DATA = bytes(range(256)) * 40


async def call(plane: Plane, method: str, payload: dict[str, Any], **headers: str) -> FullResponse:
    return await Client().post(
        f"{plane.endpoint}/flyte_standalone.v1.DataService/{method}",
        {"content-type": "application/json"} | headers,
        content=payload,
    )


async def link_to(plane: Plane, data: bytes = DATA) -> dict[str, Any]:
    path = plane.settings.data / "p/development/r1/a0/data.bin"
    write(path, data)
    answer = await call(plane, "CreateDownloadLinks", {"uris": [str(path)]})
    assert answer.status == 200, answer.text()
    (link,) = answer.json()["links"]
    return link


async def upload_link(plane: Plane, **fields: Any) -> Any:
    request = dataproxy_service_pb2.CreateUploadLocationRequest(
        project="p", domain="development", filename="x", filename_root="f", **fields
    )
    return await plane.data.create_upload_location(request)


async def test_a_link_tells_what_will_come(plane: Plane) -> None:
    link = await link_to(plane)
    assert link["size"] == len(DATA)
    answer = await Client().get(link["signed_url"])
    assert (answer.status, answer.content) == (200, DATA)
    assert answer.headers["etag"] == link["etag"]
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("wanted", "first", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=1000-", 1000, len(DATA)),
        ("bytes=-7", len(DATA) - 7, len(DATA)),
    ],
)
async def test_a_part_of_a_file(plane: Plane, wanted: str, first: int, end: int) -> None:
    link = await link_to(plane)
    answer = await Client().get(link["signed_url"], {"range": wanted, "if-range": link["etag"]})
    assert answer.status == 206
    assert answer.content == DATA[first:end]
    assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/{len(DATA)}"


async def test_a_part_behind_the_end_does_not_exist(plane: Plane) -> None:
    link = await link_to(plane)
    answer = await Client().get(link["signed_url"], {"range": f"bytes={len(DATA)}-"})
    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{len(DATA)}"


async def test_a_part_of_what_has_changed_is_the_whole_of_the_new(plane: Plane) -> None:
    link = await link_to(plane)
    await link_to(plane, b"new")
    answer = await Client().get(
        link["signed_url"], {"range": "bytes=0-1", "if-range": link["etag"]}
    )
    assert (answer.status, answer.content) == (200, b"new")
    assert answer.headers["etag"] != link["etag"]


async def test_head_tells_the_same_without_the_content(plane: Plane) -> None:
    link = await link_to(plane)
    answer = await Client().head(link["signed_url"])
    assert (answer.status, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(DATA))
    assert answer.headers["etag"] == link["etag"]


async def test_links_end_when_asked_to(plane: Plane) -> None:
    path = str(plane.settings.data / "p/development/r1/a0/data.bin")
    await link_to(plane)
    answer = await call(plane, "CreateDownloadLinks", {"uris": [path], "expires_in": 3600})
    expires = int(
        answer.json()["links"][0]["signed_url"].partition("expires=")[2].partition("&")[0]
    )
    assert 3590 < expires / 1e6 - time.time() <= 3600


async def test_a_link_has_the_scheme_that_the_client_uses(plane: Plane) -> None:
    uris = {"uris": [(await link_to(plane))["uri"]]}
    plain = await call(plane, "CreateDownloadLinks", uris)
    behind_tls = await call(plane, "CreateDownloadLinks", uris, **{"x-forwarded-proto": "https"})
    assert plain.json()["links"][0]["signed_url"].startswith(f"{plane.endpoint}/blobs/")
    assert behind_tls.json()["links"][0]["signed_url"].startswith("https://127.0.0.1")


async def test_an_upload_is_answered_with_the_checksum_of_what_arrived(plane: Plane) -> None:
    location = await upload_link(plane, content_length=len(DATA))
    answer = await Client().put(location.signed_url, content=DATA)
    assert answer.status == 200
    assert answer.headers["x-content-xxh3"] == xxhash.xxh3_128_hexdigest(DATA)
    assert content(location.native_url) == DATA


async def test_another_length_than_the_announced_is_not_stored(plane: Plane) -> None:
    location = await upload_link(plane, content_length=len(DATA))
    answer = await Client().put(location.signed_url, content=DATA[1:])
    assert (answer.status, answer.json()["code"]) == (400, "invalid_argument")

    async def chunked() -> AsyncIterator[bytes]:
        yield DATA[1:]

    answer = await Client().put(location.signed_url, content=chunked())
    assert answer.status == 400
    assert f"announced were {len(DATA)}" in answer.json()["message"]
    assert content(location.native_url) is None


async def test_a_full_disk_has_a_status_of_its_own(plane: Plane) -> None:
    location = await upload_link(plane)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)

    answer = await Client().put(location.signed_url, {"content-length": str(1 << 60)}, endless())
    assert (answer.status, answer.json()["code"]) == (507, "resource_exhausted")
    assert "make room" in answer.json()["message"]
    assert not [path for path in plane.settings.data.rglob("*") if path.is_file()]


async def test_a_client_that_hangs_up_leaves_nothing(plane: Plane) -> None:
    location = await upload_link(plane)
    target = location.signed_url.removeprefix(plane.endpoint)
    _, writer = await asyncio.open_connection("127.0.0.1", plane.settings.port)
    head = f"PUT {target} HTTP/1.1\r\nhost: 127.0.0.1:{plane.settings.port}\r\ncontent-length: 99999999\r\n\r\n"
    writer.write(head.encode() + bytes(5_000_000))
    await writer.drain()
    data = plane.settings.data
    await eventually(lambda: list(data.rglob("*.part")))
    writer.close()
    await writer.wait_closed()
    await eventually(lambda: not list(data.rglob("*.part")))
    assert content(location.native_url) is None


# --- the frame ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "payload", "said"),
    [
        (
            "CreateDownloadLinks",
            {},
            "DataService/CreateDownloadLinks needs a list of strings as 'uris'",
        ),
        ("CreateDownloadLinks", {"uris": ["x", 1]}, "got ['x', 1]"),
        ("CreateDownloadLinks", {"uris": ["x"], "expires_in": -1}, "at least 0 as 'expires_in'"),
        ("CreateDownloadLinks", {"uris": ["x"] * 1001}, "1001 links are too many"),
        ("ListFiles", {"prefix": 5}, "DataService/ListFiles needs a string as 'prefix', but got 5"),
        ("ListFiles", {"prefix": "/x", "limit": 1.5}, "a whole number"),
    ],
)
async def test_a_wrong_field_is_named(
    plane: Plane, method: str, payload: dict[str, Any], said: str
) -> None:
    answer = await call(plane, method, payload)
    assert (answer.status, answer.json()["code"]) == (400, "invalid_argument")
    assert said in answer.json()["message"]


async def test_a_method_that_is_not_there_is_not_found(plane: Plane) -> None:
    assert (await call(plane, "Nothing", {})).status == 404


async def test_pages_of_a_list_follow_each_other(plane: Plane) -> None:
    folder = plane.settings.data / "p/development/r1"
    for name in "abc":
        write(folder / name, name.encode())
    first = (await call(plane, "ListFiles", {"prefix": str(folder), "limit": 2})).json()
    assert [file["uri"] for file in first["files"]] == [f"{folder}/a", f"{folder}/b"]
    rest = (
        await call(plane, "ListFiles", {"prefix": str(folder), "limit": 2, "after": first["next"]})
    ).json()
    assert [file["uri"] for file in rest["files"]] == [f"{folder}/c"]
    assert rest["next"] == ""
