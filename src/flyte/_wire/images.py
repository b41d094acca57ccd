"""Addresses of a run's images, as they travel from a client to its task and from a task to what it calls."""

import base64
import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flyte import _image, errors


@dataclass(frozen=True, slots=True)
class KnownImages:
    """What a task was told: the address of each environment's image, by the environment's name."""

    image_lookup: Mapping[str, str]
    to_transport: str
    """The word in which it was told."""

    @classmethod
    def from_transport(cls, word: str) -> "KnownImages":
        """Read the word that `flyte.extend.ImageCache.to_transport` writes.

        Raises:
            ConfigError: it is something else.
        """
        try:
            told = json.loads(gzip.decompress(base64.urlsafe_b64decode(word)))
            return cls(dict(told["image_lookup"]), word)
        except (ValueError, OSError, EOFError, zlib.error, KeyError, TypeError) as error:
            raise errors.ConfigError(
                f"--image-cache {word[:40]!r}… cannot be read: {error}; the task was started by another version of the "
                "SDK: start the run again"
            ) from error


def address(task: Any, known: Any) -> str:
    """The address of a task's image.

    Args:
        task: the task.
        known: what `SerializationContext.image_cache` has: None where images go by their own addresses.

    Raises:
        ImageBuildError: nobody has prepared the image; the message says how to.
    """
    image = _image.image(task.image)
    if known is None or not _image.needs_build(image):
        return image.uri
    found = known.image_lookup.get(task.parent_env_name)
    if found is None:
        raise errors.ImageBuildError(
            f"the image of task {task.name!r} was not prepared when the run began: add its environment "
            f"{task.parent_env_name!r} to depends_on of the environment that calls it, and the start says "
            "what its image cannot have on this machine"
        )
    return found
