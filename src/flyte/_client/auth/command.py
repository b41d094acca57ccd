"""Tokens that a program of the user's prints."""

import asyncio
import shlex
from collections.abc import Sequence

from flyte import errors
from flyte._client.auth.tokens import Token, claims, moment, seconds

_LIMIT_SECONDS = 60.0
_LONGEST_REASON = 500


class Command:
    """Runs a program; the first word that it prints is the token.

    Args:
        words: the program and its arguments; no shell reads them.
        option: how the user named it, for messages.
    """

    is_kept = False

    def __init__(self, words: Sequence[str], option: str = "command") -> None:
        self.name = f"command {shlex.join(words)}"
        self._words = tuple(words)
        self._what = f"{option} {shlex.join(words)!r}"

    async def token(self, before: Token | None) -> Token:
        """Run it."""
        output = await self._output()
        printed = output.split()
        if not printed:
            raise self._failed("printed nothing", "let it print a token")
        told = claims(printed[0])
        return Token(access=printed[0], made_at=seconds(), expires_at=moment(told, "exp"))

    async def _output(self) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise self._failed(f"cannot be started ({error.strerror})", "correct it") from error
        try:
            async with asyncio.timeout(_LIMIT_SECONDS):
                printed, said = await process.communicate()
        except TimeoutError as error:
            raise self._failed(
                f"did not end within {_LIMIT_SECONDS:.0f} s", "try it by hand"
            ) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            reason = said.decode(errors="replace").strip()[-_LONGEST_REASON:]
            raise self._failed(
                f"ended with status {process.returncode}: {reason}", "try it by hand"
            )
        return printed.decode(errors="replace")

    def _failed(self, what: str, next_step: str) -> errors.UnionRpcError:
        return errors.UnionRpcError("unauthenticated", f"{self._what} {what}; {next_step}")
