"""Files as ordinary file objects, for `with file.open_sync(…)`: csv, json, pandas, zipfile take them."""

import io
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from flyte.io._hashing import HashMethod
from flyte.io._opened.modes import Opening
from flyte.io._opened.streams import Check

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from flyte import storage

_BUFFER = 1024 * 1024


class _Checked(io.RawIOBase):
    """Compares what is read with a checksum; see `Check`."""

    def __init__(self, raw: io.BufferedReader, address: str, expected: str) -> None:
        self._raw = raw
        size = raw.seek(0, io.SEEK_END)
        self._position = raw.seek(0)
        self._check = Check(address, expected, size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        size = self._raw.readinto(view)
        self._check.saw(self._position, view[:size])
        self._position += size
        return size

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = self._raw.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        self._raw.close()
        super().close()


@contextmanager
def reading(
    raw: io.BufferedReader, opening: Opening, *, address: str, expected: str | None
) -> Generator[IO[Any]]:
    """A file object over what a store gives; all of it is closed with the block."""
    stack: list[Any] = [raw]
    try:
        if expected:
            stack.append(io.BufferedReader(_Checked(raw, address, expected), _BUFFER))
        if opening.compression:
            stack.append(opening.compression.file(stack[-1], "rb"))
        if opening.text:
            stack.append(_text(stack[-1], opening))
        yield stack[-1]
    finally:
        for layer in reversed(stack):
            layer.close()


class _Sink(io.RawIOBase):
    """Hands what is written to the store and to the hash; after `end` it swallows what layers above still flush."""

    def __init__(self, writer: Any, method: HashMethod | None) -> None:
        self._writer = writer
        self._method = method
        self._ended = False

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer") -> int:
        piece = memoryview(data)
        if not self._ended:
            if self._method is not None:
                self._method.update(piece)
            self._writer.write(piece)
        return piece.nbytes

    def end(self) -> None:
        """Take nothing more."""
        self._ended = True


@contextmanager
def writing(
    writer: "storage.SyncWriter", opening: Opening, method: HashMethod | None
) -> Generator[IO[Any]]:
    """A file object for what shall be stored; it is published when the block ends well."""
    sink = _Sink(writer, method)
    stack: list[Any] = [sink]
    try:
        if method is not None:
            method.reset()
        stack.append(io.BufferedWriter(sink, _BUFFER))
        if opening.compression:
            stack.append(opening.compression.file(stack[-1], "wb"))
        if opening.text:
            stack.append(_text(stack[-1], opening))
        yield stack[-1]
        _close(stack)
        writer.close()
    except BaseException:
        sink.end()
        writer.abort()
        _close(stack)
        raise


def _text(binary: Any, opening: Opening) -> IO[str]:
    return io.TextIOWrapper(
        binary, encoding=opening.encoding, errors=opening.errors, newline=opening.newline
    )


def _close(stack: list[Any]) -> None:
    for layer in reversed(stack):
        layer.close()
