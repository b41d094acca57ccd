"""The bucket of the control plane, as clients of S3 use it: obstore, with the very variables that a task gets."""

import asyncio
import base64
import hashlib
import os
import random
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import obstore
import pytest
from flyteidl2.core import literals_pb2
from flyteidl2.task import run_pb2
from obstore.store import S3Store
from pyqwest import Client
from tests.fakes import messages
from tests.integration.services.conftest import Plane, write
from tests.support import eventually

from flyte_server.services.objects import signatures
from flyte_server.services.objects.requests import Request

DENIED = obstore.exceptions.PermissionDeniedError
MIB = 1024 * 1024


@dataclass
class Task:
    """A task of a foreign runtime that has begun."""

    plane: Plane
    env: dict[str, str]
    prefix: str
    """Where it keeps raw data: an address."""

    @property
    def bucket(self) -> str:
        return self.prefix.split("/")[2]

    @property
    def key(self) -> str:
        """The same as the beginning of keys."""
        return self.prefix.split("/", 3)[3]

    def store(self, secret: str | None = None, **options: Any) -> S3Store:
        return S3Store(
            self.bucket,
            endpoint=self.env["FLYTE_AWS_ENDPOINT"],
            access_key_id=self.env["FLYTE_AWS_ACCESS_KEY_ID"],
            secret_access_key=secret or self.env["FLYTE_AWS_SECRET_ACCESS_KEY"],
            region=self.env["AWS_REGION"],
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
            **options,
        )

    def path(self, key: str) -> Path:
        return self.plane.settings.data / key


def foreign(folder: Path) -> Path:
    """An environment that has another runtime than ours."""
    packages = folder / "foreign/lib/python3.12/site-packages"
    (packages / "flyte-2.12.1.dist-info").mkdir(parents=True)
    return folder / "foreign"


async def begun(plane: Plane, prefix: Path, run: str = "r1") -> Task:
    pair = literals_pb2.KeyValuePair(key="VIRTUAL_ENV", value=str(prefix))
    spec = messages.spec(args=("--raw-data-path", "{{.rawOutputDataPrefix}}"))
    asked = run_pb2.RunSpec(envs=run_pb2.Envs(values=[pair]))
    await plane.runs.create_run(
        messages.create(run, task_spec=spec, run_spec=asked, inputs=messages.inputs(n=1))
    )
    await eventually(lambda: any(each.run_name == run for each in plane.executor.held.values()))
    held = next(each for each in plane.executor.held.values() if each.run_name == run)
    return Task(plane, {**held.env, **held.hidden.env}, held.args[1])


@pytest.fixture
async def task(plane: Plane, tmp_path: Path) -> Task:
    return await begun(plane, foreign(tmp_path))


async def test_only_a_foreign_runtime_gets_addresses_of_the_bucket(
    plane: Plane, task: Task, tmp_path: Path
) -> None:
    assert task.prefix == f"s3://{task.bucket}/p/development/r1/a0/raw"
    packages = tmp_path / "own/lib/python3.12/site-packages"
    packages.mkdir(parents=True)
    (packages / "flyte_standalone-0.1.0.dist-info").mkdir()
    own = await begun(plane, tmp_path / "own", "r2")
    assert own.prefix == str(plane.settings.data / "p/development/r2/a0/raw")
    assert "FLYTE_AWS_ENDPOINT" not in own.env


async def test_the_secret_stands_in_no_record(plane: Plane, task: Task) -> None:
    (held,) = plane.executor.held.values()
    assert task.env["FLYTE_AWS_SECRET_ACCESS_KEY"] not in repr(held)
    assert "FLYTE_AWS_SECRET_ACCESS_KEY" not in held.env


async def test_an_object_is_a_file_below_the_run(task: Task) -> None:
    store, key = task.store(), f"{task.key}/ein Ordner/ü+%&=.bin"
    put = await obstore.put_async(store, key, b"content")
    assert task.path(key).read_bytes() == b"content"
    head = await obstore.head_async(store, key)
    assert (head["size"], head["e_tag"]) == (7, put["e_tag"])
    got = await obstore.get_async(store, key)
    assert bytes(await got.bytes_async()) == b"content"
    assert bytes(await obstore.get_range_async(store, key, start=2, end=5)) == b"nte"
    await obstore.delete_async(store, key)
    with pytest.raises(FileNotFoundError):
        await obstore.head_async(store, key)


