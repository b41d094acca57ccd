"""Checkpoint: what an attempt saves of its progress, and the next attempt goes on from.

A checkpoint is one object of the store, written all or nothing: a save that is cut off leaves the one before it.  A
folder becomes one gzipped tar, a file or bytes become the object itself.
"""

import asyncio
import atexit
import gzip
import shutil
import tarfile
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flyte import errors, storage
from flyte._context import TaskContext
from flyte._kit import aio

_PAYLOAD = "payload"
_TAR_NAME = "flyte-cptar"
"""How the name in the header of a folder's archive begins: so an archive that the user saved is not taken for one."""
_GZIP_WITH_NAME = b"\x1f\x8b\x08\x08"
_GZIP_HEADER_BYTES = 10
_LEVEL = 1
"""Weights of a model hardly get smaller, whatever time one takes."""


class BaseCheckpoint(ABC):
    """What every kind of checkpoint can do; `flyte.ctx().checkpoint` is one."""

    @property
    @abstractmethod
    def path(self) -> Path:
        """Folder of this machine into which the previous checkpoint is loaded."""

    @abstractmethod
    def prev_exists(self) -> bool:
        """Whether an earlier attempt has left a checkpoint."""

    @abstractmethod
    async def load(self) -> Path | None:
        """Fetch the previous checkpoint; None if there is none."""

    @abstractmethod
    def load_sync(self) -> Path | None:
        """`load` for plain functions."""

    @abstractmethod
    async def save(self, data: Path | str | bytes) -> None:
        """Replace this attempt's checkpoint."""

    @abstractmethod
    def save_sync(self, data: Path | str | bytes) -> None:
        """`save` for plain functions."""


