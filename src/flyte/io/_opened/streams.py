"""Files piece by piece, for `async with file.open(…)`: checked, compressed, as text."""

import codecs
import io
from collections.abc import AsyncIterator
from typing import Any, Generic, Protocol, TypeVar

from flyte import errors, storage
from flyte.io._hashing import HashMethod
from flyte.io._opened.modes import Opening, no_seek
from flyte.storage import digests

Text = TypeVar("Text", str, bytes)
Made = TypeVar("Made", str, bytes, covariant=True)

_CHUNK = 1024 * 1024
_COMPRESSED_CHUNK = 64 * 1024
"""Small, because what is in it may be a thousand times larger."""


class Check:
    """Compares content that is read from its first to its last byte with a checksum.

    What is read in another order is not compared: then nobody has seen the whole.
    """

    def __init__(self, address: str, expected: str | None, size: int) -> None:
        self._address = address
        self._expected = expected
        self._size = size
        self._hasher = digests.Hasher() if expected else None
        self._compare()

    def saw(self, position: int, data: Any) -> None:
        """The bytes at `position` were read.

        Raises:
            flyte.errors.DataCorruptionError: these were the last ones, and the content is another one.
        """
        hasher = self._hasher
        if hasher is None or position + len(data) <= hasher.size:
            return
        if position > hasher.size:
            self._hasher = None
            return
        hasher.update(memoryview(data)[hasher.size - position :])
        self._compare()

    def _compare(self) -> None:
        if self._hasher is None or self._hasher.size < self._size:
            return
        found, self._hasher = self._hasher.digest(), None
        if found.xxh3 != self._expected:
            raise errors.DataCorruptionError(
                f"{self._address} has the checksum xxh3 {found.xxh3} ({found.size} bytes), but {self._expected} "
                "was written: its content is incomplete or has changed; make it again"
            )


class Source(Protocol):
    """What bytes come from."""

    async def read(self, n: int = -1) -> bytes: ...


class BytesReader:
    """The bytes of a file, streamed and seekable."""

    def __init__(self, reader: "storage.Reader", address: str, expected: str | None) -> None:
        self._reader = reader
        self._position = 0
        self._check = Check(address, expected, reader.size)

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self._reader.size

    async def read(self, n: int = -1) -> bytes:
        """The next `n` bytes, fewer at the end; all that is left if `n` is negative."""
        return self._seen(await self._reader.read(n))

    async def readline(self) -> bytes:
        """The next line with its end; empty at the end of the file."""
        return self._seen(await self._reader.readline())

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place; the next `read` fetches from there."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        place = max(0, start + offset)
        await self._reader.seek(place)
        self._position = place
        return place

    async def tell(self) -> int:
        """The place of the next byte."""
        return self._position

    async def readall(self) -> bytes:
        """All that is left."""
        return await self.read()

    async def readlines(self) -> list[bytes]:
        """All lines that are left."""
        return [line async for line in self]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The lines."""
        while line := await self.readline():
            yield line

    def _seen(self, data: bytes) -> bytes:
        self._check.saw(self._position, data)
        self._position += len(data)
        return data


class _Step(Protocol[Made]):
    """Turns pieces of bytes into what the caller sees."""

    chunk: int

    def feed(self, data: bytes) -> Made: ...

    def finish(self) -> Made: ...


class Decompression:
    """Takes compressed content apart, member by member."""

    chunk = _COMPRESSED_CHUNK

    def __init__(self, opening: Opening) -> None:
        assert opening.compression is not None
        self._make = opening.compression.decompressor
        self._member: Any = None

    def feed(self, data: bytes) -> bytes:
        """The content of the next piece."""
        content: list[bytes] = []
        while data:
            if self._member is None:
                data = data.lstrip(b"\0")  # archives are padded with zeros
                if not data:
                    break
                self._member = self._make()
            content.append(self._member.decompress(data))
            data = self._member.unused_data if self._member.eof else b""
            if self._member.eof:
                self._member = None
        return b"".join(content)

    def finish(self) -> bytes:
        """Nothing, if the last member is complete."""
        if self._member is not None:
            raise EOFError("the compressed content ends in the middle; make the file again")
        return b""


class Decoding:
    """Makes text of bytes."""

    chunk = _CHUNK

    def __init__(self, opening: Opening) -> None:
        decoder: Any = codecs.getincrementaldecoder(opening.encoding)(opening.errors)
        universal = opening.newline is None
        self._decoder = io.IncrementalNewlineDecoder(decoder, True) if universal else decoder

    def feed(self, data: bytes) -> str:
        """The text of the next piece."""
        return self._decoder.decode(data)

    def finish(self) -> str:
        """What the last bytes mean."""
        return self._decoder.decode(b"", True)


class StepReader(Generic[Text]):
    """What a step makes of a source, from start to end: decompressed bytes, or text."""

    def __init__(self, source: Source, step: _Step[Text], empty: Text) -> None:
        self._source = source
        self._step = step
        self._empty = empty
        self._piece = empty
        self._at = 0
        """What comes before it in the piece has been given out: cutting it off each time would copy the rest."""
        self._ended = False

    async def read(self, n: int = -1) -> Text:
        """The next `n` bytes or characters, fewer at the end; all that is left if `n` is negative."""
        pieces: list[Text] = []
        missing = n
        while n < 0 or missing > 0:
            if self._at >= len(self._piece) and not await self._advance():
                break
            end = len(self._piece) if n < 0 else min(len(self._piece), self._at + missing)
            pieces.append(self._piece[self._at : end])
            missing -= end - self._at
            self._at = end
        return self._joined(pieces)

    async def readline(self) -> Text:
        """The next line with its end; empty at the end of the file."""
        newline: Any = b"\n" if isinstance(self._empty, bytes) else "\n"
        pieces: list[Text] = []
        while self._at < len(self._piece) or await self._advance():
            end = self._piece.find(newline, self._at) + 1
            pieces.append(self._piece[self._at : end or len(self._piece)])
            self._at = end or len(self._piece)
            if end:
                break
        return self._joined(pieces)

    async def readall(self) -> Text:
        """All that is left."""
        return await self.read()

    async def readlines(self) -> list[Text]:
        """All lines that are left."""
        return [line async for line in self]

    async def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Not possible; raises `io.UnsupportedOperation`."""
        raise no_seek("text" if isinstance(self._empty, str) else "compressed content")

    async def __aiter__(self) -> AsyncIterator[Text]:
        """The lines."""
        while line := await self.readline():
            yield line

    def _joined(self, pieces: list[Any]) -> Text:
        return self._empty.join(pieces)

    async def _advance(self) -> bool:
        """Get the next piece; False at the end."""
        self._piece, self._at = self._empty, 0
        while not self._piece and not self._ended:
            data = await self._source.read(self._step.chunk)
            self._ended = not data
            self._piece = self._step.feed(data) if data else self._step.finish()
        return bool(self._piece)


