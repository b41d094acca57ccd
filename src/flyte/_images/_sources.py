"""Files and folders of an image, as an archive: the same bytes for the same files."""

import gzip
import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import pathspec

from flyte import errors
from flyte._image import Image
from flyte._image_layers import Sources

_NEVER = frozenset({".git", "__pycache__", ".venv"})
_EXECUTABLE = 0o100


def packed(layer: Sources, ignored: Sequence[str], image: Image) -> bytes:
    """The archive of a layer, with names as its files have them in the image, relative to the working directory.

    Args:
        layer: what to copy.
        ignored: patterns of the image's ignore files.
        image: for messages.

    Raises:
        ImageBuildError: a file cannot be read, or the destination is not below the working directory.
    """
    destination = PurePosixPath(layer.destination)
    if destination.is_absolute() or ".." in destination.parts:
        raise errors.ImageBuildError(
            f"image {image.name or image.uri} copies files to {layer.destination}; tasks on this machine get them in "
            "their working directory: write a destination that is relative to it"
        )
    spec = pathspec.GitIgnoreSpec.from_lines(ignored)
    content = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=content, mtime=0, compresslevel=6) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for source in layer.sources:
            for name, path in sorted(_files(source, image, spec, layer.contents_only)):
                _write(archive, str(destination / name), path, image)
    return content.getvalue()


def _files(
    source: Path, image: Image, spec: pathspec.GitIgnoreSpec, contents_only: bool
) -> Iterator[tuple[PurePosixPath, Path]]:
    """Names below the destination, and where the files are."""
    source = source.absolute()
    if source.is_file():
        yield PurePosixPath(source.name), source
    elif source.is_dir():
        for path in source.rglob("*"):
            below = path.relative_to(source)
            if (
                path.is_file()
                and not _NEVER & set(below.parts)
                and not spec.match_file(below.as_posix())
            ):
                yield PurePosixPath("" if contents_only else source.name, below.as_posix()), path
    else:
        raise errors.ImageBuildError(
            f"image {image.name or image.uri} copies {source}, which does not exist; correct the path, or run from the "
            "directory that it is relative to"
        )


def _write(archive: tarfile.TarFile, name: str, path: Path, image: Image) -> None:
    try:
        content, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise errors.ImageBuildError(
            f"image {image.name or image.uri} copies {path}, which cannot be read ({error.strerror}); correct its "
            "permissions"
        ) from error
    entry = tarfile.TarInfo(name)  # its time, owner and group are 0
    entry.size, entry.mode = len(content), 0o755 if mode & _EXECUTABLE else 0o644
    archive.addfile(entry, io.BytesIO(content))
