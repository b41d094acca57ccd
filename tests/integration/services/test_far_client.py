"""Files of a client on another machine: the control plane's paths mean nothing to it, its links do."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.integration.services.conftest import Plane, content, write

from flyte import _session, errors
from flyte._client import ControlPlane
from flyte._session import Address, Session
from flyte.io import Dir, File
from flyte.types import _engine

FAR = "/on-another-machine"


@dataclass
class FarPlane:
    """A control plane whose paths do not exist here: each has `FAR` before it."""

    plane: ControlPlane

    @property
    def endpoint(self) -> str:
        return self.plane.endpoint

    @property
    def http(self) -> Any:
        return self.plane.http

    def transport_to(self, url: str) -> Any:
        return self.plane.transport_to(url)

    @property
    def dataproxy(self) -> "FarPlane":
        return self

    async def create_upload_location(self, request: Any) -> Any:
        answer = await self.plane.dataproxy.create_upload_location(request)
        answer.native_url = FAR + answer.native_url
        return answer

    async def own(self, service: str, method: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        asked = dict(payload)
        if "uris" in asked:
            asked["uris"] = [uri.removeprefix(FAR) for uri in asked["uris"]]
        if "prefix" in asked:
            asked["prefix"] = asked["prefix"].removeprefix(FAR)
        answer = await self.plane.own(service, method, asked)
        for item in [*answer.get("links", []), *answer.get("files", [])]:
            item["uri"] = FAR + item["uri"]
        return answer

    async def shares_files(self) -> bool:
        return False

    async def aclose(self) -> None:
        await self.plane.aclose()


@pytest.fixture
async def far(plane: Plane) -> AsyncIterator[Plane]:
    """A control plane elsewhere, and a session with it."""
    client: Any = FarPlane(ControlPlane.connect(plane.endpoint))
    session = Session(endpoint=plane.endpoint, insecure=True, project="p", domain="development")
    session.link.attach(Address(plane.endpoint, insecure=True, embedded=False), client)
    with _session.using(session):
        yield plane
    await client.aclose()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n" * 100_000)
    return path


async def test_a_file_goes_there_and_comes_back(far: Plane, source: Path, tmp_path: Path) -> None:
    file = await File.from_local(source)
    assert file.path.startswith(f"{FAR}/")
    assert file.name == "x.csv"
    assert file.lazy_uploader is None
    assert content(file.path.removeprefix(FAR)) == content(source)
    assert await file.exists()
    assert content(await file.download(tmp_path / "copy")) == content(source)
    async with file.open("r") as lines:
        assert await lines.readline() == "a,b\n"

    def blocking() -> None:
        with file.open_sync() as lines:
            assert lines.read() == source.read_bytes()
        assert Path(file.download_sync()).read_bytes() == source.read_bytes()

    await asyncio.to_thread(blocking)  # the control plane of this test needs the loop


async def test_a_directory_goes_there_and_comes_back(far: Plane, tmp_path: Path) -> None:
    tree = {"a.txt": b"a", "b/c.txt": b"", "b/d/e f.txt": b"e" * 100_000}
    for name, data in tree.items():
        write(tmp_path / "tree" / name, data)
    folder = await Dir.from_local(tmp_path / "tree")
    assert folder.path.startswith(f"{FAR}/")
    assert folder.path.endswith("/tree")
    assert [file.path.removeprefix(f"{folder.path}/") async for file in folder.walk()] == [*tree]
    copied = Path(await folder.download())
    assert {name: content(copied / name) for name in tree} == tree
    found = await folder.get_file("b/d/e f.txt")
    assert found is not None
    async with found.open() as reader:
        assert await reader.read() == tree["b/d/e f.txt"]
    assert await folder.get_file("b/nothing") is None
    assert await folder.exists()
    assert (await Dir.from_local(tmp_path / "tree")).hash == folder.hash


async def test_what_a_script_had_before_is_sent_when_it_travels(far: Plane, source: Path) -> None:
    with _session.using(Session()):
        file = await File.from_local(source)
        await file.settle()
        written = File.new_remote("out.txt")
        async with written.open("w") as out:
            await out.write("made by hand")
    for value in (file, written, File.from_existing_remote(source), File(path=str(source))):
        literal = await _engine.to_literal(value, File)
        assert literal.scalar.blob.uri.startswith(FAR)
        assert literal.hash


async def test_what_is_not_there_either(far: Plane) -> None:
    file = File.from_existing_remote(f"{FAR}{far.settings.data}/p/development/nothing.txt")
    assert not await file.exists()
    with pytest.raises(errors.StorageNotFoundError):
        await file.download()
    with pytest.raises(errors.StorageNotFoundError):
        async with file.open():
            pass
    assert not await Dir.from_existing_remote(f"{FAR}{far.settings.data}/p/development/no").exists()


async def test_damage_is_noticed_through_links(far: Plane, source: Path, tmp_path: Path) -> None:
    file = await File.from_local(source)
    write(file.path.removeprefix(FAR), b"other")
    with pytest.raises(errors.DataCorruptionError):
        await file.download(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    with pytest.raises(errors.DataCorruptionError):
        async with file.open() as reader:
            await reader.read()


async def test_a_client_does_not_write_at_a_path_of_the_other_machine(
    far: Plane, source: Path
) -> None:
    sent = await File.from_local(source)
    with pytest.raises(errors.StorageAccessError, match=r"no path of this machine.*from_local"):
        async with sent.open("wb"):
            pass
    with pytest.raises(errors.StorageAccessError), sent.open_sync("wb"):
        pass
    assert content(sent.path) is None
    own = File.new_remote("own.txt")
    async with own.open("wb") as out:
        await out.write(b"here")
    assert content(own.path) == b"here"


async def test_a_far_file_is_read_where_the_reader_goes(far: Plane, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(b"".join(number.to_bytes(8) for number in range(2_500_000)))
    sent = await File.from_local(path)
    async with sent.open("rb") as reader:
        await reader.seek(8 * 2_000_000)
        assert int.from_bytes(await reader.read(8)) == 2_000_000
        await reader.seek(0)
        assert await reader.read() == content(path)
    lines = File.new_remote("lines.txt")
    async with lines.open("w") as out:
        await out.write("one\ntwo\n" * 10)
    far_lines = await File.from_local(lines.path)
    async with far_lines.open("r") as text:
        assert [line async for line in text] == ["one\n", "two\n"] * 10
