"""What a plugin brings that builds images: a builder, and checkers that know whether an image is there already."""

from typing import Protocol, runtime_checkable

from flyte._image import Architecture, Image, ImageBuild


class ImageChecker(Protocol):
    """Knows whether a registry (or daemon) has an image."""

    @classmethod
    async def image_exists(
        cls, repository: str, tag: str, arch: tuple[Architecture, ...] = ("linux/amd64",)
    ) -> str | None:
        """The image's full address if it is there for all these architectures; None if it is not.

        Args:
            repository: the address without its tag: `ghcr.io/acme/trainer`.
            tag: what follows the colon.
            arch: architectures that it must have.
        """
        ...


@runtime_checkable
class ImageBuilder(Protocol):
    """Makes an image of its declaration; registered under a name in the entry point group
    `flyte.plugins.image_builders`.
    """

    async def build_image(
        self, image: Image, dry_run: bool, wait: bool = True, force: bool = False
    ) -> ImageBuild:
        """Build the image and put it where tasks find it.

        Args:
            image: the declaration.
            dry_run: only prepare and say what would be done.
            wait: return when it is done, not when it has begun.
            force: build it again although it is there.
        """
        ...

    def get_checkers(self) -> list[type[ImageChecker]] | None:
        """Who is asked, in this order, whether the image is there already; None or empty: nobody."""
        ...