class Checkpoint(BaseCheckpoint):
    """A checkpoint in a store.

    Args:
        checkpoint_dest: address to save at.
        checkpoint_src: address of the previous one; None: there is none.

    Example:
        >>> @env.task(retries=3)
        ... async def train(epochs: int) -> float:
        ...     checkpoint = flyte.ctx().checkpoint
        ...     previous = await checkpoint.load()
        ...     begin = int(previous.read_text()) if previous else 0
        ...     for epoch in range(begin, epochs):
        ...         loss = await fit(epoch)
        ...         await checkpoint.save(str(epoch + 1).encode())
        ...     return loss
    """

    def __init__(self, checkpoint_dest: str, checkpoint_src: str | None = None) -> None:
        self._destination = checkpoint_dest
        self._source = checkpoint_src or None
        self._settings: storage.Settings = None
        self._parent: Path | None = None
        self._path: Path | None = None

    @classmethod
    def of_attempt(
        cls,
        checkpoint_dest: str,
        checkpoint_src: str | None,
        *,
        settings: storage.Settings,
        parent: Path | None,
    ) -> "Checkpoint":
        """A checkpoint of a running attempt.

        Args:
            checkpoint_dest: address to save at.
            checkpoint_src: address of the previous one.
            settings: of the object store.
            parent: folder that goes with the attempt (None: there is none, and `discard` is called).
        """
        made = cls(checkpoint_dest, checkpoint_src)
        made._settings, made._parent = settings, parent
        return made

    @property
    def remote_destination(self) -> str:
        """Address at which `save` writes."""
        return self._destination

    @property
    def remote_source(self) -> str | None:
        """Address from which `load` reads; None: no earlier attempt has saved anything."""
        return self._source

    @property
    def path(self) -> Path:
        """Folder of this machine, made at the first use and removed at the end of the attempt (else of the process)."""
        if self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix="flyte-cp-", dir=self._parent))
            atexit.register(self.discard)
        return self._path

    def prev_exists(self) -> bool:
        """Whether there is an address of an earlier checkpoint."""
        return self._source is not None

    async def load(self) -> Path | None:
        """Fetch the previous checkpoint.

        Returns:
            `path` itself if a folder was saved, `path / "payload"` for a file or bytes; None if nothing was saved.

        Raises:
            flyte.errors.DataCorruptionError: the folder's archive is damaged.
            flyte.errors.StorageError: it cannot be fetched.
        """
        source = self._source
        if source is None or not await storage.exists(source, settings=self._settings):
            return None
        fetched = self.path / _PAYLOAD
        await storage.download(source, fetched, settings=self._settings)
        if not _is_folder(fetched):
            return fetched
        await asyncio.to_thread(_unpack, fetched, self.path, source)
        return self.path

    def load_sync(self) -> Path | None:
        """`load` for plain functions."""
        return aio.finish(self.load(), waits=True)

    async def save(self, data: Path | str | bytes) -> None:
        """Replace this attempt's checkpoint, all or nothing.

        Args:
            data: the content itself, or the path of a file or a folder that does not change meanwhile.

        Raises:
            FileNotFoundError: there is nothing at the path.
            flyte.errors.StorageError: it cannot be written; the checkpoint before it stays.
        """
        if isinstance(data, bytes):
            await storage.write(self._destination, data, settings=self._settings)
            return
        local = Path(data)
        if not _is_directory(local):
            await storage.upload(local, self._destination, settings=self._settings)
            return
        with tempfile.TemporaryDirectory(prefix="flyte-cp-", dir=self._parent) as folder:
            archive = Path(folder, _PAYLOAD)
            await asyncio.to_thread(_pack, local, archive)
            await storage.upload(archive, self._destination, settings=self._settings)

    def save_sync(self, data: Path | str | bytes) -> None:
        """`save` for plain functions."""
        aio.finish(self.save(data), waits=True)

    def discard(self) -> None:
        """Remove the local folder; what was saved stays."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            atexit.unregister(self.discard)
            self._path = None


def latest_checkpoint(
    root: Path,
    glob_pattern: str = "**/last.ckpt",
    *,
    key: Callable[[Path], Any] | None = None,
) -> Path | None:
    """The newest file of a loaded checkpoint.

    Args:
        root: folder, as `Checkpoint.load` gives it.
        glob_pattern: which files count (the default is what Lightning writes).
        key: by what the largest is chosen (default: the time of the last change).

    Example:
        >>> flyte.latest_checkpoint(previous, "**/*.ckpt")
        PosixPath('/tmp/flyte-cp-x/step=10.ckpt')
    """
    found = [path for path in root.glob(glob_pattern) if path.is_file()]
    return max(found, key=key or (lambda path: path.stat().st_mtime), default=None)


def attached(
    context: TaskContext, *, settings: storage.Settings = None, parent: Path | None = None
) -> TaskContext:
    """The context of an attempt with its checkpoint in it, if it has addresses for one."""
    paths = context.checkpoint_paths
    if paths is None or paths.checkpoint_path is None:
        return context
    checkpoint = Checkpoint.of_attempt(
        paths.checkpoint_path, paths.prev_checkpoint_path, settings=settings, parent=parent
    )
    return context.replace(checkpoint=checkpoint)


def latest(context: TaskContext) -> str | None:
    """Address of the latest checkpoint there is after an attempt in this process: its own, or what it went on from."""
    paths = context.checkpoint_paths
    if paths is None or paths.checkpoint_path is None:
        return None
    saved = storage.exists_sync(paths.checkpoint_path)
    return paths.checkpoint_path if saved else paths.prev_checkpoint_path


def discard(context: TaskContext) -> None:
    """At the end of an attempt: remove what was loaded for it."""
    if isinstance(context.checkpoint, Checkpoint):
        context.checkpoint.discard()


def _is_directory(path: Path) -> bool:
    if not path.exists():
        raise FileNotFoundError(f"there is nothing to save as a checkpoint at {path}")
    return path.is_dir()


def _is_folder(file: Path) -> bool:
    with file.open("rb") as opened:
        head = opened.read(_GZIP_HEADER_BYTES + len(_TAR_NAME))
    return head.startswith(_GZIP_WITH_NAME) and head[_GZIP_HEADER_BYTES:] == _TAR_NAME.encode()


def _pack(folder: Path, archive: Path) -> None:
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(f"{_TAR_NAME}.tar", "wb", _LEVEL, raw) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name, filter=_portable)


def _portable(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Sockets, pipes and devices are no data."""
    return entry if entry.isreg() or entry.isdir() or entry.issym() or entry.islnk() else None


def _unpack(archive: Path, folder: Path, source: str) -> None:
    """Replace the archive by what is in it; nothing of it gets out of the folder."""
    inside = archive.rename(folder.with_name(f"{folder.name}.tar"))
    try:
        with tarfile.open(inside, "r:gz") as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise errors.DataCorruptionError(
            f"the checkpoint {source} cannot be unpacked: {error}; delete it to begin anew"
        ) from error
    finally:
        inside.unlink(missing_ok=True)
