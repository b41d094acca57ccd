"""Messages in files carry their size and checksum in front; the twin of the SDK's `storage/seals.py`.

The seal is a field that no message has, which every reader of protobuf skips.  Files of other clients have none.
"""

import xxhash

_HEAD = b"\xfa\x7c\x18"
"""Field 1999, 24 bytes long."""
_DIGEST_BYTES = 16
_SIZE_BYTES = 8
_SEAL_BYTES = len(_HEAD) + _DIGEST_BYTES + _SIZE_BYTES


def message(content: bytes) -> bytes:
    """The message in a file, without its seal."""
    return content[_SEAL_BYTES:] if content.startswith(_HEAD) else content


def damage(content: bytes) -> str | None:
    """What is wrong with a file, in words that follow its name; None if it is whole, or has no seal.

    Example:
        >>> damage(bytes.fromhex("fa7c18") + bytes(16) + (5).to_bytes(8, "big") + b"four")
        'is damaged: written were 5 bytes, found 4'
    """
    if not content.startswith(_HEAD):
        return None
    digest = content[len(_HEAD) : len(_HEAD) + _DIGEST_BYTES]
    size = int.from_bytes(content[len(_HEAD) + _DIGEST_BYTES : _SEAL_BYTES], "big")
    rest = content[_SEAL_BYTES:]
    if len(content) < _SEAL_BYTES or len(rest) != size:
        return f"is damaged: written were {size} bytes, found {len(rest)}"
    found = xxhash.xxh3_128_digest(rest)
    if found != digest:
        return f"is damaged: written was checksum {digest.hex()}, found {found.hex()}"
    return None