def reading(source: BytesReader, opening: Opening) -> Any:
    """The reader that a caller of `open` gets."""
    content: Source = source
    if opening.compression:
        content = StepReader(content, Decompression(opening), b"")
    return StepReader(content, Decoding(opening), "") if opening.text else content


class FileWriter:
    """Takes the content of a file, piece by piece; what it wrote appears when the block ends well."""

    def __init__(
        self, writer: "storage.Writer", opening: Opening, method: HashMethod | None
    ) -> None:
        self._writer = writer
        self._opening = opening
        self._compressor = opening.compression.compressor() if opening.compression else None
        self._encoder = codecs.getincrementalencoder(opening.encoding)(opening.errors)
        self._method = method
        self._closed = False
        if method is not None:
            method.reset()

    async def write(self, data: Any) -> int:
        """Add bytes (or text, in a text mode); how many there were."""
        if self._closed:
            raise ValueError("the file is closed; nothing more can be written to it")
        content = self._encoded(data)
        await self._put(self._compressor.compress(content) if self._compressor else content)
        return len(data)

    async def flush(self) -> None:
        """Nothing to do: a reader sees either the old content or all of the new one."""

    async def close(self) -> None:
        """Publish the file; the end of the block does so, too."""
        if self._closed:
            return
        self._closed = True
        if self._compressor:
            await self._put(self._compressor.flush())
        await self._writer.close()

    async def abort(self) -> None:
        """Forget everything; what was there before stays."""
        self._closed = True
        await self._writer.abort()

    @property
    def hash(self) -> str | None:
        """What the given method made of the content; None without one."""
        return self._method.result() if self._method else None

    @property
    def digest(self) -> storage.Digest:
        """Size and checksum of what was stored."""
        return self._writer.digest

    def _encoded(self, data: Any) -> Any:
        if not self._opening.text:
            if isinstance(data, str):
                raise TypeError("a file in mode 'wb' takes bytes; open it with mode 'w' for text")
            return data
        if not isinstance(data, str):
            raise TypeError("a file in mode 'w' takes str; open it with mode 'wb' for bytes")
        newline = self._opening.newline
        text = data.replace("\n", newline) if newline else data
        return self._encoder.encode(text)

    async def _put(self, content: Any) -> None:
        if self._method is not None:
            self._method.update(content)
        await self._writer.write(content)
