"""Copies between two paths of this machine: the kernel moves the bytes while another thread reads
them for the checksum, so that it costs no time where there is a second core.
"""

import errno
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from threading import Event
from typing import BinaryIO

from flyte import errors
from flyte.storage import _local
from flyte.storage.digests import Digest, Hasher

SMALL = 1024 * 1024
"""Bytes that are copied faster than a thread is started."""

_BUFFER = 1024 * 1024
_AT_ONCE = 64 * 1024 * 1024


def copy(
    source: Path, target: Path, *, expected: str | None = None, stop: Event | None = None
) -> Digest:
    """Copy a file, all or nothing.

    Args:
        expected: the checksum that the content must have.
        stop: set by another thread to give up; then an `InterruptedError` is raised.

    Raises:
        OSError: a file cannot be read or written.
        flyte.errors.DataCorruptionError: the content is another than expected.
        flyte.errors.StorageError: it was changed while it was copied.
    """
    with source.open("rb", buffering=0) as reading, _local.replacing(target) as writing:
        before = os.fstat(reading.fileno())
        if before.st_size <= SMALL:
            content = reading.read()
            writing.write(content)
            hasher = Hasher()
            hasher.update(content)
            digest = hasher.digest()
        else:
            _local.reserve(writing, before.st_size)
            digest = _copy_and_hash(reading, writing, source, stop or Event())
        _check_unchanged(source, before, os.fstat(reading.fileno()))
        check(str(source), digest, expected)
    return digest


def check(uri: str, digest: Digest, expected: str | None) -> None:
    """Compare what was read with what should have been.

    Raises:
        flyte.errors.DataCorruptionError: they differ; says both.
    """
    if expected is not None and digest.xxh3 != expected:
        raise errors.DataCorruptionError(
            f"{uri} is corrupt: its checksum must be {expected}, but its {digest.size} bytes have "
            f"{digest.xxh3}; make it again"
        )


def _copy_and_hash(reading: FileIO, writing: BinaryIO, source: Path, stop: Event) -> Digest:
    with ThreadPoolExecutor(1, thread_name_prefix="flyte-hashing") as hashing:
        digest = hashing.submit(_hash, source, stop)
        try:
            move(reading, writing, stop)
        except BaseException:
            stop.set()
            raise
        return digest.result()


def _hash(path: Path, stop: Event) -> Digest:
    hasher, buffer = Hasher(), bytearray(_BUFFER)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while (count := file.readinto(buffer)) and not stop.is_set():
            hasher.update(view[:count])
    return hasher.digest()


def _check_unchanged(path: Path, before: os.stat_result, after: os.stat_result) -> None:
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise errors.StorageError(
            f"{path} was changed while it was copied; copy it when nobody writes to it"
        )


def move(reading: FileIO, writing: BinaryIO, stop: Event) -> None:
    """Copy from one open file to another, by the best way that the system has for these two."""
    for way in (_in_kernel, _by_sendfile, _through_memory):
        try:
            for _ in way(reading, writing):
                if stop.is_set():
                    raise InterruptedError(errno.EINTR, "given up")
        except OSError as error:
            if error.errno not in _NOT_THIS_WAY:
                raise
        else:
            return


_NOT_THIS_WAY = frozenset({errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})
"""What the kernel says when it cannot copy between two files; nothing was copied then."""


def _in_kernel(reading: FileIO, writing: BinaryIO) -> Iterator[int]:
    step: Callable[[int, int, int], int] | None = getattr(os, "copy_file_range", None)
    if step is None:
        raise OSError(errno.ENOSYS, "no copy_file_range")
    moved = 0
    while count := step(reading.fileno(), writing.fileno(), _AT_ONCE):
        moved += count
        yield count
    if not moved:
        # Files that the kernel makes up look empty to it.
        raise OSError(errno.EINVAL, "nothing was copied")


def _by_sendfile(reading: FileIO, writing: BinaryIO) -> Iterator[int]:
    offset = reading.tell()
    while count := os.sendfile(writing.fileno(), reading.fileno(), offset, _AT_ONCE):
        offset += count
        yield count


def _through_memory(reading: FileIO, writing: BinaryIO) -> Iterator[int]:
    buffer = memoryview(bytearray(_BUFFER))
    while count := reading.readinto(buffer):
        writing.write(buffer[:count])
        yield count
