"""`Credentials`: the headers that say who asks, and what is said when they are refused."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

AUTHORIZATION = "authorization"
NOBODY: Mapping[str, str] = {}
"""Of whoever says nothing about who asks."""


class Credentials(Protocol):
    """Says who asks."""

    async def headers(self) -> Mapping[str, str]:
        """What to send with a call; empty: nothing is known yet, the control plane may not even ask."""
        ...

    async def renewed(self, refused: Mapping[str, str]) -> Mapping[str, str]:
        """What to send after `refused` was refused; the same again: there is nothing else.

        Raises:
            flyte.errors.UnionRpcError: `unauthenticated`: nobody could log in; says what to do.
        """
        ...

    async def why(self, refused: Mapping[str, str]) -> str:
        """What is known about the reason, as the end of a sentence; empty: nothing."""
        ...


def bearer(token: str) -> Mapping[str, str]:
    """The header of a token."""
    return {AUTHORIZATION: f"Bearer {token}"}


class Nobody:
    """Says nothing about who asks.

    Args:
        why: why it cannot, for the message of a refusal.
    """

    def __init__(self, why: str = "") -> None:
        self._why = why

    async def headers(self) -> Mapping[str, str]:
        return NOBODY

    async def renewed(self, refused: Mapping[str, str]) -> Mapping[str, str]:
        return NOBODY

    async def why(self, refused: Mapping[str, str]) -> str:
        return self._why


class Fixed:
    """A token that never changes, such as that of a task's process."""

    def __init__(self, token: str, what: str = "") -> None:
        self._headers = bearer(token)
        self._what = what

    async def headers(self) -> Mapping[str, str]:
        return self._headers

    async def renewed(self, refused: Mapping[str, str]) -> Mapping[str, str]:
        return self._headers

    async def why(self, refused: Mapping[str, str]) -> str:
        return self._what


class TokenFile:
    """The token that the control plane of this machine has written into its directory.

    It is read once, and again when it is refused: the directory may have been made anew meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token = ""

    async def headers(self) -> Mapping[str, str]:
        if not self._token:
            self._read()
        return bearer(self._token) if self._token else NOBODY

    async def renewed(self, refused: Mapping[str, str]) -> Mapping[str, str]:
        self._read()
        return bearer(self._token) if self._token else NOBODY

    async def why(self, refused: Mapping[str, str]) -> str:
        state = "was refused" if self._token else "cannot be read"
        return (
            f"the token in {self._path} {state}; whoever started the control plane may read it "
            "(FLYTE_HOME says where it lies), others need a key: flyte create api-key NAME"
        )

    def _read(self) -> None:
        try:
            self._token = self._path.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):  # no file, or somebody else's: then nobody asks
            self._token = ""


class Passing:
    """Whoever calls says who asks: `flyte.remote.auth_metadata` around the call."""

    def __init__(self, metadata: Callable[[], Mapping[str, str]]) -> None:
        self._metadata = metadata

    async def headers(self) -> Mapping[str, str]:
        return self._metadata()

    async def renewed(self, refused: Mapping[str, str]) -> Mapping[str, str]:
        return self._metadata()

    async def why(self, refused: Mapping[str, str]) -> str:
        if refused:
            return "what flyte.remote.auth_metadata(…) passed on was refused"
        return "call within `with flyte.remote.auth_metadata(('authorization', 'Bearer …')):`"
