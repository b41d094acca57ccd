"""When a builder is asked: only for an image that must be built, that nobody has, and that was not built just now."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from flyte import errors
from flyte._image import Image, ImageBuild
from flyte._images import _identity
from flyte._images._protocols import ImageBuilder


class Answers:
    """What was built in this process, by the identity of the image; several who ask at once get one build."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Future[ImageBuild]] = {}

    async def once(
        self, key: str, build: Callable[[], Awaitable[ImageBuild]], *, anew: bool
    ) -> ImageBuild:
        """The answer for `key`, from `build` if there is none; a failure is not remembered."""
        while True:
            with self._lock:
                known = None if anew else self._known.get(key)
                if known is None:
                    mine = self._known[key] = Future[ImageBuild]()
                    break
            try:
                return await asyncio.shield(asyncio.wrap_future(known))
            except asyncio.CancelledError:
                if not known.cancelled():
                    raise  # it is this waiting that was cancelled, not the build
        try:
            answer = await build()
        except BaseException as error:
            with self._lock:
                if self._known.get(key) is mine:
                    del self._known[key]
            if isinstance(error, Exception):
                mine.set_exception(error)
            else:
                mine.cancel()
            raise
        mine.set_result(answer)
        return answer


async def existing(image: Image, builder: ImageBuilder) -> str | None:
    """The image's address if one of the builder's checkers finds it.

    Raises:
        ImageBuildError: when a checker fails: then nobody knows.
    """
    repository, _, tag = image.uri.rpartition(":")
    for checker in builder.get_checkers() or ():
        try:
            found = await checker.image_exists(repository, tag, image.platform)
        except errors.BaseRuntimeError:
            raise
        except Exception as error:
            raise errors.ImageBuildError(
                f"{checker.__name__} cannot tell whether image {image.uri} exists: {type(error).__name__}: {error}; "
                "mend that, or build with force=True, which does not ask"
            ) from error
        if found:
            return found
    return None


async def ensure(
    image: Image,
    builder: ImageBuilder,
    answers: Answers,
    *,
    name: str,
    dry_run: bool,
    force: bool,
    wait: bool,
) -> ImageBuild:
    """The image's build: found, remembered or made.

    Raises:
        ImageBuildError: naming the image, the builder and the next step.
    """

    async def make() -> ImageBuild:
        uri = None if force else await existing(image, builder)
        if uri is not None:
            return ImageBuild(uri=uri, remote_run=None)
        return await _built(image, builder, name=name, dry_run=dry_run, force=force, wait=wait)

    if dry_run or not wait:  # what was not built, or not built yet, is no answer for others
        return await make()
    return await answers.once(f"{name}\0{_identity.identity(image)}", make, anew=force)


async def _built(
    image: Image, builder: ImageBuilder, *, name: str, dry_run: bool, force: bool, wait: bool
) -> ImageBuild:
    try:
        return await builder.build_image(image, dry_run=dry_run, wait=wait, force=force)
    except errors.BaseRuntimeError:
        raise
    except Exception as error:
        raise errors.ImageBuildError(
            f"image {image.uri} was not built by {name!r}: {type(error).__name__}: {error}; correct the image's "
            "layers, or choose another builder with flyte.init(image_builder=…)"
        ) from error
