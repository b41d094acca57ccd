"""Files under the data directory and the links to them."""

import base64
import hashlib
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.clock import START_US, ManualClock

from flyte_server import blobs
from flyte_server.blobs import BadLink, Link, LocalBlobs
from flyte_server.domain.errors import Conflict, Invalid, NotFound

HOUR_US = 3_600_000_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> LocalBlobs:
    return LocalBlobs(tmp_path / "data", b"key", clock)


def link(**fields: object) -> Link:
    values = {"verb": "PUT", "path": "a/b", "expires_at": START_US + HOUR_US, "md5": "m"}
    return Link(**{**values, **fields})  # pyright: ignore[reportArgumentType]


def signature(store: LocalBlobs, of: Link) -> str:
    return store.sign(of).partition("signature=")[2]


def test_the_key_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "blobs.key"
    key = blobs.load_key(path)
    assert len(key) == 32
    assert blobs.load_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [path.name] == [file.name for file in path.parent.iterdir()]


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/passwd", "a/../..", "", ".", "a\0b", "../data-other/x"]
)
def test_no_path_leads_out_of_the_data_directory(store: LocalBlobs, path: str) -> None:
    with pytest.raises((Invalid, ValueError)):
        store.confined(path)


def test_no_symbolic_link_leads_out_either(store: LocalBlobs, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (store.root / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(Invalid):
        store.confined("link/x")


def test_a_link_opens_what_it_was_made_for(store: LocalBlobs) -> None:
    good = link()
    assert store.verify(good, signature(store, good)) == store.root / "a" / "b"


@pytest.mark.parametrize(
    "other",
    [
        link(verb="GET"),
        link(path="a/c"),
        link(expires_at=START_US + 2 * HOUR_US),
        link(md5=""),
    ],
)
def test_a_link_opens_nothing_else(store: LocalBlobs, other: Link) -> None:
    with pytest.raises(BadLink):
        store.verify(other, signature(store, link()))


def test_a_link_of_another_key_opens_nothing(store: LocalBlobs, clock: ManualClock) -> None:
    other = LocalBlobs(store.root, b"other key", clock)
    with pytest.raises(BadLink):
        store.verify(link(), signature(other, link()))


def test_a_link_ends_when_its_time_is_over(store: LocalBlobs, clock: ManualClock) -> None:
    good = link()
    text = signature(store, good)
    clock.advance(3_600)
    store.verify(good, text)
    clock.advance(1)
    with pytest.raises(BadLink, match="expired"):
        store.verify(good, text)


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def broken() -> AsyncIterator[bytes]:
    yield b"half"
    raise ConnectionError


def md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


def files(store: LocalBlobs) -> list[str]:
    return [file.name for file in store.root.rglob("*") if file.is_file()]


async def test_a_content_with_the_right_checksum_is_stored(store: LocalBlobs) -> None:
    path = store.confined("a/b")
    await store.receive(path, chunks(b"he", b"llo"), md5=md5(b"hello"))
    assert await store.read(str(path)) == b"hello"
    assert [piece async for piece in store.send(path, 5)] == [b"hello"]
    assert files(store) == ["b"]


async def test_nothing_is_stored_of_a_wrong_or_broken_content(store: LocalBlobs) -> None:
    path = store.confined("a/b")
    with pytest.raises(Invalid, match="announced was"):
        await store.receive(path, chunks(b"other"), md5=md5(b"hello"))
    with pytest.raises(ConnectionError):
        await store.receive(path, broken(), md5="")
    assert files(store) == []


async def test_what_is_missing_is_named(store: LocalBlobs) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        await store.read(str(store.root / "nowhere"))


async def test_local_addresses_have_two_spellings_and_others_are_refused(
    store: LocalBlobs,
) -> None:
    written = await store.write("a b/c", b"x")
    assert await store.read(f"file://{written.replace(' ', '%20')}") == b"x"
    with pytest.raises(Conflict, match="s3://bucket/x"):
        await store.read("s3://bucket/x")
    with pytest.raises(Conflict, match="outside"):
        store.relative("/etc/passwd")
