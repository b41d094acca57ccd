"""Builders by name: those of installed plugins, and the one that every installation has."""

from importlib import metadata
from typing import Any

from flyte import errors
from flyte._image import Image, ImageBuild
from flyte._images._protocols import ImageBuilder, ImageChecker

GROUP = "flyte.plugins.image_builders"
LOCAL = "local"


class NoBuilder:
    """The builder `local` unless a plugin brings another: it builds nothing, because tasks run in the caller's
    interpreter, with the packages that it has.
    """

    async def build_image(
        self, image: Image, dry_run: bool, wait: bool = True, force: bool = False
    ) -> ImageBuild:
        """Refuse, with the ways out."""
        raise errors.ImageBuildError(
            f"image {image.uri} has layers of its own, and the builder {LOCAL!r} of this installation builds none: "
            "install a plugin that does and choose it with flyte.init(image_builder=…) (a package registers one as "
            f"entry point in the group {GROUP!r}), pass the address of an image that exists, or use the control plane "
            "of this machine (flyte.init(endpoint='local')), which makes a Python environment of what it can"
        )

    def get_checkers(self) -> list[type[ImageChecker]] | None:
        """Nobody."""
        return None


def find(name: str) -> ImageBuilder:
    """The builder of that name.

    Raises:
        ImageBuildError: when there is none, or its package cannot be loaded.
    """
    points = metadata.entry_points(group=GROUP)
    for point in points:
        if point.name == name:
            return _made(name, _loaded(point))
    if name == LOCAL:
        return NoBuilder()
    known = ", ".join(sorted({LOCAL, *points.names}))
    raise errors.ImageBuildError(
        f"there is no image builder {name!r} (known: {known}); install the plugin that brings it, or choose another "
        "with flyte.init(image_builder=…)"
    )


def _loaded(point: metadata.EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:
        raise errors.ImageBuildError(
            f"image builder {point.name!r} ({point.value}) cannot be loaded: {type(error).__name__}: {error}; "
            "reinstall or remove the package that brings it"
        ) from error


def _made(name: str, given: Any) -> ImageBuilder:
    builder = given() if isinstance(given, type) or not isinstance(given, ImageBuilder) else given
    if not isinstance(builder, ImageBuilder):
        raise errors.ImageBuildError(
            f"image builder {name!r} is {type(builder).__name__}, which has no build_image() and get_checkers(); "
            "correct the package that brings it"
        )
    return builder
