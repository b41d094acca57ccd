"""The format of stored logs: one record per line, 19 bytes before the text.

    1764000000000000e  a line that was written to stderr

Microseconds since the epoch (16 digits), the stream, the kind, a space.  A line that does not begin so is text as it
is: logs of earlier releases, or of a host that could not have a scribe.  The control plane reads the same format.
"""

OUT, ERR, SYSTEM = b"o", b"e", b"s"
LINE, PIECE, PROGRESS, STRUCTURED, GAP, END = b" ", b"+", b"r", b"j", b"!", b"$"
"""A line; a piece of one that goes on in the next record of its stream; a state that was overwritten (`\\r`); a JSON
object; a notice that something is missing here; the end of what the attempt's pipes gave."""


def prefix(now_us: int, stream: bytes, kind: bytes) -> bytes:
    """What stands before the text of a record."""
    return b"%016d%b%b " % (now_us, stream, kind)


def record(now_us: int, stream: bytes, kind: bytes, text: bytes) -> bytes:
    """One record with its end; `text` has no line end in it."""
    return b"%016d%b%b %b\n" % (now_us, stream, kind, text)
