"""Messages in files carry their size and checksum in front, so that a cut or changed one is noticed, not misread.

The seal is a field that no message has, which every reader of protobuf skips: files stay readable for others.  A cut
message is often a valid one: without the seal its last outputs would silently be missing.
"""

import xxhash

from flyte import errors

_HEAD = b"\xfa\x7c\x18"
"""Field 1999, 24 bytes long."""
_DIGEST_BYTES = 16
_SIZE_BYTES = 8
_SEAL_BYTES = len(_HEAD) + _DIGEST_BYTES + _SIZE_BYTES


def sealed(message: bytes) -> bytes:
    """A serialized message with its seal."""
    size = len(message).to_bytes(_SIZE_BYTES, "big")
    return b"".join((_HEAD, xxhash.xxh3_128_digest(message), size, message))


def opened(content: bytes, uri: str) -> bytes:
    """The message of a file; a file without a seal is given as it is.

    Raises:
        flyte.errors.DataCorruptionError: the message is not the one that was sealed.

    Example:
        >>> opened(sealed(b"message"), "r1/a0/1/outputs.pb")
        b'message'
    """
    if not content.startswith(_HEAD):
        return content
    digest = content[len(_HEAD) : len(_HEAD) + _DIGEST_BYTES]
    size = int.from_bytes(content[len(_HEAD) + _DIGEST_BYTES : _SEAL_BYTES], "big")
    message = content[_SEAL_BYTES:]
    if len(content) < _SEAL_BYTES or len(message) != size:
        raise _damaged(uri, f"{size} bytes", f"{len(message)}")
    found = xxhash.xxh3_128_digest(message)
    if found != digest:
        raise _damaged(uri, f"checksum {digest.hex()}", found.hex())
    return message


def _damaged(uri: str, expected: str, found: str) -> errors.DataCorruptionError:
    return errors.DataCorruptionError(
        f"{uri} is damaged: written were {expected}, found {found}; look at its disk, and run the task again"
    )
