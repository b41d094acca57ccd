"""The log of one attempt: both of its streams and what we have to say ourselves."""

from collections.abc import Iterable

from flyte._entrypoints.scribe import records
from flyte._entrypoints.scribe.logfile import LogFile
from flyte._entrypoints.scribe.masking import Masker
from flyte._entrypoints.scribe.stamping import Stamper

LIMIT_BYTES = 1024**3


class AttemptLog:
    """Output in, records of it in the file.  Never raises OSError: what cannot be written is counted, and told there.

    Args:
        path: of the file; it and its directory are made with the first record.
        hidden: values that must not appear.
        limit_bytes: above, the middle is left out.

    Example:
        >>> log = AttemptLog("/tmp/1.log", hidden=["hunter2"])
        >>> log.write(records.OUT, b"epoch 1\\nepoch", clock.now_us())
        >>> log.tick(clock.now_us())  # a few times a second, so that `epoch` is seen although its line goes on
        >>> log.close(clock.now_us())
    """

    def __init__(
        self, path: str, hidden: Iterable[str] = (), *, limit_bytes: int = LIMIT_BYTES
    ) -> None:
        values = tuple(hidden)
        self._file = LogFile(path, limit_bytes)
        self._stampers = {
            stream: Stamper(stream, Masker(values)) for stream in (records.OUT, records.ERR)
        }

    @property
    def waits(self) -> bool:
        """Whether `tick` has something to do soon."""
        return any(stamper.waits for stamper in self._stampers.values())

    def write(self, stream: bytes, chunk: bytes, now_us: int) -> None:
        """Take a chunk of output, cut anywhere."""
        self._append(self._stampers[stream].feed(chunk, now_us), now_us)

    def tick(self, now_us: int) -> None:
        """Let what has waited long enough be seen."""
        for stamper in self._stampers.values():
            self._append(stamper.tick(now_us), now_us)

    def note(self, text: str, now_us: int) -> None:
        """Add a sentence of ours."""
        self._append(records.record(now_us, records.SYSTEM, records.LINE, text.encode()), now_us)

    def gap(self, text: str, now_us: int) -> None:
        """Tell that something is missing here."""
        self._append(records.record(now_us, records.SYSTEM, records.GAP, text.encode()), now_us)

    def close(self, now_us: int) -> None:
        """Write the rest, and that there is no more; nothing at all if nothing was ever said."""
        made = b"".join(stamper.close(now_us) for stamper in self._stampers.values())
        if made or self._file.exists:
            self._append(made + records.record(now_us, records.SYSTEM, records.END, b""), now_us)
        self._file.close()

    def _append(self, made: bytes, now_us: int) -> None:
        if made:
            self._file.append(made, now_us)
