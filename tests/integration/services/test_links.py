"""Files to and from a control plane whose data directory is not looked into, and a network in between."""

import hashlib
import os
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.fakes.proxy import Proxy, cut_after, flip_at, proxying
from tests.integration.services.conftest import Plane, content, serving, write
from tests.support import eventually

from flyte import errors
from flyte._client import ControlPlane, control_plane
from flyte._client.data import DataLinks
from flyte.storage import digests
from flyte_server.settings import Settings

MEBIBYTE = 1024 * 1024
LARGE = 70 * MEBIBYTE + 17


@dataclass(frozen=True)
class Net:
    """A control plane, and a client that reaches it through a proxy."""

    plane: Plane
    proxy: Proxy
    client: ControlPlane
    links: DataLinks

    @property
    def data(self) -> Path:
        return self.plane.settings.data

    def files(self) -> list[str]:
        return sorted(
            path.relative_to(self.data).as_posix()
            for path in self.data.rglob("*")
            if path.is_file()
        )


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Net]:
    settings = Settings(home=tmp_path / "home", host="127.0.0.2", port=0, auth="none")
    async with serving(settings) as plane, proxying("127.0.0.2", plane.settings.port) as proxy:
        client = ControlPlane.connect(proxy.endpoint)
        yield Net(plane, proxy, client, DataLinks(client, "p", "development", direct=False))
        await client.aclose()


def made(path: Path, size: int) -> Path:
    path.write_bytes(random.Random(size).randbytes(size))
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def modified(uri: str) -> float:
    return Path(uri).stat().st_mtime


def identity(uri: str) -> int:
    """Another one when another file got the name."""
    return Path(uri).stat().st_ino


@pytest.mark.parametrize("size", [0, 1, 100_000, LARGE])
async def test_a_file_comes_back_as_it_went(net: Net, tmp_path: Path, size: int) -> None:
    source = made(tmp_path / "source", size)
    uri = await net.links.upload(source, "data.bin")
    assert Path(uri).is_relative_to(net.data / "uploads" / "p" / "development")
    assert content(uri) == content(source)
    digest = await net.links.download(uri, tmp_path / "new" / "copy")
    assert (tmp_path / "new" / "copy").read_bytes() == source.read_bytes()
    assert (digest.size, digest.xxh3) == (size, digests.digest([source.read_bytes()]))
    assert await net.links.read(uri) == source.read_bytes()
    assert (await net.links.stat(uri)).size == size
    assert names(tmp_path / "new") == ["copy"]


async def test_equal_small_files_meet_at_one_address(net: Net, tmp_path: Path) -> None:
    source = made(tmp_path / "source", 1000)
    assert await net.links.upload(source, "x") == await net.links.upload(source, "x")
    assert await net.links.upload(made(tmp_path / "other", 1001), "x") not in net.files()
    assert len(net.files()) == 2


async def test_buffers_are_sent_one_after_the_other(net: Net) -> None:
    data = random.Random(1).randbytes(3 * MEBIBYTE)
    uri = await net.links.upload([data[:7], bytearray(), memoryview(data)[7:]], "x")
    assert content(uri) == data


async def test_what_is_named_by_its_content_is_sent_once(net: Net) -> None:
    data = bytes(40 * MEBIBYTE)
    uri = await net.links.upload([data], "digest", folder="large", reuse=True)
    before = identity(uri)
    os.utime(uri, (1000, 1000))
    assert await net.links.upload([data], "digest", folder="large", reuse=True) == uri
    assert identity(uri) == before
    assert modified(uri) > 1000  # it counts as just sent, so that it is not removed
    assert await net.links.upload([data[1:]], "digest", folder="large", reuse=True) == uri
    assert content(uri) == data[1:]


async def test_a_part_of_a_file_can_be_read(net: Net, tmp_path: Path) -> None:
    source = made(tmp_path / "source", LARGE)
    uri = await net.links.upload(source, "x")
    data = source.read_bytes()
    for start, size in ((0, 10), (LARGE - 5, 10), (MEBIBYTE, 40 * MEBIBYTE), (LARGE, 1), (3, 0)):
        assert await net.links.read(uri, start=start, size=size) == data[start : start + size]