async def test_a_large_object_comes_in_parts(task: Task) -> None:
    store, key = task.store(), f"{task.key}/large"
    data = os.urandom(17 * MIB + 5)
    await obstore.put_async(store, key, data, use_multipart=True, chunk_size=5 * MIB)
    assert hashlib.sha256(task.path(key).read_bytes()).digest() == hashlib.sha256(data).digest()
    assert not list((task.plane.settings.home / "work").glob("multipart-*"))
    got = await obstore.get_async(store, key)
    assert bytes(await got.bytes_async()) == data


@pytest.mark.parametrize("options", [{"checksum_algorithm": "SHA256"}, {"unsigned_payload": True}])
async def test_contents_may_be_announced_in_each_way(task: Task, options: dict[str, Any]) -> None:
    key = f"{task.key}/x"
    await obstore.put_async(task.store(**options), key, b"content")
    assert task.path(key).read_bytes() == b"content"


async def test_a_new_object_does_not_replace_another(task: Task) -> None:
    store, key = task.store(), f"{task.key}/once"
    outcomes = await asyncio.gather(
        *(obstore.put_async(store, key, bytes([n]), mode="create") for n in range(8)),
        return_exceptions=True,
    )
    assert sum(not isinstance(each, BaseException) for each in outcomes) == 1
    assert {type(each) for each in outcomes if isinstance(each, BaseException)} <= {
        obstore.exceptions.AlreadyExistsError
    }


async def test_a_listing_shows_all_files_over_several_pages(task: Task) -> None:
    store = task.store()
    keys = sorted(
        f"{task.key}/{folder}/{n:04d}" for folder in ("a", "b", "b!c") for n in range(400)
    )
    for key in keys:
        write(task.path(key), b"x")
    found = await obstore.list(store, prefix=task.key).collect_async()
    assert sorted(each["path"] for each in found) == keys
    level = await obstore.list_with_delimiter_async(store, task.key)
    assert sorted(level["common_prefixes"]) == [f"{task.key}/{each}" for each in ("a", "b", "b!c")]
    assert not level["objects"]


async def test_an_object_can_be_copied_and_renamed(task: Task) -> None:
    store, key = task.store(), f"{task.key}/source"
    await obstore.put_async(store, key, b"content")
    await obstore.copy_async(store, key, f"{task.key}/copy")
    await obstore.rename_async(store, key, f"{task.key}/moved")
    found = await obstore.list(store, prefix=task.key).collect_async()
    assert [each["path"] for each in found] == [f"{task.key}/copy", f"{task.key}/moved"]


async def test_many_objects_go_at_once(task: Task) -> None:
    store = task.store()
    keys = [f"{task.key}/{n}" for n in range(3)]
    for key in keys:
        write(task.path(key), b"x")
    await obstore.delete_async(store, keys)
    assert not any(task.path(key).exists() for key in keys)


async def test_a_signed_link_is_good_for_what_it_was_made_for(task: Task) -> None:
    store, key = task.store(), f"{task.key}/linked"
    await obstore.put_async(store, key, b"content")
    link = await obstore.sign_async(store, "GET", key, timedelta(minutes=1))
    assert (await Client().get(link)).content == b"content"
    assert (await Client().get(link.replace("linked", "linket"))).status == 403
    assert (await Client().put(link, content=b"other")).status == 403
    assert (await Client().get(link.replace("Expires=60", "Expires=600"))).status == 403
    put = await obstore.sign_async(store, "PUT", key, timedelta(minutes=1))
    assert (await Client().put(put, content=b"other")).status == 200
    assert task.path(key).read_bytes() == b"other"


async def test_another_secret_opens_nothing(task: Task) -> None:
    write(task.path(f"{task.key}/x"), b"x")
    with pytest.raises(DENIED):
        await obstore.get_async(task.store("0" * 64), f"{task.key}/x")


