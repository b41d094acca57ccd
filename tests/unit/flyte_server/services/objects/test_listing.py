"""Listings of the bucket against a model: a sorted list of keys."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.clock import ManualClock

from flyte_server.blobs import LocalBlobs
from flyte_server.blobs import listing as files
from flyte_server.services.objects import documents, listing, requests
from flyte_server.services.objects.credentials import Reach
from flyte_server.services.objects.errors import ObjectError
from flyte_server.services.objects.requests import Request

PARTS = st.sampled_from(["a", "b", "a!", "a b", "ä", "b.c", "c"])
KEYS = st.lists(st.lists(PARTS, min_size=1, max_size=3).map("/".join), max_size=12)


def tree(keys: list[str]) -> list[str]:
    """Those that can be files at once: no key is the folder of another."""
    kept: list[str] = []
    for key in sorted(set(keys), key=len, reverse=True):
        if not any(other.startswith(f"{key}/") for other in kept):
            kept.append(key)
    return sorted(kept)


def expected(keys: list[str], prefix: str, after: str, *, shallow: bool) -> list[str]:
    found: list[str] = []
    for key in keys:
        if key.startswith(prefix) and key > after:
            head, slash, _ = key[len(prefix) :].partition("/")
            name = prefix + head + slash if shallow and slash else key
            if name not in found:
                found.append(name)
    return sorted(found)


@given(KEYS, st.data(), st.integers(1, 4), st.booleans())
def test_pages_show_what_a_store_of_keys_would(
    keys: list[str], data: st.DataObject, limit: int, shallow: bool
) -> None:
    keys = tree(keys)
    some = st.sampled_from([key[:n] for key in keys for n in range(len(key) + 1)] or [""])
    prefix, after = data.draw(some), data.draw(some)
    with tempfile.TemporaryDirectory() as folder:
        for key in keys:
            path = Path(folder, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        seen: list[str] = []
        at = after
        while True:
            page = files.keys(Path(folder), prefix, after=at, limit=limit, shallow=shallow)
            seen += [each.name for each in page]
            if len(page) < limit:
                break
            at = page[-1].name + "\U0010ffff" * page[-1].is_folder
    assert seen == expected(keys, prefix, after, shallow=shallow)


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[LocalBlobs]:
    made = LocalBlobs(tmp_path, b"key", ManualClock())
    yield made
    made.close()


def asked(**parameters: str) -> Request:
    return Request(
        "GET",
        "/b",
        tuple((name.replace("_", "-"), value) for name, value in parameters.items()),
        {},
    )


REACH = Reach(("p/d/",))


async def test_a_page_tells_all_that_clients_read(blobs: LocalBlobs) -> None:
    for name in ("x", "y z", "f/1", "f/2"):
        path = blobs.root / "p/d/r" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12")
    page = await listing.page(
        asked(list_type="2", prefix="p/d/r/", delimiter="/", encoding_type="url", max_keys="2"),
        REACH,
        blobs,
    )
    text = page.decode()
    assert "<Prefix>p/d/r/f/</Prefix>" in text
    assert "<Key>p/d/r/x</Key>" in text
    assert "<Size>2</Size>" in text
    assert "<IsTruncated>true</IsTruncated>" in text
    token = text.partition("<NextContinuationToken>")[2].partition("<")[0]
    second = await listing.page(
        asked(list_type="2", prefix="p/d/r/", encoding_type="url", continuation_token=token),
        REACH,
        blobs,
    )
    assert "<Key>p/d/r/y%20z</Key>" in second.decode()
    assert unquote("y%20z") == "y z"
    assert "<IsTruncated>false</IsTruncated>" in second.decode()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"prefix": "p/d/"}, "first version"),
        ({"list_type": "2", "prefix": "p/d/", "delimiter": "-"}, "delimiter"),
        ({"list_type": "2", "prefix": "q/d/"}, "reads below"),
        ({"list_type": "2"}, "reads below"),
        ({"list_type": "2", "prefix": "p/d/../../"}, "begins no key"),
        ({"list_type": "2", "prefix": "p/d//etc"}, "begins no key"),
        ({"list_type": "2", "prefix": "p/d/", "continuation_token": "%%"}, "token"),
        ({"list_type": "2", "prefix": "p/d/", "max_keys": "-1"}, "number"),
        ({"list_type": "2", "prefix": "p/d/", "max_keys": "9" * 5000}, "number"),
    ],
)
async def test_what_cannot_be_listed_is_refused(
    blobs: LocalBlobs, parameters: dict[str, str], said: str
) -> None:
    with pytest.raises(ObjectError, match=said):
        await listing.page(asked(**parameters), REACH, blobs)


@pytest.mark.parametrize(
    "key", ["../x", "a/../x", "a//x", "a/", ".", "a/./b", "a\0b", "a\x1fb", "\ud800", "/etc/passwd"]
)
def test_no_key_leads_out(key: str) -> None:
    with pytest.raises((ObjectError, UnicodeEncodeError)):
        requests.check_key(key)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"<a/>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><CompleteMultipartUpload>&a;</CompleteMultipartUpload>',
        b"<C><Part><PartNumber>0</PartNumber></Part></C>",
        b"<C><Part><PartNumber>x</PartNumber></Part></C>",
        b"<C><Part><PartNumber>2</PartNumber></Part><Part><PartNumber>1</PartNumber></Part></C>",
        b"<C><Part><PartNumber>1</PartNumber></Part><Part><PartNumber>1</PartNumber></Part></C>",
    ],
)
def test_documents_that_mean_nothing_are_refused(body: bytes) -> None:
    with pytest.raises(ObjectError):
        documents.read_parts(body)


@given(st.binary(max_size=100))
def test_random_documents_are_refused(body: bytes) -> None:
    with pytest.raises(ObjectError):
        documents.read_parts(body)
    with pytest.raises(ObjectError):
        documents.read_keys(body)
