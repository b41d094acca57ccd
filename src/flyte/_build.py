"""`flyte.build`, `flyte.build_images` and the engine behind them: from images to their addresses."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from flyte import _image, _session, _venvs, errors
from flyte._environment import Environment
from flyte._image import Image, ImageBuild
from flyte._image_layers import BundledCode
from flyte._images import _builders, _ensure
from flyte._images._builders import NoBuilder
from flyte._images._cache import ImageCache
from flyte._images._protocols import ImageBuilder
from flyte._options import CopyFiles
from flyte._task import TaskTemplate
from flyte._task_environment import TaskEnvironment
from flyte._venvs import Venvs
from flyte._wire import loading
from flyte.syncify import syncify


class ImageBuildEngine:
    """Chooses who builds an image, and whether anybody has to.

    Example:
        >>> build = await flyte.extend.ImageBuildEngine.build(image)
        >>> build.uri
        'ghcr.io/acme/trainer:7c1f…'
    """

    ImageBuilderType = Literal["local", "remote"]
    """Names of the builders that are always meant; plugins bring others."""

    _answers: ClassVar = _ensure.Answers()

    @classmethod
    async def build(
        cls,
        image: Image,
        builder: "str | ImageBuilder | None" = None,
        dry_run: bool = False,
        force: bool = False,
        wait: bool = True,
    ) -> ImageBuild:
        """The image's address; it is built if it has to be and nobody has it.

        An image without layers of its own, and the default one, need no build.

        Args:
            image: the declaration.
            builder: name of a builder, or one itself; by default the session's (`flyte.init(image_builder=…)`).
            dry_run: have the builder only say what it would do.
            force: build without asking whether the image is there.
            wait: return when the image is there, not when its build has begun.

        Raises:
            ImageBuildError: naming the image, the builder and the next step.
        """
        if not _image.needs_build(image):
            return ImageBuild(uri=_address(image), remote_run=None)
        name, chosen = _chosen(builder)
        if isinstance(chosen, NoBuilder) and (venvs := await _venvs_here()) is not None:
            made = await venvs.ensure(image) if wait and not dry_run else await venvs.keep(image)
            return ImageBuild(uri=made, remote_run=None)
        return await _ensure.ensure(
            image, chosen, cls._answers, name=name, dry_run=dry_run, force=force, wait=wait
        )

    @staticmethod
    async def image_exists(image: Image) -> str | None:
        """The image's address if it is there, as far as the checkers of the session's builder know.

        Raises:
            ImageBuildError: when a checker fails.
        """
        if not _image.needs_build(image):
            return _address(image)
        return await _ensure.existing(image, _chosen(None)[1])


@syncify
async def build(
    image: Image, dry_run: bool = False, force: bool = False, wait: bool = True
) -> ImageBuild:
    """Build an image with the session's builder, unless it is there already.

    Args:
        image: the declaration.
        dry_run: have the builder only say what it would do.
        force: build without asking whether the image is there.
        wait: return when the image is there, not when its build has begun.

    Raises:
        ImageBuildError: naming the image, the builder and the next step.

    Example:
        >>> flyte.build(flyte.Image.from_base("python:3.12-slim")).uri
        'python:3.12-slim'
    """
    return await ImageBuildEngine.build(image, dry_run=dry_run, force=force, wait=wait)


@syncify
async def build_images(
    *envs: Environment,
    copy_style: CopyFiles = "loaded_modules",
    seed_cache: ImageCache | None = None,
) -> ImageCache:
    """Build the images of environments and of all that they depend on, at the same time.

    Args:
        envs: the environments.
        copy_style: how tasks get their code; with `none` it is baked into images that have `with_code_bundle()`.
        seed_cache: addresses that are known already; these images are not looked at.

    Raises:
        ImageBuildError: naming the image, the builder and the next step.
    """
    known = dict(seed_cache.image_lookup) if seed_cache else {}
    wanted = [env for env in _venvs.with_dependencies(envs) if env.name not in known]
    made = await asyncio.gather(
        *(ImageBuildEngine.build(image_of(env, copy_style)) for env in wanted)
    )
    for env, answer in zip(wanted, made, strict=True):
        if answer.uri is not None:
            known[env.name] = answer.uri
    runs = dict(seed_cache.build_run_ids) if seed_cache else {}
    return ImageCache(image_lookup=known, build_run_ids=runs)


async def images_of(
    task: TaskTemplate[..., Any, Any], root: Path, copy_style: CopyFiles
) -> ImageCache | None:
    """Addresses of the images of a run, where our own control plane makes environments of them; None elsewhere.

    Those of the task's environment and of all that it depends on are there when this returns.  Of others in the user's
    modules only the recipes are sent: one of their tasks has to be called before the environment is made.

    Raises:
        ImageBuildError: naming the image, the layer and the next step, or with what uv says.
    """
    needed = {env.name: image_of(env, copy_style) for env in _venvs.declared(task)}
    visible = _venvs.visible(root, loading.home(task))
    known = {env.name: image_of(env, copy_style) for env in visible}
    wanted = {
        name: image for name, image in {**known, **needed}.items() if _image.needs_build(image)
    }
    if not wanted or not isinstance(_chosen(None)[1], NoBuilder):
        return None
    venvs = await _venvs_here()
    if venvs is None:
        return None

    async def address(name: str, image: Image) -> str | None:
        if name in needed:
            return await venvs.ensure(image)
        try:
            return await venvs.keep(image)
        except errors.ImageBuildError:
            return None  # whoever calls it hears of it, and nobody else

    made = await asyncio.gather(*(address(name, image) for name, image in wanted.items()))
    found = {name: uri for name, uri in zip(wanted, made, strict=True) if uri is not None}
    return ImageCache(image_lookup=found)


async def images_to_deploy(
    envs: Sequence[TaskEnvironment], root: Path, copy_style: CopyFiles
) -> ImageCache | None:
    """Addresses of the images of environments that are deployed; None if nobody has to make any.

    Raises:
        ImageBuildError: naming the image, the layer and the next step, or with what uv says.
    """
    if not isinstance(_chosen(None)[1], NoBuilder):
        wanted = [env for env in envs if _image.needs_build(image_of(env, copy_style))]
        return await build_images.aio(*wanted, copy_style=copy_style) if wanted else None
    found: dict[str, str] = {}
    for env in envs:
        for task in list(env.tasks.values())[:1]:  # the others have the same image and neighbours
            made = await images_of(task, root, copy_style)
            found |= made.image_lookup if made is not None else {}
    return ImageCache(image_lookup=found) if found else None


async def _venvs_here() -> Venvs | None:
    """Where environments are made instead of images; None if the session has no control plane of ours."""
    session = _session.current()
    return await Venvs.of(session) if session.mode == "remote" else None


def _chosen(builder: "str | ImageBuilder | None") -> tuple[str, ImageBuilder]:
    if isinstance(builder, ImageBuilder):
        return type(builder).__qualname__, builder
    name = builder or _session.current().image_builder
    return name, _builders.find(name)


def _address(image: Image) -> str:
    """The address of an image that exists; a name is looked up in the configuration."""
    if image.ref_name is None:
        return image.uri
    images = _session.current().images
    if image.ref_name in images:
        return images[image.ref_name]
    known = ", ".join(sorted(images)) or "none"
    raise errors.ImageBuildError(
        f"no image is configured under the name {image.ref_name!r} (known: {known}); add it with "
        f"flyte.init(images={{{image.ref_name!r}: …}}) or in the configuration file"
    )


def image_of(env: Environment, copy_style: CopyFiles) -> Image:
    """The environment's image, without the code that is sent with each run anyhow."""
    image = _image.image(env.image)
    if copy_style == "none":
        return image
    layers = tuple(layer for layer in image.layers if not isinstance(layer, BundledCode))
    return replace(image, layers=layers)
