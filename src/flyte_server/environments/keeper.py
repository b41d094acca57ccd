"""Who makes environments, once for all who want them, gives them out, and removes what was not used for long."""

import asyncio
import hashlib
import logging
import shutil
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from flyte_server.clock import Clock
from flyte_server.domain.errors import Conflict, Invalid, NotFound
from flyte_server.environments import building, indexes, sdk
from flyte_server.environments.building import Draft
from flyte_server.environments.builds import Build
from flyte_server.environments.recipe import Recipe
from flyte_server.environments.shelf import Environment, Shelf
from flyte_server.environments.uv import BuildError, Uv

_log = logging.getLogger(__name__)
_LOCK_PAUSE_SECONDS = 0.25
_FRESH_SECONDS = 600.0
"""What somebody has asked for is not removed for so long: the run that wants it may still have to begin."""
_RECIPE_DAYS = 90
"""How long an environment can be made again after it was wanted last."""
_DOUBT_SECONDS = 30.0
"""A build that has failed is not tried again for each of a thousand tasks that wait for it."""
_MEBIBYTE = 1024 * 1024

Unended = Callable[[], Awaitable[Collection[int]]]
"""Asks for the numbers of the runs that go on."""


@dataclass(frozen=True, slots=True)
class State:
    """How far an environment is."""

    environment: Environment | None
    """If it is complete."""
    build: Build | None
    """If it is being made, or its making has failed."""


