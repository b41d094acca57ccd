"""Which Python an attempt wants, whether it can be a host, and what to execute if it cannot."""

import asyncio
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flyte_server.clock import Clock
from flyte_server.engine.ports import LaunchSpec

TASK_COMMAND = "a0"
HOST_MODULE = "flyte._entrypoints.host"
TASK_MODULE = "flyte._entrypoints.a0"
_HOST, _REPLICA = "host.py", "replica"
"""What an interpreter must have below `flyte/_entrypoints`."""
_PROBE_SECONDS = 20.0
_DOUBT_SECONDS = 60.0
"""How long an interpreter that cannot host is believed to stay so: somebody may install the SDK
there."""
_PROBE = """
import importlib.util, os, sys
found = importlib.util.find_spec("flyte")
places = (found.submodule_search_locations or ()) if found else ()
able = any(os.path.exists(os.path.join(place, "_entrypoints", sys.argv[1])) for place in places)
sys.exit(0 if able and hasattr(os, "fork") and sys.version_info >= (3, 11) else 3)
"""


class CannotRunError(Exception):
    """An attempt cannot be executed on this machine as it is; the message says what is missing
    and where."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python environment, by its `sys.prefix`."""

    prefix: Path

    @property
    def python(self) -> Path:
        return self.prefix / "bin" / "python"

    @property
    def own(self) -> bool:
        """Whether it is the environment of the control plane itself, which has the SDK beside
        it."""
        return self.prefix == Path(sys.prefix)

    def check(self) -> None:
        """Raise `CannotRunError` if there is no interpreter."""
        if not self.python.exists():
            raise CannotRunError(
                f"{self.python} does not exist; the run asks for the Python environment "
                f"{self.prefix} (VIRTUAL_ENV): make it again, or run from an environment that "
                "exists on the machine of the control plane"
            )


class Probes:
    """Answers whether an interpreter has our host and our replica, by asking it once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answers: dict[tuple[str, str, str], tuple[bool, float]] = {}

    async def can_host(self, interpreter: Interpreter, env: Mapping[str, str]) -> bool:
        """Whether hosts can run there.  A yes is kept for good, a no for a minute."""
        return await self._has(_HOST, interpreter, env)

    async def can_replicate(self, interpreter: Interpreter, env: Mapping[str, str]) -> bool:
        """Whether replicas can run there; kept in the same way."""
        return await self._has(_REPLICA, interpreter, env)

    async def _has(self, entry: str, interpreter: Interpreter, env: Mapping[str, str]) -> bool:
        if interpreter.own and "PYTHONPATH" not in env:
            return True
        key = (entry, str(interpreter.python), env.get("PYTHONPATH", ""))
        known = self._answers.get(key)
        if known and (known[0] or self._clock.monotonic() - known[1] < _DOUBT_SECONDS):
            return known[0]
        answer = await _ask(entry, interpreter, env)
        self._answers[key] = (answer, self._clock.monotonic())
        return answer


def executable(spec: LaunchSpec, interpreter: Interpreter, env: Mapping[str, str]) -> list[str]:
    """The command of an attempt that is executed: found beside the interpreter first, then on the
    path.

    Raises:
        CannotRunError: there is no command, or no such program.
    """
    if not spec.command:
        raise CannotRunError(
            f"task {spec.task_name} has no command; its image {spec.image or '(none)'} would say "
            "what to execute, but this control plane runs processes without images: give it one"
        )
    found = shutil.which(spec.command[0], path=env["PATH"])
    if found:
        return [found, *spec.command[1:], *spec.args]
    if interpreter.own and spec.command == (TASK_COMMAND,):
        return [str(interpreter.python), "-P", "-m", TASK_MODULE, *spec.args]
    raise CannotRunError(
        f"task {spec.task_name} needs the command {spec.command[0]}, which is not on the path "
        f"{env['PATH']}; install it there"
    )


async def _ask(entry: str, interpreter: Interpreter, env: Mapping[str, str]) -> bool:
    process = await asyncio.create_subprocess_exec(
        str(interpreter.python),
        "-P",  # older interpreters do not know this option, and cannot host
        "-c",
        _PROBE,
        entry,
        env=dict(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        return await asyncio.wait_for(process.wait(), _PROBE_SECONDS) == 0
    except TimeoutError:
        process.kill()
        await process.wait()
        return False
