"""EnvironmentService: Python environments of images, made on this machine, shown and removed."""

from collections.abc import Mapping
from typing import Any

from flyte_server.blobs import LocalBlobs
from flyte_server.domain.errors import Invalid
from flyte_server.environments import recipe as recipes
from flyte_server.environments.keeper import Environments, State
from flyte_server.environments.shelf import Environment
from flyte_server.services import links
from flyte_server.services.directory import Directory
from flyte_server.services.own.frame import Method, Payload, Request
from flyte_server.services.wire import times

_WATCH_SECONDS = 2.0


class EnvironmentService:
    """What clients ask of `Environments`."""

    name = "EnvironmentService"

    def __init__(self, environments: Environments, blobs: LocalBlobs, directory: Directory) -> None:
        self._environments = environments
        self._blobs = blobs
        self._directory = directory

    def methods(self) -> Mapping[str, Method]:
        return {
            "Keep": self.keep,
            "Ensure": self.ensure,
            "Watch": self.watch,
            "List": self.list,
            "Delete": self.delete,
        }

    async def keep(self, request: Request) -> Payload:
        """`{recipe, uploads?: {sha256: uri}} -> {image, missing: [sha256]}`: write a recipe down.

        `image` is what a task's container has to name; nothing is made before `Ensure`, or before a task needs it.
        Files that are `missing` have to be uploaded, and then asked again with their addresses.
        """
        recipe = recipes.read(request.fields.get("recipe"))
        uploads = request.fields.get("uploads", {})
        if not isinstance(uploads, Mapping):
            raise Invalid(f"uploads has to be an object, but is {uploads!r}.")
        files = {
            str(sha256): self._blobs.confined(links.data_path(self._blobs, str(uri)))
            for sha256, uri in uploads.items()
        }
        missing = await self._environments.keep(recipe, files)
        return {"image": recipes.PREFIX + recipe.digest, "missing": missing}

    async def ensure(self, request: Request) -> Payload:
        """`{image} -> {state}`: begin to make it, unless it is there, or being made: `ready` or `building`.

        Raises:
            NotFound: its recipe is not kept here.
        """
        state = await self._environments.ensure(_digest(request))
        return {"state": _state(state)}

    async def watch(self, request: Request) -> Payload:
        """`{image, after?} -> {state, lines, next, error?}`: progress since line `after`, as soon as there is some.

        `state` is `ready`, `building`, `failed` (then `error` has the tool's own words), or `absent`: nobody makes it.
        """
        digest, after = _digest(request), request.number("after", 0)
        build = self._environments.build(digest)
        if build is None:
            there = await self._environments.find(digest) is not None
            return {"state": "ready" if there else "absent", "lines": [], "next": after}
        seen = await build.watch(after, _WATCH_SECONDS)
        state = ("failed" if seen.error else "ready") if seen.ended else "building"
        return {"state": state, "lines": seen.lines, "next": seen.next, "error": seen.error}

    async def list(self, request: Request) -> Payload:
        """`{} -> {environments, bytes, limit}`: the one that was used last comes first."""
        found = await self._environments.all()
        return {
            "environments": [await self._described(each) for each in found],
            "bytes": sum(each.bytes for each in found),
            "limit": self._environments.most_bytes,
        }

    async def delete(self, request: Request) -> Payload:
        """`{name} or {unused: true} -> {deleted: [name]}`: a task that wants one has it made again.

        Raises:
            NotFound: there is none.
            Conflict: a run that goes on uses it.
        """
        if request.fields.get("unused") is True:
            gone = await self._environments.delete_unused()
        else:
            gone = [await self._environments.delete(request.text("name"))]
        return {"deleted": [each.digest for each in gone]}

    async def _described(self, environment: Environment) -> dict[str, Any]:
        return {
            "name": environment.digest,
            "image": recipes.PREFIX + environment.digest,
            "path": str(environment.prefix),
            "python": environment.python,
            "packages": dict(environment.packages),
            "variables": dict(environment.variables),
            "bytes": environment.bytes,
            "built_at": times.rfc3339(environment.built_at),
            "used_at": times.rfc3339(environment.used_at),
            "runs": [await self._run_name(run_id) for run_id in sorted(environment.runs)],
        }

    async def _run_name(self, run_id: int) -> str:
        return (await self._directory.by_id(run_id)).run.name


def _digest(request: Request) -> str:
    image = request.text("image")
    digest = recipes.digest_of(image)
    if digest is None:
        raise Invalid(
            f"{image!r} is no environment of this machine; its address begins with {recipes.PREFIX!r}."
        )
    return digest


def _state(state: State) -> str:
    return "building" if state.environment is None else "ready"
