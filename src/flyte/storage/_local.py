"""Files by path: read in place, written beside their place and moved there.

Nothing here waits on a loop, so that blocking callers may step the functions of `_store`.
"""

import contextlib
import errno
import mmap
import os
import secrets
import shutil
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


_WORTH_A_MAPPING = 16 * 1024 * 1024
"""Below this a mapping saves little, and it holds a file descriptor as long as it lives."""

_WORTH_RESERVING = 1024 * 1024
_SMALL = 64 * 1024
_PIECE = 16 * 1024 * 1024


def read(path: Path) -> bytes:
    """The whole content: five system calls, where a file object makes ten."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        content = os.read(descriptor, size + 1)
        if len(content) == size:
            return content
        pieces = [content]  # it grows, or is larger than what one call gives
        while piece := os.read(descriptor, _PIECE):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def mapped(path: Path) -> memoryview:
    """The content without reading it: pages come when they are looked at.

    Writing into the view changes a copy of the page, never the file. The file may be replaced or
    deleted meanwhile; the view keeps what it had.
    """
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size >= _WORTH_A_MAPPING:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        content = bytearray(size)
        count = file.readinto(content)
        return memoryview(content)[:count]


def write(path: Path, pieces: "Sequence[ReadableBuffer]") -> None:
    """Replace a file by the pieces one after the other, all or nothing."""
    size = sum(memoryview(piece).nbytes for piece in pieces)
    if size < _SMALL:
        _write_small(path, b"".join(pieces))
        return
    with replacing(path) as file:
        reserve(file, size)
        for piece in pieces:
            file.write(piece)


def _write_small(path: Path, content: bytes) -> None:
    """What `replacing` does, by system calls alone: a task's inputs and outputs come this way."""
    folder, name = os.path.split(path)
    draft = os.path.join(folder, _draft_name(name))  # noqa: PTH118 - twice as fast
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(draft, flags, 0o666)
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        descriptor = os.open(draft, flags, 0o666)
    try:
        try:
            while content:
                content = content[os.write(descriptor, content) :]
        finally:
            os.close(descriptor)
        os.replace(draft, path)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)  # noqa: PTH108
        raise


def reserve(file: BinaryIO, size: int) -> None:
    """Take the room that a large file will need: a full disk is found before a byte was written, and
    replacing a file does not wait for the new one's pages to find their place on the disk."""
    if size < _WORTH_RESERVING or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
            raise


class Draft:
    """A new file beside `path` that takes its place when it is published, and else goes away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(_draft_name(path.name))
        self.file = _create(self._temporary)

    def publish(self) -> None:
        """Make it the file at `path`."""
        try:
            self.file.close()
            os.replace(self._temporary, self._path)  # noqa: PTH105 - the same call, without a Path
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove it; what was at `path` stays."""
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()

    def __del__(self) -> None:
        # A file that nobody has finished is nobody's result.
        if "file" in self.__dict__ and not self.file.closed:
            self.discard()


@contextlib.contextmanager
def replacing(path: Path) -> Generator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends well."""
    draft = Draft(path)
    try:
        yield draft.file
    except BaseException:
        draft.discard()
        raise
    draft.publish()


_UNFINISHED = ".part"


def _draft_name(name: str) -> str:
    """A name that nobody else uses; hidden, and left out by walks."""
    return f".{name[:200]}.{secrets.token_hex(6)}{_UNFINISHED}"


def _create(path: Path) -> BinaryIO:
    """Open a new file; its folder is made only when it is missed, which is once per folder."""
    try:
        return path.open("xb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")


def walk(root: Path) -> Iterator[tuple[Path, int]]:
    """Every file below a folder with its size, sorted by path; a file is its own only entry.

    Links are followed to files, never to folders, so that a walk ends.
    """
    if not root.is_dir():
        if root.is_file():
            yield root, root.stat().st_size
        return
    with os.scandir(root) as found:
        entries = sorted(found, key=_as_key)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from walk(Path(entry.path))
        elif entry.is_file() and not _is_unfinished(entry.name):
            yield Path(entry.path), entry.stat().st_size


def delete(path: Path, *, recursive: bool) -> None:
    """Remove a file, or with `recursive` a folder with all that is in it; nothing is left to do if
    neither is there."""
    if recursive and path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _as_key(entry: "os.DirEntry[str]") -> str:
    # Object stores sort whole keys, in which a folder's name is followed by a slash.
    return f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name


def _is_unfinished(name: str) -> bool:
    return name.startswith(".") and name.endswith(_UNFINISHED)