async def test_a_run_reads_its_project_and_writes_only_itself(task: Task, tmp_path: Path) -> None:
    store = task.store()
    for key in ("p/development/r0/a0/raw/x", "uploads/p/development/f/x", "q/development/r0/x"):
        write(task.path(key), b"content")
    assert (await obstore.head_async(store, "p/development/r0/a0/raw/x"))["size"] == 7
    assert (await obstore.head_async(store, "uploads/p/development/f/x"))["size"] == 7
    for key in ("q/development/r0/x", "state.db", "p/production/r0/x"):
        with pytest.raises(DENIED):
            await obstore.get_async(store, key)
    for key in ("p/development/r0/a0/raw/x", "uploads/p/development/f/x", "q/development/r1/x"):
        with pytest.raises(DENIED):
            await obstore.put_async(store, key, b"mine")
        with pytest.raises(DENIED):
            await obstore.copy_async(store, f"{task.key}/x", key)
    assert task.path("p/development/r0/a0/raw/x").read_bytes() == b"content"
    with pytest.raises(obstore.exceptions.GenericError, match="AccessDenied"):
        await obstore.list(store, prefix="q/development").collect_async()


async def test_no_link_leads_out(task: Task, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = task.path(task.key)
    folder.mkdir(parents=True)
    (folder / "file").symlink_to(tmp_path / "secret")
    (folder / "folder").symlink_to(task.path("p/development"))
    (task.path("p/development/r0")).mkdir(parents=True)
    for key in ("file", "folder/r0/x"):
        with pytest.raises(Exception, match=r"leads out|not 'p/development|may not be changed"):
            await obstore.put_async(task.store(), f"{task.key}/{key}", b"x")
    with pytest.raises(Exception, match="leads out"):
        await obstore.get_async(task.store(), f"{task.key}/file")
    theirs = task.path("p/development/r0/x")
    theirs.write_bytes(b"theirs")
    asked = f"<Delete><Object><Key>{task.key}/folder/r0/x</Key></Object></Delete>"
    assert await send(task, "POST", f"/{task.bucket}", "delete", asked.encode()) == 200
    assert theirs.read_bytes() == b"theirs"


async def test_a_run_that_has_ended_writes_no_more(task: Task) -> None:
    store = task.store()
    await obstore.put_async(store, f"{task.key}/x", b"x")
    await _ended(task)
    with pytest.raises(DENIED):
        await obstore.put_async(store, f"{task.key}/y", b"y")
    assert (await obstore.head_async(store, f"{task.key}/x"))["size"] == 1


async def _ended(task: Task) -> None:
    (held,) = task.plane.executor.held.values()
    write(f"{held.output_prefix}/outputs.pb", messages.outputs().SerializeToString())
    await task.plane.executor.succeed("a0")


async def test_errors_are_those_of_s3(task: Task) -> None:
    endpoint = f"{task.env['FLYTE_AWS_ENDPOINT']}/{task.bucket}"
    answer = await Client().get(f"{endpoint}/p/development/r1/x")
    assert answer.status == 403
    assert ElementTree.fromstring(answer.content).findtext("Code") == "AccessDenied"
    for path in ("p//x", "p/%ff", "p/%00"):
        assert (await Client().get(f"{endpoint}/{path}")).status in {400, 403}


async def test_a_key_cannot_be_a_file_and_a_folder(task: Task) -> None:
    store = task.store()
    await obstore.put_async(store, f"{task.key}/x", b"x")
    with pytest.raises(Exception, match="both an object and the beginning of others"):
        await obstore.put_async(store, f"{task.key}/x/y", b"y")
    with pytest.raises(Exception, match="longer than 255 bytes"):
        await obstore.put_async(store, f"{task.key}/{'n' * 300}", b"y")


async def test_a_content_with_another_checksum_is_not_stored(task: Task) -> None:
    key = f"{task.key}/x"
    link = await obstore.sign_async(task.store(), "PUT", key, timedelta(minutes=1))
    wrong = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()
    answer = await Client().put(link, {"content-md5": wrong}, content=b"content")
    assert answer.status == 400
    assert ElementTree.fromstring(answer.content).findtext("Code") == "BadDigest"
    assert not list(task.path(task.key).glob("*"))


async def test_an_upload_that_breaks_off_leaves_nothing(task: Task) -> None:
    key = f"{task.key}/x"
    link = await obstore.sign_async(task.store(), "PUT", key, timedelta(minutes=1))
    address = urlsplit(link)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"PUT {address.path}?{address.query} HTTP/1.1\r\nhost: {address.netloc}\r\n"
    writer.write(f"{head}content-length: 1000\r\n\r\nonly this".encode())
    await writer.drain()
    folder = task.path(task.key)
    await eventually(lambda: folder.exists() and list(folder.iterdir()))
    writer.close()
    await writer.wait_closed()
    await eventually(lambda: not list(folder.iterdir()))
    assert not await reader.read()


async def send(task: Task, method: str, path: str, query: str, body: bytes) -> int:
    """A request of any kind, rightly signed; its status."""
    host = urlsplit(task.env["FLYTE_AWS_ENDPOINT"]).netloc
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{moment[:8]}/us-east-1/s3/aws4_request"
    names = ("host", "x-amz-content-sha256", "x-amz-date")
    headers = {"host": host, "x-amz-date": moment, "x-amz-content-sha256": signatures.UNSIGNED}
    asked = Request.of(
        {
            "method": method,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    access_key = task.env["FLYTE_AWS_ACCESS_KEY_ID"]
    claims = signatures.Signed(access_key, scope, moment, names, "", signatures.UNSIGNED)
    secret = task.env["FLYTE_AWS_SECRET_ACCESS_KEY"]
    signature = signatures.signature(secret, scope, claims.to_sign(asked))
    authorization = (
        f"{signatures.ALGORITHM} Credential={access_key}/{scope},"
        f"SignedHeaders={';'.join(names)},Signature={signature}"
    )
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines += [
        f"authorization: {authorization}",
        f"content-length: {len(body)}",
        "connection: close",
    ]
    reader, writer = await asyncio.open_connection(*host.split(":"))
    head = "\r\n".join((f"{method} {path}{'?' * bool(query)}{query} HTTP/1.1", *lines))
    writer.write(f"{head}\r\n\r\n".encode() + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(answer.split(b" ", 2)[1])


async def test_no_signed_request_breaks_the_endpoint(task: Task) -> None:
    """Requests at random, by somebody who may make them: never an internal error, never a hung connection."""
    chance = random.Random(6)
    queries = (
        *("uploads", "uploadId=x", "partNumber=1", "partNumber=%C2%B2", "delete", "location"),
        *(
            "list-type=2",
            "prefix=p%2Fdevelopment%2F",
            "max-keys=x",
            "delimiter=%2F",
            "acl",
            "tagging",
        ),
        *(
            "continuation-token=AA==",
            f"uploadId={'0' * 32}",
            "start-after=%ED%95%9C",
            "prefix=p%00",
        ),
    )
    keys = (
        "",
        "x",
        "x/y",
        "%2e%2e/x",
        "a%00b",
        "%F0%9F%92%A9",
        "raw",
        "n" * 300,
        "x/",
        "a%2Fb",
        "%0A",
    )
    bodies = (
        b"",
        b"x",
        b"<a/>",
        b"<Delete><Object><Key>../x</Key></Object></Delete>",
        b"\xff" * 50,
    )
    seen: set[int] = set()
    for _ in range(400):
        method = chance.choice(("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"))
        key = chance.choice(keys)
        path = f"/{task.bucket}" if chance.random() < 0.2 else f"/{task.bucket}/{task.key}/{key}"
        query = "&".join(chance.sample(queries, chance.randrange(4)))
        status = await asyncio.wait_for(send(task, method, path, query, chance.choice(bodies)), 10)
        assert status < 500 or status == 501, (method, path, query, status)
        seen.add(status)
    assert {200, 204, 400, 404, 501} <= seen
    assert not list(task.plane.settings.home.glob("x"))
