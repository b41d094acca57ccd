"""How a file is opened: its mode, its compression, its text encoding; the same for `open` and `open_sync`."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

_MODES = {"r": "rt", "rt": "rt", "rb": "rb", "w": "wt", "wt": "wt", "wb": "wb"}
_TEXT_OPTIONS = ("encoding", "errors", "newline")


@dataclass(frozen=True, slots=True)
class Compression:
    """One format of compressed content."""

    decompressor: Callable[[], Any]
    """Makes an object with `decompress`, `eof` and `unused_data`, for one member of the content."""
    compressor: Callable[[], Any]
    """Makes an object with `compress` and `flush`."""
    file: Callable[[IO[bytes], str], IO[bytes]]
    """Wraps a file object; the mode is `rb` or `wb`."""


def _gzip_file(raw: IO[bytes], mode: str) -> Any:
    # No time and no name in the header: equal content gives equal bytes.
    return gzip.GzipFile(filename="", mode=mode, fileobj=raw, mtime=0)


def _bz2_file(raw: IO[bytes], mode: str) -> Any:
    return bz2.open(raw, mode)


def _lzma_file(raw: IO[bytes], mode: str) -> Any:
    return lzma.open(raw, mode)


_GZIP_WINDOW = zlib.MAX_WBITS | 16
_KNOWN: dict[str, Compression] = {
    "gzip": Compression(
        lambda: zlib.decompressobj(_GZIP_WINDOW),
        lambda: zlib.compressobj(wbits=_GZIP_WINDOW),
        _gzip_file,
    ),
    "bz2": Compression(bz2.BZ2Decompressor, bz2.BZ2Compressor, _bz2_file),
    "xz": Compression(lzma.LZMADecompressor, lzma.LZMACompressor, _lzma_file),
}
_SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz"}


@dataclass(frozen=True, slots=True)
class Opening:
    """What a caller of `open` wants."""

    writes: bool
    text: bool
    compression: Compression | None
    encoding: str = "utf-8"
    errors: str = "strict"
    newline: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the bytes of the store are what the caller sees."""
        return not self.text and self.compression is None


def opening(
    mode: str, address: str, compression: str | None, options: Mapping[str, Any]
) -> Opening:
    """Read the arguments of `open`.

    Args:
        mode: `rb`, `wb`, `r`, `w` (also `rt`, `wt`).
        address: whose suffix says what `infer` means.
        compression: `gzip`, `bz2`, `xz`, `infer` or None.
        options: `encoding`, `errors` and `newline` of text.

    Raises:
        ValueError: for a mode or compression that there is not.
        TypeError: for an unknown option.
    """
    kind = _MODES.get(mode)
    if kind is None:
        raise ValueError(_no_mode(mode))
    allowed = _TEXT_OPTIONS if kind.endswith("t") else ()
    for option in options:
        if option not in allowed:
            raise TypeError(
                f"open({mode!r}) has no option {option!r}; use one of: {', '.join(allowed) or 'none'}"
            )
    given = {name: value for name, value in options.items() if value is not None}
    return Opening(kind[0] == "w", kind[1] == "t", _compression(compression, address), **given)


def _compression(name: str | None, address: str) -> Compression | None:
    if name == "infer":
        name = next((kind for end, kind in _SUFFIXES.items() if address.endswith(end)), None)
    if name is None:
        return None
    if name not in _KNOWN:
        raise ValueError(
            f"there is no compression {name!r}; use one of: {', '.join(_KNOWN)}, infer (by the suffix), None"
        )
    return _KNOWN[name]


def _no_mode(mode: str) -> str:
    if "a" in mode:
        return (
            f"mode {mode!r} is not possible: stores replace files whole; "
            "read the old content and write it with the new one to File.new_remote()"
        )
    return f"there is no mode {mode!r}; use one of: {', '.join(_MODES)}"


def no_seek(what: str) -> io.UnsupportedOperation:
    """The error for jumping in a stream that goes forward only."""
    return io.UnsupportedOperation(
        f"{what} is read from its start to its end; to jump, open it with mode 'rb' and without compression"
    )
