"""Signatures of S3: the examples of its documentation, and requests that were changed."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyte_server.services.objects import payloads, signatures
from flyte_server.services.objects.errors import ObjectError
from flyte_server.services.objects.requests import Request
from flyte_server.services.objects.signatures import ALGORITHM, EMPTY_SHA256, Signed

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CREDENTIAL = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"
MOMENT = "20130524T000000Z"
NOW = 1369353600.0
"""The moment of the examples."""


def request(
    method: str = "GET", path: str = "/test.txt", query: str = "", **headers: str
) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {
        "method": method,
        "raw_path": quote(path).encode(),
        "query_string": query.encode(),
        "headers": named,
    }
    return Request.of(scope)


def authorization(names: str, signature: str) -> str:
    return f"{ALGORITHM} Credential={CREDENTIAL},SignedHeaders={names},Signature={signature}"


def get(signature: str, **changed: str) -> Request:
    names = "host;range;x-amz-content-sha256;x-amz-date"
    return request(
        **{
            "host": "examplebucket.s3.amazonaws.com",
            "range": "bytes=0-9",
            "x_amz_content_sha256": EMPTY_SHA256,
            "x_amz_date": MOMENT,
            "authorization": authorization(names, signature),
            **changed,
        }
    )


GOOD = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"


def check(asked: Request, secret: str = SECRET, now: float = NOW) -> None:
    Signed.of(asked).check(asked, secret, now)


def test_the_example_of_a_get() -> None:
    check(get(GOOD))


def test_the_example_of_a_put() -> None:
    names = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class"
    signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    check(
        request(
            "PUT",
            "/test$file.text",
            host="examplebucket.s3.amazonaws.com",
            date="Fri, 24 May 2013 00:00:00 GMT",
            x_amz_content_sha256=hashlib.sha256(b"Welcome to Amazon S3.").hexdigest(),
            x_amz_date=MOMENT,
            x_amz_storage_class="REDUCED_REDUNDANCY",
            authorization=authorization(names, signature),
        )
    )


def link(expires: int = 86400, signature: str | None = None) -> Request:
    good = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    query = (
        f"X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={quote(CREDENTIAL, safe='')}&X-Amz-Date={MOMENT}"
        f"&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature={signature or good}"
    )
    return request(query=query, host="examplebucket.s3.amazonaws.com")


def test_the_example_of_a_signed_link_and_the_end_of_its_life() -> None:
    check(link())
    check(link(), now=NOW + 86400)
    with pytest.raises(ObjectError, match="expired"):
        check(link(), now=NOW + 86401)
    with pytest.raises(ObjectError, match="does not fit"):
        check(link(expires=604800))
    with pytest.raises(ObjectError, match=r"life of up to|number up to"):
        check(link(expires=604801))


@pytest.mark.parametrize("apart", [-901, 901, 1e9, -1e9])
def test_a_clock_that_is_wrong_is_named(apart: float) -> None:
    with pytest.raises(ObjectError, match="set the clock") as refused:
        check(get(GOOD), now=NOW + apart)
    assert refused.value.code == "RequestTimeTooSkewed"
    check(get(GOOD), now=NOW + apart / abs(apart) * 899)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"range": "bytes=0-10"}, "does not fit"),
        ({"host": "examplebucket.s3.amazonaws.org"}, "does not fit"),
        ({"x_amz_content_sha256": "0" * 64}, "does not fit"),
        ({"x_amz_acl": "public-read"}, "must be signed and are not: x-amz-acl"),
        ({"x_amz_date": "20130525T000000Z"}, "day of the credential"),
        ({"x_amz_date": "yesterday"}, "no date"),
        ({"authorization": "Bearer x"}, "is not signed"),
        ({"authorization": ""}, "is not signed"),
        ({"authorization": f"{ALGORITHM} Credential=a/b"}, "no credential"),
        ({"authorization": authorization("range", GOOD)}, "must be signed"),
    ],
)
def test_what_was_changed_is_refused(changed: dict[str, str], said: str) -> None:
    with pytest.raises(ObjectError, match=said):
        check(get(GOOD, **changed))


def test_another_secret_is_refused() -> None:
    with pytest.raises(ObjectError, match="does not fit"):
        check(get(GOOD), secret=SECRET[:-1])


PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
PAIRS = st.lists(
    st.tuples(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), PATHS), max_size=4
)


@given(PATHS, PAIRS, PATHS)
def test_any_address_can_be_signed_and_no_other_passes(
    path: str, pairs: list[tuple[str, str]], other: str
) -> None:
    def signed(path: str, signature: str) -> Request:
        query = "&".join(
            f"{quote('p' + name, safe='')}={quote(value, safe='')}" for name, value in pairs
        )
        return request(
            "GET",
            f"/{path}",
            query,
            host="h",
            x_amz_date=MOMENT,
            x_amz_content_sha256=signatures.UNSIGNED,
            authorization=authorization("host;x-amz-content-sha256;x-amz-date", signature),
        )

    blank = signed(path, "0")
    claims = Signed.of(blank)
    signature = signatures.signature(SECRET, claims.scope, claims.to_sign(blank))
    check(signed(path, signature))
    if other != path:
        with pytest.raises(ObjectError):
            check(signed(other, signature))


# --- bodies ---------------------------------------------------------------------------------------

SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
CHUNKS = (
    (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
)


def framed() -> bytes:
    return b"".join(
        f"{size:x};chunk-signature={signature}\r\n".encode() + b"a" * size + b"\r\n"
        for size, signature in CHUNKS
    )


async def streamed(body: bytes, piece: int = 1000) -> AsyncIterator[bytes]:
    for first in range(0, len(body), piece):
        yield body[first : first + piece]


def upload(**changed: str) -> Request:
    names = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
    return request(
        "PUT",
        "/examplebucket/chunkObject.txt",
        **{
            "host": "s3.amazonaws.com",
            "x_amz_date": MOMENT,
            "x_amz_storage_class": "REDUCED_REDUNDANCY",
            "authorization": authorization(names + "x-amz-storage-class", SEED),
            "x_amz_content_sha256": f"STREAMING-{ALGORITHM}-PAYLOAD",
            "content_encoding": "aws-chunked",
            "x_amz_decoded_content_length": "66560",
            "content_length": "66824",
            **changed,
        },
    )


async def unpacked(asked: Request, body: bytes, piece: int = 1000) -> bytes:
    payload = payloads.payload(asked, Signed.of(asked), SECRET, streamed(body, piece))
    return b"".join([chunk async for chunk in payload.chunks])


@pytest.mark.parametrize("piece", [1, 7, 1000, 100_000])
async def test_the_example_of_a_body_in_chunks(piece: int) -> None:
    asked = upload()
    check(asked)
    assert await unpacked(asked, framed(), piece) == b"a" * 66560


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"aaaa\r\n", b"aaab\r\n", "signature of a chunk"),
        (b"400;", b"401;", "longer than it says"),
        (b"400;", b"zzz;", "size"),
        (b"b6c6", b"b6c7", "signature of a chunk"),
    ],
)
async def test_a_changed_chunk_is_refused(old: bytes, new: bytes, said: str) -> None:
    assert old in framed()
    with pytest.raises(ObjectError, match=said):
        await unpacked(upload(), framed().replace(old, new))


async def test_a_body_that_ends_early_is_refused() -> None:
    for end in (0, 50, 60_000, 66_700):
        with pytest.raises(ObjectError, match="no sequence of chunks"):
            await unpacked(upload(), framed()[:end])


@given(st.binary(max_size=200))
async def test_random_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(ObjectError):
        await unpacked(upload(), body)


@pytest.mark.parametrize(("crc", "is_right"), [("NSRBwg==", True), ("NSRBwQ==", False)])
async def test_a_checksum_behind_the_body_is_compared(crc: str, is_right: bool) -> None:
    """As newer clients send it: unsigned chunks, and a CRC32 as a trailer."""
    asked = upload(
        x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        x_amz_trailer="x-amz-checksum-crc32",
        x_amz_decoded_content_length="3",
    )
    body = f"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n".encode()
    if is_right:
        assert await unpacked(asked, body) == b"abc"
    else:
        with pytest.raises(ObjectError, match="crc32"):
            await unpacked(asked, body)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"x_amz_decoded_content_length": "-1"}, "MissingContentLength"),
        ({"x_amz_decoded_content_length": "²"}, "MissingContentLength"),
        ({"x_amz_content_sha256": "STREAMING-NEW"}, "InvalidArgument"),
        ({"x_amz_content_sha256": "md5"}, "InvalidArgument"),
    ],
)
def test_a_body_that_is_not_announced_is_refused(changed: dict[str, str], code: str) -> None:
    asked = upload(**changed)
    with pytest.raises(ObjectError) as refused:
        payloads.payload(asked, Signed.of(asked), SECRET, streamed(b""))
    assert refused.value.code == code
