"""Output in chunks of any size in, records out."""

import json

from flyte._entrypoints.scribe import records
from flyte._entrypoints.scribe.masking import Masker

LONGEST_PIECE = 64 * 1024
"""Bytes of a line that is held until its end comes; a longer one becomes pieces."""
PARTIAL_US = 400_000
"""So long a line without an end is held before it is written as a piece."""
PROGRESS_US = 200_000
"""The least time between two states of lines that overwrite themselves."""
STRUCTURED_MARK = b"\x1e"
"""Begins a JSON object (RFC 7464)."""


class Stamper:
    """Makes records of one stream of one attempt.

    The common case, a chunk of whole lines, costs some searches and one replacement.  What was written is in the
    records byte by byte, except for secrets, and for states of progress bars that nobody could have read.
    """

    def __init__(self, stream: bytes, masker: Masker) -> None:
        self._stream = stream
        self._masker = masker
        self._line = b""
        """What of the line without an end (yet) has not left as a piece."""
        self._since_us = 0
        """When that began to wait."""
        self._in_pieces = False
        """The line's beginning has left; the next record of this stream goes on with it."""
        self._return = b""
        """A carriage return that may be half of a line end."""
        self._overwritten: bytes | None = None
        """Of a line that overwrites itself: the last state before this one that showed something."""
        self._shown = b""
        """Its state that was written last."""
        self._shown_us = 0

    @property
    def waits(self) -> bool:
        """Whether there is something that `tick` will write when it is due."""
        return bool(self._line) and self._line != self._shown

    def feed(self, chunk: bytes, now_us: int) -> bytes:
        """Records of what is complete now."""
        return self._stamp(self._masker.feed(chunk), now_us)

    def tick(self, now_us: int) -> bytes:
        """What has waited long enough: a state of a line that overwrites itself, a piece of another."""
        if not self.waits:
            return b""
        if self._return or self._overwritten is not None:
            return self._state(now_us)
        return (
            self._piece(len(self._line), now_us) if now_us - self._since_us >= PARTIAL_US else b""
        )

    def close(self, now_us: int) -> bytes:
        """The rest."""
        made = self._stamp(self._masker.close(), now_us)
        if self._line or self._in_pieces or self._overwritten:
            made += self._end_line(now_us)
        return made

    def _stamp(self, text: bytes, now_us: int) -> bytes:
        if not text:
            return b""
        if not self._line:
            self._since_us = now_us
        stamp = self._plain if self._is_plain(text) else self._overwriting
        made = stamp(text, now_us)
        while len(self._line) > LONGEST_PIECE:
            made += self._piece(_character_end(self._line, LONGEST_PIECE), now_us)
        return made

    def _is_plain(self, text: bytes) -> bool:
        special = self._return or self._overwritten is not None or STRUCTURED_MARK in self._line
        return not (special or b"\r" in text or STRUCTURED_MARK in text)

    def _plain(self, text: bytes, now_us: int) -> bytes:
        end = text.rfind(b"\n")
        if end < 0:
            self._line += text
            return b""
        begin = records.prefix(now_us, self._stream, records.LINE)
        made = b"%b%b%b\n" % (begin, self._line, text[:end].replace(b"\n", b"\n" + begin))
        self._begin_line(text[end + 1 :], now_us)
        return made

    def _overwriting(self, text: bytes, now_us: int) -> bytes:
        """As a terminal takes it: what follows a carriage return replaces the line, unless a line end follows it."""
        text = self._return + text
        self._return = b"\r" if text.endswith(b"\r") else b""
        text = text[: len(text) - len(self._return)].replace(b"\r\n", b"\n")
        made: list[bytes] = []
        for number, line in enumerate(text.split(b"\n")):
            if number:
                made.append(self._end_line(now_us))
            first, *states = line.split(b"\r")
            self._line += first
            for state in states:
                made.append(self._give_way(now_us))
                self._line = state
        return b"".join(made)

    def _give_way(self, now_us: int) -> bytes:
        """The line is about to be overwritten."""
        if self._in_pieces:
            return self._end_line(now_us)
        made = self._state(now_us) if self.waits else b""
        self._overwritten = self._line or self._overwritten or b""
        return made

    def _state(self, now_us: int) -> bytes:
        if now_us - self._shown_us < PROGRESS_US:
            return b""
        self._shown, self._shown_us = self._line, now_us
        return records.record(now_us, self._stream, records.PROGRESS, self._line)

    def _piece(self, length: int, now_us: int) -> bytes:
        piece, self._line = self._line[:length], self._line[length:]
        self._since_us, self._in_pieces = now_us, True
        return records.record(now_us, self._stream, records.PIECE, piece)

    def _end_line(self, now_us: int) -> bytes:
        line = self._line or self._overwritten or b""
        in_pieces = self._in_pieces
        self._begin_line(b"", now_us)
        text, mark, document = line.partition(STRUCTURED_MARK)
        if not mark or not _is_structured(document):
            return records.record(now_us, self._stream, records.LINE, line)
        structured = records.record(now_us, self._stream, records.STRUCTURED, document)
        if not text and not in_pieces:
            return structured
        return records.record(now_us, self._stream, records.LINE, text) + structured

    def _begin_line(self, text: bytes, now_us: int) -> None:
        self._line, self._since_us, self._in_pieces = text, now_us, False
        self._overwritten, self._shown = None, b""


def _is_structured(document: bytes) -> bool:
    try:
        found = json.loads(document)
    except ValueError:
        return False
    return isinstance(found, dict) and "message" in found


def _character_end(text: bytes, limit: int) -> int:
    """Where to cut at most `limit` bytes so that no UTF-8 character is cut in two."""
    for end in range(limit, limit - 4, -1):
        if text[end] & 0b1100_0000 != 0b1000_0000:
            return end
    return limit
