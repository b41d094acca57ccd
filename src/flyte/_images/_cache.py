"""`ImageCache`: the addresses of images that were built, as a deployment carries them along."""

import base64
import gzip
import zlib

import pydantic

from flyte import errors


class RunIdentifierData(pydantic.BaseModel):
    """The run that built an image."""

    org: str = ""
    project: str = ""
    domain: str = ""
    name: str = ""


class ImageCache(pydantic.BaseModel):
    """The address of each environment's image, by the environment's name.

    Example:
        >>> cache = ImageCache(image_lookup={"digits": "ghcr.io/acme/digits:1f2e"})
        >>> ImageCache.from_transport(cache.to_transport).image_lookup["digits"]
        'ghcr.io/acme/digits:1f2e'
    """

    image_lookup: dict[str, str]
    build_run_ids: dict[str, RunIdentifierData] = {}
    serialized_form: str | None = None
    """What `to_transport` gives, where that is known already."""

    @property
    def to_transport(self) -> str:
        """One word that carries everything; `from_transport` reads it."""
        if self.serialized_form is not None:
            return self.serialized_form
        text = self.model_dump_json(exclude={"serialized_form"})
        return base64.urlsafe_b64encode(gzip.compress(text.encode(), mtime=0)).decode()

    @classmethod
    def from_transport(cls, s: str) -> "ImageCache":
        """The cache that `to_transport` wrote.

        Raises:
            ImageBuildError: when it is something else.
        """
        try:
            text = gzip.decompress(base64.urlsafe_b64decode(s.encode()))
            return cls.model_validate_json(text).model_copy(update={"serialized_form": s})
        except (ValueError, OSError, EOFError, zlib.error) as error:
            raise errors.ImageBuildError(
                f"the image cache {s[:40]!r}… cannot be read: {error}; build and deploy again"
            ) from error

    def repr(self) -> list[list[tuple[str, str]]]:
        """One row per environment: its name and the address of its image."""
        return [[("Environment", name), ("Image", uri)] for name, uri in self.image_lookup.items()]
