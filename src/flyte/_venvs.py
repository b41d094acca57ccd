"""Virtual environments in the place of images: our own control plane makes them, with `uv`, of a recipe that we send.

Another backend is sent nothing of this: it runs containers.
"""

import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from flyte import _image, errors
from flyte._client import ControlPlane
from flyte._client.data import DataLinks
from flyte._environment import Environment
from flyte._image import Image
from flyte._images import _recipe
from flyte._images._recipe import Recipe
from flyte._session import Session
from flyte._task import AsyncFunctionTaskTemplate, TaskTemplate

_log = logging.getLogger("flyte.images")
_SERVICE = "EnvironmentService"
_FOREIGN = frozenset({"unimplemented", "not_found"})
_AGAIN = 3
"""How often a build that nobody makes any more (the control plane was restarted) is asked for again."""


class Venvs:
    """The environments of one control plane of ours.

    Args:
        plane: the connected control plane.
        links: how it gets files.
    """

    def __init__(self, plane: ControlPlane, links: DataLinks) -> None:
        self._plane = plane
        self._links = links

    @classmethod
    async def of(cls, session: Session) -> "Venvs | None":
        """Those of the session's control plane; None if it is no control plane of ours.

        Raises:
            UnionRpcError: it cannot be reached.
        """
        address, plane = await session.link.open(session, start=True)
        if not address.embedded and not await _is_ours(plane):
            return None
        links = DataLinks(plane, session.project, session.domain, session.org, direct=False)
        return cls(plane, links)

    async def keep(self, image: Image) -> str:
        """Send an image's recipe; gives the address for tasks, of which the first makes the environment.

        Raises:
            ImageBuildError: the image asks for what a virtual environment cannot have.
        """
        recipe = _recipe.recipe(image)
        if recipe.is_plain and image.python_version == _image.this_python():
            return Image.from_debian_base().uri
        return await self._kept(recipe)

    async def ensure(self, image: Image) -> str:
        """Have the environment of an image made, unless it is there; gives the address for tasks.

        Raises:
            ImageBuildError: it cannot be made; the message has what uv says.
        """
        address = await self.keep(image)
        if not address.startswith("venv:"):
            return address
        for _ in range(_AGAIN):
            state = await self._ask("Ensure", image=address)
            if state["state"] == "ready" or await self._made(image, address):
                return address
        raise errors.ImageBuildError(
            f"the environment of image {_name(image)} was not made: the control plane was restarted again and again; "
            "look at its log: server.log"
        )

    async def _made(self, image: Image, address: str) -> bool:
        """Follow a build to its end; False if nobody makes it any more."""
        _log.warning("making %s, the Python environment of image %s", address, _name(image))
        after = 0
        while True:
            seen = await self._ask("Watch", image=address, after=after)
            after = seen["next"]
            for line in seen["lines"]:
                _log.info("  %s", line)
            if seen["state"] == "failed":
                raise errors.ImageBuildError(
                    f"the environment of image {_name(image)} cannot be made; correct its layers:\n{seen['error']}"
                )
            if seen["state"] != "building":
                return seen["state"] == "ready"

    async def _kept(self, recipe: Recipe) -> str:
        told = await self._ask("Keep", recipe=recipe.payload())
        if told["missing"]:
            uploads: dict[str, str] = {}
            for checksum in told["missing"]:
                name, content = recipe.contents[checksum]
                uploads[checksum] = await self._links.upload([content], name)
            told = await self._ask("Keep", recipe=recipe.payload(), uploads=uploads)
        return told["image"]

    async def _ask(self, method: str, **payload: Any) -> dict[str, Any]:
        return await self._plane.own(_SERVICE, method, payload)


async def _is_ours(plane: ControlPlane) -> bool:
    """Whether the backend is a control plane of ours: asked for something that concerns nobody."""
    try:
        await plane.own("DataService", "Whereabouts", {})
    except errors.UnionRpcError as error:
        if error.code in _FOREIGN:
            return False
        raise
    return True


def _name(image: Image) -> str:
    return image.name or image.uri


def declared(task: TaskTemplate[..., Any, Any]) -> list[Environment]:
    """The environment of a task, and those that it depends on."""
    env = task.parent_env() if task.parent_env is not None else None
    return list(with_dependencies([env])) if env is not None else []


def with_dependencies(envs: Iterable[Environment]) -> Iterator[Environment]:
    """Each environment once, those that it depends on after it."""
    waiting, seen = list(envs), set[str]()
    while waiting:
        env = waiting.pop(0)
        if env.name not in seen:
            seen.add(env.name)
            yield env
            waiting.extend(env.depends_on)


def visible(root: Path, home: ModuleType | None) -> Iterator[Environment]:
    """Environments in a module of the user's and in those that it uses: a task may call what nobody has declared.

    Args:
        root: modules below it are the user's own.
        home: where to begin.
    """
    waiting, seen = [home], set[str]()
    root = root.resolve()
    while waiting:
        module = waiting.pop()
        if module is None or module.__name__ in seen or not _is_below(root, module):
            continue
        seen.add(module.__name__)
        for value in list(vars(module).values()):
            if isinstance(value, Environment):
                yield value
            used = value if isinstance(value, ModuleType) else _module_of(value)
            waiting.append(used)


def _module_of(value: Any) -> ModuleType | None:
    """Where a function, a class or a task was defined."""
    function = value.func if isinstance(value, AsyncFunctionTaskTemplate) else value
    name = getattr(function, "__module__", None)
    return sys.modules.get(name) if isinstance(name, str) else None


def _is_below(root: Path, module: ModuleType) -> bool:
    # vars(): a lazy module must not be loaded by asking for its file.
    file = vars(module).get("__file__")
    return isinstance(file, str) and "site-packages" not in file and Path(file).is_relative_to(root)
