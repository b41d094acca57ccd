"""Random words: long ones that programs carry, short ones that people type."""

import hashlib
import re
import secrets

_BYTES = 32
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so that no words come out; no figures, which look like letters (RFC 8628, 6.1)."""
_HALF = 4


def fresh() -> str:
    """A word that nobody guesses."""
    return secrets.token_urlsafe(_BYTES)


def hashed(word: str) -> bytes:
    """What is kept of a word.  256 random bits need no slow hash: nobody can try them through."""
    return hashlib.sha256(word.encode()).digest()


def shown() -> str:
    """A code for people, e.g. `WDJB-MJHT`: 34 bits, which is enough for ten minutes and few tries."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(2 * _HALF))
    return f"{letters[:_HALF]}-{letters[_HALF:]}"


def typed(text: str) -> str:
    """The code that somebody has typed in any case, with or without hyphen; empty if it is none.

    Example:
        >>> typed(" wdjb mjht")
        'WDJB-MJHT'
    """
    letters = re.sub(r"[\s-]+", "", text).upper()
    if len(letters) != 2 * _HALF or set(letters) - set(_LETTERS):
        return ""
    return f"{letters[:_HALF]}-{letters[_HALF:]}"
