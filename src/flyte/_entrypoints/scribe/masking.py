"""Secrets never reach a log: their values are replaced while text passes by, however it is cut into chunks."""

import re
from collections.abc import Iterable

from flyte._kit import masking

MASK = b"***"


class Masker:
    """Replaces values in a stream.  What may be the beginning of a value is held back until it is clear."""

    def __init__(self, values: Iterable[str]) -> None:
        self._values = sorted(_forms(values), key=len, reverse=True)
        self._pattern = (
            re.compile(b"|".join(map(re.escape, self._values))) if self._values else None
        )
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Text that is clear now."""
        if self._pattern is None:
            return chunk
        text = self._held + chunk
        clear: list[bytes] = []
        begin = 0
        held_from = self._beginning(text, begin)
        for match in self._pattern.finditer(text):
            if match.start() >= held_from:
                break
            clear += (text[begin : match.start()], MASK)
            begin = match.end()
            if begin > held_from:
                held_from = self._beginning(text, begin)
        clear.append(text[begin:held_from])
        self._held = text[held_from:]
        return b"".join(clear)

    def close(self) -> bytes:
        """What was held back; nothing follows it.  Much of a value is hidden like the whole."""
        held, self._held = self._held, b""
        return MASK if len(held) >= masking.SHORTEST else held

    def _beginning(self, text: bytes, begin: int) -> int:
        """Where, from `begin` on, the longest end of the text begins that may go on to be a value."""
        longest = 0
        for value in self._values:
            for length in range(min(len(value) - 1, len(text) - begin), longest, -1):
                if text.endswith(value[:length]):
                    longest = length
                    break
        return len(text) - longest


def _forms(values: Iterable[str]) -> set[bytes]:
    """Values as they may be printed: the same forms that error messages are searched for."""
    return {form.encode("utf-8", "surrogateescape") for form in masking.forms(values)}
