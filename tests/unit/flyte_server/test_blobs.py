"""Files under the data directory and the links to them."""

import base64
import hashlib
import random
import resource
import signal
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import xxhash
from tests.fakes.clock import START_US, ManualClock

from flyte_server import blobs
from flyte_server.blobs import Announced, BadLink, Link, LocalBlobs, Received
from flyte_server.domain.errors import Conflict, Invalid, NotFound

HOUR_US = 3_600_000_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[LocalBlobs]:
    store = LocalBlobs(tmp_path / "data", b"key", clock)
    yield store
    store.close()


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
        link(length=7),
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


async def content(store: LocalBlobs, path: Path, first: int, end: int) -> bytes:
    async with store.opened(path) as blob:
        assert blob is not None
        return b"".join([piece async for piece in blob.pieces(first, end)])


async def test_a_content_with_the_right_checksum_is_stored(store: LocalBlobs) -> None:
    path = store.confined("a/b")
    received = await store.receive(path, chunks(b"he", b"llo"), Announced(5, md5(b"hello")))
    assert received == Received(5, xxhash.xxh3_128_hexdigest(b"hello"))
    assert await store.read(str(path)) == b"hello"
    assert await content(store, path, 0, 5) == b"hello"
    assert await content(store, path, 1, 3) == b"el"
    assert files(store) == ["b"]


async def test_large_contents_come_and_go_in_pieces(store: LocalBlobs) -> None:
    path, data = store.confined("a/b"), random.Random(1).randbytes(7_000_001)
    pieces = [data[start : start + 65_536] for start in range(0, len(data), 65_536)]
    await store.receive(path, chunks(*pieces), Announced(len(data)))
    async with store.opened(path) as blob:
        assert blob is not None
        path.write_bytes(data + b"more")
        assert blob.size == len(data)
        found = [piece async for piece in blob.pieces(0, blob.size)]
    assert b"".join(found) == data
    assert max(map(len, found)) <= 1024 * 1024


async def test_nothing_is_stored_of_a_wrong_or_broken_content(store: LocalBlobs) -> None:
    path = store.confined("a/b")
    with pytest.raises(Invalid, match="announced was"):
        await store.receive(path, chunks(b"other"), Announced(md5=md5(b"hello")))
    with pytest.raises(Invalid, match="announced were 6"):
        await store.receive(path, chunks(b"other"), Announced(6))
    with pytest.raises(ConnectionError):
        await store.receive(path, broken(), Announced())
    assert files(store) == []


async def test_what_was_there_stays_when_its_successor_breaks(store: LocalBlobs) -> None:
    path = store.confined("a/b")
    await store.receive(path, chunks(b"old"), Announced())
    with pytest.raises(ConnectionError):
        await store.receive(path, broken(), Announced())
    assert await store.read(str(path)) == b"old"


async def test_what_cannot_fit_is_refused_before_it_comes(store: LocalBlobs) -> None:
    with pytest.raises(OSError, match="No space left"):
        await store.receive(store.confined("a/b"), chunks(b"x"), Announced(1 << 60))
    assert files(store) == []


async def test_a_disk_that_is_full_in_the_middle_leaves_nothing(store: LocalBlobs) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, limit[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            await store.receive(store.confined("a/b"), chunks(*[bytes(100_000)] * 60), Announced())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, kept)
    assert files(store) == []


async def test_the_mark_of_a_content_changes_with_it(store: LocalBlobs) -> None:
    path, marks = store.confined("a"), set[str]()
    for data in (b"one", b"two", b"three"):
        await store.receive(path, chunks(data), Announced())
        for _ in range(2):
            async with store.opened(path) as blob:
                assert blob is not None
                marks.add(blob.etag)
    assert len(marks) == 3


async def test_what_is_no_file_is_not_opened(store: LocalBlobs) -> None:
    await store.write("a/b", b"x")
    for path in ("a", "nothing", "a/b/c"):
        async with store.opened(store.confined(path)) as blob:
            assert blob is None


NAMES = ("a", "a-b/c", "a.b/c", "a0", "b/a", "b/b/c", "b/b/d", "b0", "c d/\N{SNOWMAN}")


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_files_are_listed_in_order_page_by_page(store: LocalBlobs, limit: int) -> None:
    for name in NAMES:
        await store.write(f"p/{name}", b"12345")
    (store.root / "p" / ".0123.part").write_bytes(b"arriving")
    (store.root / "p" / ".hidden").write_bytes(b"a users own")
    (store.root / "p" / "b" / "circle").symlink_to(store.root / "p")
    found, after = list[str](), ""
    while page := await store.list("p", after=after, limit=limit):
        assert len(page) <= limit
        found += [each.name for each in page]
        after = found[-1]
    assert found == sorted([*NAMES, ".hidden"])


async def test_a_file_is_its_own_list_and_nothing_has_none(store: LocalBlobs) -> None:
    await store.write("p/a", b"12345")
    (only,) = await store.list("p/a", after="", limit=10)
    assert (only.name, only.size) == ("", 5)
    with pytest.raises(NotFound):
        await store.list("p/b", after="", limit=10)


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