async def test_files_of_one_folder_lie_together(net: Net) -> None:
    names = ["a.txt", "deep/er/b.txt", "deep/c d.txt", "deep/\N{SNOWMAN}.txt", ".hidden"]
    for name in names:
        await net.links.upload([name.encode()], name, folder="one")
    folder = f"{net.data}/uploads/p/development/one"
    found = await net.links.listing(folder)
    assert [entry.uri for entry in found] == sorted(f"{folder}/{name}" for name in names)
    for entry in found:
        assert await net.links.read(entry.uri) == entry.uri.removeprefix(f"{folder}/").encode()


async def test_where_nothing_is_nothing_is_listed(net: Net) -> None:
    assert await net.links.listing(f"{net.data}/uploads/p/development/none") == []


async def test_many_files_are_listed_over_several_pages(net: Net) -> None:
    wanted = [f"{number:05d}" for number in range(5_003)]
    folder = net.data / "p/development/r1"
    folder.mkdir(parents=True)
    for name in wanted:
        (folder / name).touch()
    found = await net.links.listing(f"{folder}/")
    assert [entry.uri for entry in found] == [f"{folder}/{name}" for name in wanted]


# --- a network that breaks ------------------------------------------------------------------------


async def test_an_upload_survives_broken_connections(net: Net, tmp_path: Path) -> None:
    source = made(tmp_path / "source", LARGE)
    net.proxy.up.extend([cut_after(30 * MEBIBYTE)] * 3)
    uri = await net.links.upload(source, "x")
    assert net.proxy.cuts == 3
    assert content(uri) == content(source)
    assert len(net.files()) == 1


async def test_an_upload_gives_up_after_some_tries_and_leaves_nothing(
    net: Net, tmp_path: Path
) -> None:
    net.proxy.always_up = cut_after(10 * MEBIBYTE)
    with pytest.raises(errors.StorageError, match=r"PUT http://127\.0\.0\.1.*failed") as caught:
        await net.links.upload(made(tmp_path / "source", LARGE), "x")
    assert "signature" not in str(caught.value)
    await eventually(lambda: net.files() == [])


