"""Objects to write in blocking code: they appear, whole, when they are closed.

Nothing here needs an event loop, so it works on any thread, also where a loop is running.
"""

import io
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

from flyte.storage import _addresses, _local
from flyte.storage._config.kinds import Settings
from flyte.storage._faults import explained
from flyte.storage._objects import clients, whole
from flyte.storage._objects.clients import Place
from flyte.storage._objects.parts import Abandoned
from flyte.storage.digests import Digest, Hasher

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def sync_writer(
    uri: str, *, settings: Settings = None, chunk_size: int | None = None
) -> "SyncWriter":
    """Open an object to write it in blocking code; it appears, whole, when it is closed.

    Args:
        uri: a path, or an address of an object store.
        settings: of the object store; without them the environment's apply.
        chunk_size: bytes of one part; stores want at least 5 MiB, and at most 10,000 parts.

    Raises:
        flyte.errors.StorageError: naming the address and the reason; also by each write.

    Example:
        >>> with sync_writer("s3://bucket/table.parquet") as file:
        ...     pyarrow.parquet.write_table(table, file)
        >>> file.digest.xxh3
        '56a557a14a043d1d7ab33ee08b792cc3'
    """
    path = _addresses.local_path(uri)
    with explained("write", uri):
        if path is not None:
            return SyncWriter(uri, _PathTarget(path))
        place = clients.writing(uri, settings)
        return SyncWriter(uri, _StoreTarget(place, whole.part_size(None, chunk_size)))


class SyncWriter(io.BufferedIOBase):
    """An object that is open for writing in blocking code; `sync_writer` makes it.

    As a context manager it is published at the end of the block, and abandoned if the block fails;
    also what nobody closes is abandoned.
    """

    def __init__(self, uri: str, target: "_PathTarget | _StoreTarget") -> None:
        self._target = target
        self._hasher = Hasher()
        self._digest: Digest | None = None
        self.name = uri

    @property
    def digest(self) -> Digest:
        """Size and checksum of what was written.

        Raises:
            ValueError: the object is not closed yet, or was abandoned.
        """
        if self._digest is None:
            raise ValueError(f"{self.name} has no digest: it was not closed, or was abandoned")
        return self._digest

    def writable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Bytes written so far."""
        return self._hasher.size

    def write(self, data: "ReadableBuffer", /) -> int:
        """Add bytes; their number."""
        if self.closed:
            raise ValueError(f"{self.name} is closed; nothing more can be written to it")
        view = memoryview(data).cast("B")
        self._hasher.update(view)
        with explained("write", self.name):
            self._target.write(view)
        return view.nbytes

    def close(self) -> None:
        """Publish the object; nothing happens if it was published or abandoned before."""
        if self.closed:
            return
        super().close()
        with explained("write", self.name):
            self._target.publish()
        self._digest = self._hasher.digest()

    def abort(self) -> None:
        """Abandon what was written; what was at the address before stays."""
        if not self.closed:
            super().close()
            self._target.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def __del__(self) -> None:
        # The base class would close it, and so publish what may be half of an object.
        if "_digest" in self.__dict__:
            self.abort()


class _PathTarget:
    def __init__(self, path: Path) -> None:
        self._draft = _local.Draft(path)

    def write(self, view: memoryview) -> None:
        self._draft.file.write(view)

    def publish(self) -> None:
        self._draft.publish()

    def abandon(self) -> None:
        self._draft.discard()


class _StoreTarget:
    """Small objects go in one request, when they are complete; others in parts, by a thread."""

    def __init__(self, place: Place, part_size: int) -> None:
        self._place = place
        self._part_size = part_size
        self._held = bytearray()
        self._parts: _Parts | None = None

    def write(self, view: memoryview) -> None:
        self._held += view
        if len(self._held) >= self._part_size:
            if self._parts is None:
                self._parts = _Parts(self._place, self._part_size)
            self._parts.push(self._take())

    def publish(self) -> None:
        if self._parts is not None:
            self._parts.push(self._take())
            self._parts.finish()
            return
        place = self._place
        clients.obstore().put(
            place.store,
            place.key,
            self._take(),
            attributes=place.attributes,
            use_multipart=False,
        )

    def abandon(self) -> None:
        self._held.clear()
        if self._parts is not None:
            self._parts.abandon()

    def _take(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        return held


_PATIENCE_SECONDS = 10.0


class _Parts:
    """A transfer in parts on a thread of its own; `parts.Upload` is the same for coroutines."""

    def __init__(self, place: Place, part_size: int) -> None:
        self._place = place
        self._part_size = part_size
        self._pieces: queue.Queue[bytes | type[Abandoned] | None] = queue.Queue(1)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._send, name="flyte-upload", daemon=True)
        self._thread.start()

    def push(self, piece: bytes | None) -> None:
        """Add a piece; raises what the transfer failed with."""
        while self._thread.is_alive():
            try:
                self._pieces.put(piece, timeout=0.1)
            except queue.Full:
                continue
            return
        self._raise()

    def finish(self) -> None:
        """Wait until the object has appeared."""
        self.push(None)
        self._thread.join()
        self._raise()

    def abandon(self) -> None:
        """End the transfer and let the store forget its parts."""
        while not self._pieces.empty():
            self._pieces.get_nowait()
        self._pieces.put_nowait(Abandoned)
        self._thread.join(_PATIENCE_SECONDS)

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _send(self) -> None:
        place = self._place
        try:
            clients.obstore().put(
                place.store,
                place.key,
                self._arriving(),
                attributes=place.attributes,
                use_multipart=True,
                chunk_size=self._part_size,
                max_concurrency=whole.concurrency(None),
            )
        except Abandoned:
            return
        except Exception as error:  # noqa: BLE001 - raised again where the pieces come from
            self._failure = error

    def _arriving(self) -> Iterator[bytes]:
        while (piece := self._pieces.get()) is not None:
            if not isinstance(piece, bytes):
                raise Abandoned
            if piece:
                yield piece
