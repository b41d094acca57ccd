"""How bytes become messages: like the Connect library's own ways, but safe against what a request
can carry.

A small gzip body can unpack to gigabytes, and a malformed message is the sender's fault, not ours.
"""

import zlib
from typing import Any

from connectrpc.code import Code
from connectrpc.codec import Codec, proto_binary_codec, proto_json_codec
from connectrpc.errors import ConnectError
from google.protobuf.json_format import ParseError
from google.protobuf.message import DecodeError

_GZIP_WINDOW = 31  # the largest window, with a gzip header
_FAST = 1


class BoundedGzip:
    """Gzip that stops unpacking at a limit.

    Args:
        limit: bytes of the largest message.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def name(self) -> str:
        return "gzip"

    def compress(self, data: bytes | bytearray | memoryview) -> bytes:
        packer = zlib.compressobj(_FAST, zlib.DEFLATED, _GZIP_WINDOW)
        return packer.compress(data) + packer.flush()

    def decompress(self, data: bytes | bytearray | memoryview) -> bytes:
        unpacker = zlib.decompressobj(_GZIP_WINDOW)
        try:
            content = unpacker.decompress(data, self._limit + 1)
        except zlib.error as error:
            raise ConnectError(
                Code.INVALID_ARGUMENT, f"The request's gzip body cannot be unpacked: {error}."
            ) from None
        if len(content) > self._limit:
            raise ConnectError(
                Code.RESOURCE_EXHAUSTED, f"The request unpacks to more than {self._limit} bytes."
            )
        if not unpacker.eof:
            raise ConnectError(
                Code.INVALID_ARGUMENT, "The request's gzip body ends too early; send it again."
            )
        return content


class CheckedCodec:
    """A codec that says whose fault a malformed message is."""

    def __init__(self, codec: Codec[Any, Any]) -> None:
        self._codec = codec

    def name(self) -> str:
        return self._codec.name()

    def encode(self, message: Any) -> bytes:
        return self._codec.encode(message)

    def decode(self, data: bytes | bytearray, message: Any) -> Any:
        try:
            return self._codec.decode(data, message)
        except (DecodeError, ParseError, UnicodeDecodeError) as error:
            raise ConnectError(
                Code.INVALID_ARGUMENT,
                f"The body is no {message.DESCRIPTOR.full_name} in {self.name()} form: {error}",
            ) from None


CODECS: dict[str, Any] = {
    codec.name(): CheckedCodec(codec) for codec in (proto_binary_codec(), proto_json_codec())
}
"""By the name in the content type."""
