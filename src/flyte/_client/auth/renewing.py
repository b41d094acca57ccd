"""`Renewing`: a token that is got when it is asked for, and renewed before it ends."""

from collections.abc import Mapping

from flyte import errors
from flyte._client.auth.credentials import NOBODY
from flyte._client.auth.kept import Keyring
from flyte._client.auth.once import Once
from flyte._client.auth.tokens import Source, Token, claims, moment, seconds

_SKEW_SECONDS = 30.0
"""Clocks that differ by less are not worth a word."""
_NEW_SECONDS = 5.0
"""A token that is refused earlier is refused for another reason than its age."""


class Renewing:
    """Says nothing until the control plane asks who it is; then logs in, once for all calls that wait.

    A control plane that asks nobody is never told anything, and no keyring is opened for it.
    """

    def __init__(self, source: Source, kept: Keyring) -> None:
        self._source = source
        self._kept = kept
        self._token: Token | None = None
        self._is_new = False
        """Whether this process has got it by a login, and not found it where it was kept."""
        self._once: Once[Token] = Once()

    async def headers(self) -> Mapping[str, str]:
        token = self._token
        if token is None:
            return NOBODY
        if token.is_ending:
            token = await self._instead_of(token)
        return _header(token)

    async def renewed(self, refused: Mapping[str, str]) -> Mapping[str, str]:
        token = self._token
        if token is not None and _header(token) != refused:
            return _header(token)  # another call has logged in meanwhile
        if token is not None and self._is_new and seconds() - token.made_at < _NEW_SECONDS:
            return refused  # another login would give the same
        return _header(await self._instead_of(token))

    async def why(self, refused: Mapping[str, str]) -> str:
        token = self._token
        if token is None or _header(token) != refused:
            return ""
        return _explained(token)

    async def _instead_of(self, token: Token | None) -> Token:
        return await self._once.done(lambda: self._got(token))

    async def _got(self, before: Token | None) -> Token:
        name = self._source.name
        if before is None and self._source.is_kept:
            kept = await self._kept.find(name)
            if kept is not None and not kept.is_ending:
                self._token, self._is_new = kept, False
                return kept
            before = kept
        self._token, self._is_new = await self._source.token(before), True
        if self._source.is_kept:
            await self._kept.keep(name, self._token)
        return self._token


def _header(token: Token) -> Mapping[str, str]:
    return {token.header: f"Bearer {token.access}"}


def _explained(token: Token) -> str:
    """Why a token may be refused that was got just now."""
    if abs(token.skew_seconds) > _SKEW_SECONDS:
        ahead = "ahead of" if token.skew_seconds > 0 else "behind"
        return (
            f"this machine's clock is {abs(token.skew_seconds):.0f} s {ahead} that of the control plane, so its tokens "
            "are not valid yet or no longer; set the clock"
        )
    told = claims(token.access)
    begins, ends = moment(told, "nbf") or moment(told, "iat"), moment(told, "exp")
    if begins is not None and begins > seconds() + _SKEW_SECONDS:
        return (
            f"the token begins to be valid {begins - seconds():.0f} s from now by this machine's clock; set the clock "
            "here, or where the token is made"
        )
    if ends is not None and ends <= seconds():
        return f"the token ended {seconds() - ends:.0f} s ago by this machine's clock; set the clock, or get another"
    return "the token that was got for it just now was refused; is it meant for this control plane?"


def unauthenticated(sentence: str) -> errors.UnionRpcError:
    """The error of a login that did not succeed."""
    return errors.UnionRpcError("unauthenticated", sentence)
