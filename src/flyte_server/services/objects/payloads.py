"""Bodies of uploads: unpacked if they are framed in chunks, and checked against all that the request says of them.

What can only be told at the end (a length, a checksum, the signature of a chunk) is told by an error from the stream;
whoever stores it stores nothing then.
"""

import base64
import hashlib
import hmac
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from flyte_server.blobs import Announced
from flyte_server.services.objects import errors, signatures
from flyte_server.services.objects.requests import Request
from flyte_server.services.objects.signatures import EMPTY_SHA256, Signed

_STREAMING = "STREAMING-"
_SIGNED = frozenset(
    {
        f"STREAMING-{signatures.ALGORITHM}-PAYLOAD",
        f"STREAMING-{signatures.ALGORITHM}-PAYLOAD-TRAILER",
    }
)
_FRAMED = _SIGNED | {"STREAMING-UNSIGNED-PAYLOAD-TRAILER"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]{1,8}")
_LONGEST_LINE = 8 * 1024
_MOST_TRAILERS = 16
_CHECKSUM = "x-amz-checksum-"
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


@dataclass(frozen=True, slots=True)
class Payload:
    """The content of an upload."""

    chunks: AsyncIterator[bytes]
    announced: Announced


def payload(request: Request, signed: Signed, secret: str, body: AsyncIterator[bytes]) -> Payload:
    """The content of a request.

    Args:
        secret: with which chunks are signed.
        body: as it comes from the network.

    Raises:
        ObjectError: the request does not say how long its content is, or what it signs of it.
    """
    is_framed = signed.payload.startswith(_STREAMING)
    sha256 = "" if is_framed or signed.payload == signatures.UNSIGNED else signed.payload
    if (is_framed and signed.payload not in _FRAMED) or (sha256 and not _SHA256.fullmatch(sha256)):
        raise errors.invalid(
            f"x-amz-content-sha256 is {signed.payload!r}, which is not known here."
        )
    length = request.header("x-amz-decoded-content-length" if is_framed else "content-length")
    if not (length.isascii() and length.isdecimal()):
        raise errors.ObjectError(
            errors.HTTPStatus.LENGTH_REQUIRED,
            "MissingContentLength",
            "Say the length of the content in Content-Length.",
        )
    checksums = _Checksums(request.headers)
    if is_framed:
        chain = _Chain(signed, secret) if signed.payload in _SIGNED else None
        body = _unpacked(_Source(body), chain, checksums)
    announced = Announced(int(length), request.header("content-md5"), sha256)
    return Payload(checksums.watching(body), announced)


class _Checksums:
    """The `x-amz-checksum-…` of a content, from the headers or from behind it; those that we know are compared."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._expected = _named(headers)
        named = {*self._expected, *_named(dict.fromkeys(_trailers(headers), ""))}
        self._crc32 = 0 if "crc32" in named else None
        self._hashes = {name: hashlib.new(name) for name in named & {"sha1", "sha256"}}

    def expect(self, trailers: Mapping[str, str]) -> None:
        self._expected |= _named(trailers)

    async def watching(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes; raises `ObjectError` at the end if they are not those that were meant."""
        async for chunk in chunks:
            if self._crc32 is not None:
                self._crc32 = zlib.crc32(chunk, self._crc32)
            for each in self._hashes.values():
                each.update(chunk)
            yield chunk
        found = {name: each.digest() for name, each in self._hashes.items()}
        if self._crc32 is not None:
            found["crc32"] = self._crc32.to_bytes(4, "big")
        for name, digest in found.items():
            expected = self._expected.get(name)
            if expected is not None and expected != base64.b64encode(digest).decode():
                raise errors.invalid(
                    f"The content does not have the {name} that was announced; send it again.",
                    "BadDigest",
                )


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix(_CHECKSUM): value
        for name, value in headers.items()
        if name.startswith(_CHECKSUM)
    }


def _trailers(headers: Mapping[str, str]) -> list[str]:
    return [name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",")]


class _Chain:
    """Signatures of chunks, each made with the one before."""

    def __init__(self, signed: Signed, secret: str) -> None:
        self._signed = signed
        self._secret = secret
        self._previous = signed.signature

    def check_chunk(self, claimed: str, digest: str) -> None:
        self._check("PAYLOAD", claimed, EMPTY_SHA256, digest)

    def check_trailers(self, trailers: Mapping[str, str]) -> None:
        claimed = trailers.get(_TRAILER_SIGNATURE, "")
        text = "".join(
            f"{name}:{value}\n" for name, value in trailers.items() if name != _TRAILER_SIGNATURE
        )
        self._check("TRAILER", claimed, hashlib.sha256(text.encode()).hexdigest())

    def _check(self, kind: str, claimed: str, *digests: str) -> None:
        head = f"{signatures.ALGORITHM}-{kind}"
        text = "\n".join((head, self._signed.moment, self._signed.scope, self._previous, *digests))
        expected = signatures.signature(self._secret, self._signed.scope, text)
        if not hmac.compare_digest(expected.encode(), claimed.encode()):
            raise errors.denied(
                "The signature of a chunk does not fit its content.", "SignatureDoesNotMatch"
            )
        self._previous = expected


class _Source:
    """Lines and pieces of a stream."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self._rest = b""

    async def line(self) -> bytes:
        """Up to the next CRLF, or all that is left."""
        while b"\r\n" not in self._rest:
            if len(self._rest) > _LONGEST_LINE:
                raise _malformed("a line is too long")
            if not await self._more():
                line, self._rest = self._rest, b""
                return line
        line, _, self._rest = self._rest.partition(b"\r\n")
        return line

    async def pieces(self, size: int) -> AsyncIterator[bytes]:
        """The next `size` bytes."""
        while size:
            if not self._rest and not await self._more():
                raise _malformed("it ends within a chunk")
            piece, self._rest = self._rest[:size], self._rest[size:]
            size -= len(piece)
            yield piece

    async def _more(self) -> bool:
        async for chunk in self._body:
            if chunk:
                self._rest += chunk
                return True
        return False


async def _unpacked(
    source: _Source, chain: _Chain | None, checksums: _Checksums
) -> AsyncIterator[bytes]:
    """The content of `aws-chunked` framing."""
    while True:
        size, claimed = _head(await source.line())
        digest = hashlib.sha256()
        async for piece in source.pieces(size):
            if chain is not None:
                digest.update(piece)
            yield piece
        if size and await source.line():
            raise _malformed("a chunk is longer than it says")
        if chain is not None:
            chain.check_chunk(claimed, digest.hexdigest())
        if not size:
            break
    trailers = await _read_trailers(source)
    if chain is not None and trailers:
        chain.check_trailers(trailers)
    checksums.expect(trailers)


def _head(line: bytes) -> tuple[int, str]:
    """Size and signature of a chunk."""
    size, _, extension = line.partition(b";")
    if not _HEXADECIMAL.fullmatch(size):
        raise _malformed("a chunk does not begin with its size")
    return int(size, 16), extension.decode("latin-1").strip().removeprefix("chunk-signature=")


async def _read_trailers(source: _Source) -> dict[str, str]:
    trailers: dict[str, str] = {}
    while line := await source.line():
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or len(trailers) == _MOST_TRAILERS:
            raise _malformed("what follows the last chunk are no trailers")
        trailers[name.strip().lower()] = value.strip()
    return trailers


def _malformed(reason: str) -> errors.ObjectError:
    return errors.invalid(f"The body is no sequence of chunks: {reason}.", "IncompleteBody")