class Environments:
    """All environments of this machine.

    Args:
        room: their directory.
        clock: for moments and pauses.
        base_env: our own variables; uv gets them, with pip's indexes.
        most_bytes: what may be occupied before the ones go that were used longest ago; 0: any amount.
        unended: which runs go on: what they use stays.
    """

    def __init__(
        self,
        room: Path,
        clock: Clock,
        *,
        base_env: Mapping[str, str],
        most_bytes: int,
        unended: Unended,
    ) -> None:
        self.most_bytes = most_bytes
        self._clock = clock
        self._base_env = base_env
        self._unended = unended
        self._shelf = Shelf(room, sdk.identity())
        self._builds: dict[str, Build] = {}

    async def start(self) -> None:
        """Remove what a killed control plane has left half done, and recipes that nobody has wanted for long."""
        await asyncio.to_thread(self._shelf.sweep)
        oldest = self._clock.now_us() - _RECIPE_DAYS * 86_400_000_000
        await asyncio.to_thread(self._shelf.forget_recipes, oldest)

    async def close(self) -> None:
        """End what is being built; whoever wants it asks again."""
        tasks = [build.task for build in self._builds.values() if build.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- making

    async def keep(self, recipe: Recipe, files: Mapping[str, Path]) -> list[str]:
        """Write a recipe down, with its files.

        Args:
            recipe: what somebody wants to use, now or later.
            files: where their bytes are, by checksum.

        Returns:
            Checksums of files that are still missing: send them, and ask again.  The recipe is kept when there are
            none.

        Raises:
            Invalid: a file has another checksum.
        """
        for sha256, source in files.items():
            await asyncio.to_thread(_copy, source, self._shelf.content(sha256), sha256)
        missing = await asyncio.to_thread(self._shelf.missing, recipe)
        if not missing:
            await asyncio.to_thread(self._shelf.keep, recipe)
        return missing

    async def ensure(self, digest: str, *, anew: bool = True) -> State:
        """Have an environment: as it is, as it is being made, or as a build that begins now.

        Args:
            digest: of a recipe that was kept.
            anew: try again although it has just failed.

        Raises:
            NotFound: nobody has kept the recipe.
        """
        found = await asyncio.to_thread(self._shelf.find, digest)
        if found is not None:
            await asyncio.to_thread(self._shelf.use, found)
            return State(found, None)
        build = self._builds.get(digest)
        if build is None or (build.ended and (anew or self._is_old(build))):
            recipe = await asyncio.to_thread(self._shelf.recipe, digest)
            if recipe is None:
                raise NotFound(
                    f"Environment venv:{digest} is not on this machine, and neither is the recipe to make it of: "
                    "start the task from its code again, which sends the recipe."
                )
            build = self._begin(digest, recipe)
        return State(None, build)

    async def find(self, digest: str) -> Environment | None:
        """An environment that is complete."""
        return await asyncio.to_thread(self._shelf.find, digest)

    def build(self, digest: str) -> Build | None:
        """The latest build of an environment, of which this process knows."""
        return self._builds.get(digest)

    async def prepared(self, digest: str, run_id: int) -> Environment:
        """An environment for a task of a run; it is made if it is not there, or not any more.

        Raises:
            NotFound: nobody has kept the recipe.
            Invalid: it cannot be made; the message has the tool's own words.
        """
        state = await self.ensure(digest, anew=False)
        if state.build is not None:
            await state.build.over()
            if state.build.error:
                raise Invalid(f"Environment venv:{digest} cannot be made: {state.build.error}")
        found = state.environment or await asyncio.to_thread(self._shelf.find, digest)
        if found is None:
            raise NotFound(f"Environment venv:{digest} was removed just now; try again.")
        await asyncio.to_thread(self._shelf.use, found, run_id)
        return found

    def _is_old(self, build: Build) -> bool:
        return not build.error or self._clock.monotonic() - build.ended_at > _DOUBT_SECONDS

    def _begin(self, digest: str, recipe: Recipe) -> Build:
        """Nothing is awaited between the look for a build and this, so that there is one."""
        running = self._builds.get(digest)
        if running is not None and not running.ended:
            return running
        build = self._builds[digest] = Build(digest)
        build.task = asyncio.create_task(self._perform(build, recipe), name=f"build {digest}")
        return build

    async def _perform(self, build: Build, recipe: Recipe) -> None:
        error = "the control plane was stopped; start again"
        try:
            await self._make(build, recipe)
            error = ""
        except BuildError as failed:
            error = str(failed)
        except OSError as failed:
            error = f"{failed.strerror or failed} ({failed.filename or self._shelf.room})"
        except Exception as failed:  # noqa: BLE001 - the edge of a task that others wait for
            _log.exception("environment %s could not be made", build.digest)
            error = f"{type(failed).__name__}: {failed}"
        finally:
            build.end(error, self._clock.monotonic())
        await self.bound()

    async def _make(self, build: Build, recipe: Recipe) -> None:
        shelf, digest = self._shelf, build.digest
        began = self._clock.monotonic()
        while True:
            with shelf.locked(digest) as lock:
                if lock is not None:
                    if await asyncio.to_thread(shelf.find, digest) is None:
                        await self._make_alone(build, recipe, lock)
                    break
            await self._clock.sleep(_LOCK_PAUSE_SECONDS)
        build.say(f"ready after {self._clock.monotonic() - began:.1f} s")

    async def _make_alone(self, build: Build, recipe: Recipe, lock: int) -> None:
        shelf = self._shelf
        await asyncio.to_thread(shelf.sweep, build.digest)
        draft = Draft(await asyncio.to_thread(shelf.draft, build.digest))
        try:
            env = indexes.variables(self._base_env)
            # uv's output is the user's to read, and paths in the arguments are relative to the recipe's files.
            draft.files.mkdir()
            tool = Uv(env, draft.files, build.say, lock)
            record = await building.build(recipe, shelf, draft, tool)
            made = {**record, "built_at": self._clock.now_us()}
            await asyncio.to_thread(shelf.publish, build.digest, draft.path, made)
        finally:
            await asyncio.to_thread(shutil.rmtree, draft.path, ignore_errors=True)

    # -- what there is

    async def all(self) -> list[Environment]:
        """Every environment, the one that was used last first; runs that have ended are not among its runs."""
        found = await asyncio.to_thread(self._shelf.all)
        if not any(each.runs for each in found):
            return found
        unended = set(await self._unended())
        for each in found:
            for run_id in each.runs - unended:
                await asyncio.to_thread(self._shelf.forget, each, run_id)
        return await asyncio.to_thread(self._shelf.all)

    async def delete(self, name: str) -> Environment:
        """Remove an environment; it is made again when a task wants it.

        Args:
            name: its digest, or so much of it that there is no other.

        Raises:
            NotFound: there is none.
            Conflict: a run that goes on uses it, or several have such a name.
        """
        found = [each for each in await self.all() if each.path.name.startswith(name)]
        if not found or not name:
            raise NotFound(f"There is no environment {name!r}; see 'flyte get environment'.")
        if len(found) > 1:
            names = ", ".join(each.path.name for each in found)
            raise Conflict(
                f"Several environments have a name like {name!r}: {names}; write more of it."
            )
        if found[0].runs:
            raise Conflict(
                f"Environment {found[0].digest} is used by {len(found[0].runs)} run(s) that go on; stop "
                "them first with 'flyte abort run', or wait for their end."
            )
        await asyncio.to_thread(self._shelf.remove, found[0])
        return found[0]

    async def delete_unused(self) -> list[Environment]:
        """Remove every environment that no run uses which goes on."""
        unused = [each for each in await self.all() if not each.runs]
        for each in unused:
            await asyncio.to_thread(self._shelf.remove, each)
        return unused

    async def bound(self) -> None:
        """Remove environments until they occupy no more than they may: those first that were used longest ago."""
        if not self.most_bytes:
            return
        found = await self.all()
        excess = sum(each.bytes for each in found) - self.most_bytes
        fresh = self._clock.now_us() - int(_FRESH_SECONDS * 1_000_000)
        for each in reversed(found):
            if excess <= 0:
                return
            if each.runs or each.used_at > fresh:
                continue
            _log.info("environment %s is removed: %.0f MiB", each.digest, each.bytes / _MEBIBYTE)
            await asyncio.to_thread(self._shelf.remove, each)
            excess -= each.bytes


def _copy(source: Path, target: Path, sha256: str) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    data = source.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Invalid(
            f"{source.name} was sent with another content than its recipe says; run again."
        )
    draft = target.with_name(f".{target.name}")
    draft.write_bytes(data)
    draft.replace(target)