async def test_a_download_goes_on_where_it_broke(net: Net, tmp_path: Path) -> None:
    source = made(tmp_path / "source", LARGE)
    uri = await net.links.upload(source, "x")
    # No connection carries more than 8 MiB: without going on, 32 MiB would never arrive.
    net.proxy.always_down = cut_after(8 * MEBIBYTE)
    await net.links.download(uri, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert net.proxy.cuts >= 8


async def test_a_download_that_never_gets_on_ends_and_leaves_nothing(
    net: Net, tmp_path: Path
) -> None:
    uri = await net.links.upload(made(tmp_path / "source", LARGE), "x")
    (tmp_path / "copy").write_text("the old one")
    net.proxy.always_down = cut_after(10_000)
    with pytest.raises(errors.StorageError, match="GET"):
        await net.links.download(uri, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "the old one"
    assert names(tmp_path) == ["copy", "home", "source"]


async def test_a_bit_that_flips_on_the_way_up_is_noticed(net: Net, tmp_path: Path) -> None:
    source = made(tmp_path / "source", LARGE)
    net.proxy.up.extend([flip_at(50 * MEBIBYTE)])
    uri = await net.links.upload(source, "x")
    assert content(uri) == content(source), "it was sent again"


async def test_a_bit_that_flips_on_the_way_down_is_noticed(net: Net, tmp_path: Path) -> None:
    source = made(tmp_path / "source", LARGE)
    uri = await net.links.upload(source, "x")
    net.proxy.always_down = flip_at(2 * MEBIBYTE)
    expected = digests.digest([source.read_bytes()])
    with pytest.raises(errors.DataCorruptionError, match=expected):
        await net.links.download(uri, tmp_path / "copy", expected=expected)
    assert not (tmp_path / "copy").exists()


async def test_a_file_that_changes_while_it_is_read_is_not_mixed(net: Net, tmp_path: Path) -> None:
    uri = await net.links.upload(made(tmp_path / "source", LARGE), "x")
    download = await net.links.found(uri)
    write(uri, b"another content")
    with pytest.raises(errors.StorageError, match="has changed meanwhile"):
        await download.fetch(Nowhere(), 0, LARGE)


class Nowhere:
    async def put(self, offset: int, piece: object) -> None:
        pass


# --- refusals -------------------------------------------------------------------------------------


async def test_what_is_missing_is_named(net: Net, tmp_path: Path) -> None:
    uri = str(net.data / "p/development/r1/a0/outputs.pb")
    for ask in (net.links.stat, net.links.read):
        with pytest.raises(errors.StorageNotFoundError, match=r"outputs\.pb"):
            await ask(uri)
    with pytest.raises(errors.StorageNotFoundError):
        await net.links.download(uri, tmp_path / "copy")
    with pytest.raises(errors.StorageNotFoundError, match="missing"):
        await net.links.upload(tmp_path / "missing", "x")


@pytest.mark.parametrize(
    "path",
    [
        "../blobs.key",
        "../state.db",
        "../server.json",
        "../data/../blobs.key",
        "top-level",
        "uploads/x",
        ".hidden/d/x",
        "p/.part/x",
    ],
)
async def test_only_the_data_of_projects_is_shown(net: Net, path: str) -> None:
    if not path.startswith("../"):
        write(net.data / path, b"secret")
    for ask in (net.links.stat, net.links.read):
        with pytest.raises(errors.StorageNotFoundError, match=r"is no data|outside|characters"):
            await ask(f"{net.data}/{path}")
    assert await net.links.listing(f"{net.data}/{path}") == []


@pytest.mark.parametrize("uri", ["/etc/passwd", "s3://bucket/x", "relative/x", ""])
async def test_only_the_data_directory_is_shown(net: Net, uri: str) -> None:
    with pytest.raises(errors.StorageNotFoundError):
        await net.links.stat(uri)
    assert await net.links.listing(uri) == []


async def test_no_symbolic_link_leads_out(net: Net, tmp_path: Path) -> None:
    write(tmp_path / "outside" / "secret", b"secret")
    folder = net.data / "p" / "development" / "r1"
    folder.mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(errors.StorageNotFoundError, match="outside"):
        await net.links.read(str(folder / "link" / "secret"))
    assert await net.links.listing(str(folder / "link")) == []
    assert await net.links.listing(str(folder)) == []


async def test_a_local_disk_that_is_full_says_so(net: Net, tmp_path: Path) -> None:
    uri = await net.links.upload(made(tmp_path / "source", 1000), "x")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(errors.StorageError, match=r"cannot write .*file/copy"):
        await net.links.download(uri, tmp_path / "file" / "copy")


async def test_a_source_that_changes_while_it_is_sent_is_refused(net: Net, tmp_path: Path) -> None:
    source = made(tmp_path / "source", LARGE)

    def changed(_before: int, data: bytes) -> bytes:
        if data.startswith(b"PUT"):
            source.write_bytes(b"short")
        return data

    net.proxy.always_up = changed
    with pytest.raises(errors.StorageError, match="changed while it was sent"):
        await net.links.upload(source, "x")
    await eventually(lambda: net.files() == [])


async def test_an_expired_link_is_replaced_on_the_way(net: Net, tmp_path: Path) -> None:
    source = made(tmp_path / "source", 1000)
    uri = await net.links.upload(source, "x")
    download = await net.links.found(uri)
    spent = download.link.signed_url.replace("expires=", "expires=1&was=")
    object.__setattr__(download.link, "signed_url", spent)
    target = Target()
    await download.fetch(target, 0, 1000)
    assert target.content == source.read_bytes()


class Target:
    content = b""

    async def put(self, offset: int, piece: bytes) -> None:
        assert offset == len(self.content)
        self.content += bytes(piece)


# --- one machine ----------------------------------------------------------------------------------


async def test_on_one_machine_files_are_copied_without_http(net: Net, tmp_path: Path) -> None:
    links = DataLinks(net.client, "p", "development")
    source = made(tmp_path / "source", LARGE)
    net.proxy.always_up = cut_after(MEBIBYTE)
    uri = await links.upload(source, "x")
    assert await links.is_here(uri)
    assert not await links.is_here("s3://bucket/x")
    await links.download(uri, tmp_path / "copy")
    assert (
        hashlib.md5((tmp_path / "copy").read_bytes()).digest()
        == hashlib.md5(source.read_bytes()).digest()
    )


async def test_a_directory_of_the_same_name_is_not_the_same(net: Net) -> None:
    key = net.plane.settings.signing_key
    assert await net.client.shares_files()
    told = await net.client.own("DataService", "Whereabouts", {})
    assert told["witness"] == str(key)
    assert control_plane.is_seen(told)
    key.unlink()
    assert not control_plane.is_seen(told)
    key.write_bytes(b"of another machine")
    assert not control_plane.is_seen(told)
