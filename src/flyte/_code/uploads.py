"""What was uploaded where within the last day, so that the same code is sent once.

One small file per upload below `$FLYTE_HOME/uploads`; its age is the upload's.  Losing them costs one upload.
"""

import hashlib
import logging
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from flyte._kit import clock
from flyte.config import _read

LIFETIME = timedelta(days=1)
"""Shorter than any control plane keeps a bundle."""

_log = logging.getLogger("flyte.code")


def recall(destination: str, filename: str) -> str | None:
    """Address of an archive that `destination` (endpoint, project and domain) got within the last day, if any.

    An address on this machine counts only if the file is still there.
    """
    note = _note(destination, filename)
    try:
        age = clock.now() - datetime.fromtimestamp(note.stat().st_mtime, UTC)
        native_url = note.read_text()
    except OSError:
        return None
    return native_url if age < LIFETIME and _is_there(native_url) else None


def remember(destination: str, filename: str, native_url: str) -> None:
    """Note an upload; outdated notes are removed on the way."""
    note = _note(destination, filename)
    draft = note.with_name(f".{secrets.token_hex(8)}")
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(native_url)
        draft.replace(note)
        for old in _outdated(note.parent):
            old.unlink(missing_ok=True)
    except OSError as error:
        _log.debug("upload not noted in %s: %s", note.parent, error)


def _note(destination: str, filename: str) -> Path:
    key = hashlib.blake2b(f"{destination}\0{filename}".encode(), digest_size=16).hexdigest()
    return _read.flyte_home() / "uploads" / key


def _outdated(directory: Path) -> Iterator[Path]:
    oldest = (clock.now() - LIFETIME).timestamp()
    for note in directory.iterdir():
        with suppress(FileNotFoundError):
            if note.stat().st_mtime < oldest:
                yield note


def _is_there(native_url: str) -> bool:
    scheme, separator, rest = native_url.partition("://")
    if not separator:
        return Path(native_url).is_file()
    return scheme != "file" or Path(unquote(rest)).is_file()
