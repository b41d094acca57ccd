"""`flyte.build`, `flyte.build_images` and the engine behind them: from images to their addresses."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar, Literal

from flyte import _image, _session, errors
from flyte._environment import Environment
from flyte._image import Image, ImageBuild
from flyte._image_layers import BundledCode
from flyte._images import _builders, _ensure
from flyte._images._cache import ImageCache
from flyte._images._protocols import ImageBuilder
from flyte._options import CopyFiles
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
        if not _ensure.needs_build(image):
            return ImageBuild(uri=_address(image), remote_run=None)
        name, chosen = _chosen(builder)
        return await _ensure.ensure(
            image, chosen, cls._answers, name=name, dry_run=dry_run, force=force, wait=wait
        )

    @staticmethod
    async def image_exists(image: Image) -> str | None:
        """The image's address if it is there, as far as the checkers of the session's builder know.

        Raises:
            ImageBuildError: when a checker fails.
        """
        if not _ensure.needs_build(image):
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
    wanted = [env for env in _with_dependencies(envs) if env.name not in known]
    made = await asyncio.gather(
        *(ImageBuildEngine.build(_image_of(env, copy_style)) for env in wanted)
    )
    for env, answer in zip(wanted, made, strict=True):
        if answer.uri is not None:
            known[env.name] = answer.uri
    runs = dict(seed_cache.build_run_ids) if seed_cache else {}
    return ImageCache(image_lookup=known, build_run_ids=runs)


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


def _image_of(env: Environment, copy_style: CopyFiles) -> Image:
    """The environment's image, without the code that is sent with each run anyhow."""
    image = _image.image(env.image)
    if copy_style == "none":
        return image
    layers = tuple(layer for layer in image.layers if not isinstance(layer, BundledCode))
    return replace(image, layers=layers)


def _with_dependencies(envs: Iterable[Environment]) -> Iterator[Environment]:
    """Each environment once, those that it depends on after it."""
    waiting, seen = list(envs), set[str]()
    while waiting:
        env = waiting.pop(0)
        if env.name not in seen:
            seen.add(env.name)
            yield env
            waiting.extend(env.depends_on)
