"""What makes two images the same: their declarations, and what is in the files that these name."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flyte import errors
from flyte._image import Image


def identity(image: Image) -> str:
    """Equal for equal declarations with equal files; other content of a requirements file is another image.

    Raises:
        ImageBuildError: when a file that the image is made of cannot be read.
    """
    digest = hashlib.sha256(f"{image.uri}\0{image.platform}".encode())
    for path in _paths((image.dockerfile, image.layers)):
        for file in _files(path):
            digest.update(f"\0{file.relative_to(path.parent).as_posix()}\0".encode())
            digest.update(_content(file, image))
    return digest.hexdigest()


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _paths(part)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(each for each in path.rglob("*") if each.is_file())
    return [path]


def _content(file: Path, image: Image) -> bytes:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError as error:
        raise errors.ImageBuildError(
            f"image {image.uri} is made of {file}, which cannot be read ({error.strerror}); correct the path, or run "
            "from the directory that it is relative to"
        ) from error
