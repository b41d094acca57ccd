"""From an image to a recipe: what `uv` needs to make a virtual environment that has what the image would have.

A recipe is plain data, the same on every machine for the same declaration and the same files; what it looks like is
described in `flyte_server/environments/recipe.py`, which reads it.
"""

import hashlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flyte import _image_layers as layers
from flyte import errors
from flyte._image import Image
from flyte._image_layers import Layer, PipOptions
from flyte._images import _sources
from flyte._version import __version__

_OWN = re.compile(r"flyte-standalone(\[.*\])?\s*(==\s*(?P<version>\S+))?")
_INCLUDED = re.compile(r"^\s*(-r|--requirement|-c|--constraint)(\s+|=)(?P<file>\S+)\s*$")
_WHEEL = re.compile(r"^\s*(?P<path>\S+\.whl)(?P<rest>(\s.*)?)$")
_BUILDER = "an image builder (a plugin, chosen with flyte.init(image_builder=…)) and a control plane with containers"


@dataclass
class Recipe:
    """What an environment is made of, and the bytes that are not part of its text."""

    python: str
    steps: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    variables: dict[str, str] = field(default_factory=dict[str, str])
    sources: list[str] = field(default_factory=list[str])
    files: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    contents: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    """By checksum: name and bytes of what has to be sent apart."""

    def payload(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "python": self.python,
            "steps": self.steps,
            "variables": self.variables,
            "sources": self.sources,
            "files": self.files,
        }

    def add_text(self, path: str, text: str) -> str:
        """A file whose text is part of the recipe; gives its path for arguments."""
        self.files[path] = {"text": text}
        return path

    def add_bytes(self, folder: str, name: str, content: bytes) -> str:
        """A file that is sent apart; gives its path for arguments."""
        checksum = hashlib.sha256(content).hexdigest()
        path = f"{folder}/{name}"
        self.files[path] = {"sha256": checksum}
        self.contents[checksum] = (name, content)
        return path

    @property
    def is_plain(self) -> bool:
        """Whether it asks for nothing but a Python."""
        return not (self.steps or self.variables or self.sources)


def recipe(image: Image) -> Recipe:
    """The recipe of an image.  Reads the files that it names.

    Raises:
        ImageBuildError: the image asks for what a virtual environment cannot have; the message names the layer and what
            to do.  Or a file cannot be read.
    """
    major, minor = image.python_version
    _check_origin(image, f"python:{major}.{minor}-slim-bookworm")
    made = Recipe(f"{major}.{minor}")
    ignored = [layer.path for layer in image.layers if isinstance(layer, layers.DockerIgnore)]
    patterns = [line for path in ignored for line in _text(path, image).splitlines()]
    for number, layer in enumerate(image.layers, start=1):
        _check_secrets(layer, image)
        _add(made, layer, f"./{number}", image, patterns)
    return made


def _check_origin(image: Image, debian: str) -> None:
    if image.dockerfile is not None:
        raise _needs_builder(
            image,
            f"is built of {image.dockerfile}",
            "write it as flyte.Image.from_debian_base() with layers",
        )
    if image.base_image != debian:
        raise _needs_builder(
            image,
            f"begins with {image.base_image}, which is no Python environment",
            "begin with flyte.Image.from_debian_base()",
        )


def _check_secrets(layer: Layer, image: Image) -> None:
    if getattr(layer, "secret_mounts", ()):
        raise _needs_builder(
            image,
            f"has secrets in its layer of {layer.kind}",
            "configure the package index on this machine (pip's configuration, UV_INDEX, ~/.netrc)",
        )


def _add(made: Recipe, layer: Layer, folder: str, image: Image, patterns: list[str]) -> None:
    """One layer, as a step or as something else that the environment has."""
    match layer:
        case layers.PipPackages():
            _add_packages(made, layer, folder, image)
        case layers.Requirements():
            arguments = _requirements(made, layer.file, folder, image)
            made.steps.append(_install(layer.options, arguments))
        case layers.Script(tool="uv"):
            script = made.add_text(f"{folder}/{layer.file.name}", _text(layer.file, image))
            made.steps.append(_install(layer.options, ["-r", script]))
        case layers.PythonProject(tool="uv"):
            _add_project(made, layer, folder, image)
        case layers.EnvVars():
            made.variables.update(layer.variables)
        case layers.Sources():
            packed = _sources.packed(layer, patterns, image)
            made.sources.append(made.add_bytes(folder, "sources.tar.gz", packed))
        case layers.DockerIgnore():
            pass  # was read above
        case _:
            what, instead = _refusal(layer)
            raise _needs_builder(image, what, instead)


def _refusal(layer: Layer) -> tuple[str, str]:
    """What of a layer a virtual environment cannot have, and what to do instead."""
    match layer:
        case layers.AptPackages():
            return (
                f"has a layer of apt packages ({', '.join(layer.packages)})",
                "install them on this machine and leave the layer out",
            )
        case layers.Commands():
            return (
                f"has a layer of commands ({layer.commands[0]!r}, …)",
                "run them on this machine and leave the layer out",
            )
        case layers.WorkDir():
            return (
                f"has the working directory {layer.path}",
                "leave it out: a task has a directory of its own",
            )
        case layers.BundledCode():
            return (
                "has the code baked in",
                "leave with_code_bundle() out: the code is sent with each run",
            )
        case layers.Script() | layers.PythonProject():
            return (
                f"is made by {layer.tool}",
                "write the packages as with_uv_project(), with_requirements() or with_pip_packages()",
            )
        case _:
            return (f"has a layer of {layer.kind}", "leave it out")


def _needs_builder(image: Image, what: str, instead: str) -> errors.ImageBuildError:
    return errors.ImageBuildError(
        f"image {image.name or image.uri} {what}, which a virtual environment of this machine cannot have: "
        f"{instead}, or use {_BUILDER}"
    )


def _add_packages(made: Recipe, layer: layers.PipPackages, folder: str, image: Image) -> None:
    arguments = list[str]()
    for package in layer.packages:
        own = _OWN.fullmatch(package.strip())
        if own is None:
            arguments.append(_wheel(made, package, Path(), folder, image) or package)
        elif own["version"] not in (None, __version__):
            raise errors.ImageBuildError(
                f"image {image.name or image.uri} asks for version {own['version']} of this SDK, and tasks on this "
                f"machine have {__version__}, as it is installed: leave flyte_version out"
            )
    if arguments:
        made.steps.append(_install(layer.options, arguments))


def _add_project(made: Recipe, layer: layers.PythonProject, folder: str, image: Image) -> None:
    if layer.mode != "dependencies_only":
        raise _needs_builder(
            image,
            "has a project installed in it",
            "leave project_install_mode out: the project's own code is sent with each run",
        )
    made.add_text(f"{folder}/pyproject.toml", _text(layer.manifest, image))
    lock = layer.lock or layer.manifest.with_name("uv.lock")
    if layer.lock is not None or lock.exists():
        made.add_text(f"{folder}/uv.lock", _text(lock, image))
    step = _install(layer.options._replace(extra_args=None), [])
    export = shlex.split(layer.options.extra_args or "")
    made.steps.append({**step, "kind": "project", "folder": folder, "export": export})


def _install(options: PipOptions, arguments: list[str]) -> dict[str, Any]:
    """A step, with the options of the layer."""
    words = list[str]()
    if options.index_url:
        words += ["--default-index", options.index_url]
    for url in options.extra_index_urls:
        words += ["--index", url]
    if options.pre:
        words += ["--prerelease", "allow"]
    words += shlex.split(options.extra_args or "")
    return {"kind": "install", "arguments": [*words, *arguments]}


def _requirements(made: Recipe, file: Path, folder: str, image: Image) -> list[str]:
    """A requirements file, with the files that it includes in their places; constraints are files of their own."""
    constraints = list[str]()

    def lines(path: Path) -> Iterator[str]:
        for line in _text(path, image).splitlines():
            included = _INCLUDED.match(line)
            if included is None:
                yield _line(made, line, path.parent, folder, image)
            elif included[1] in ("-r", "--requirement"):
                yield from lines(path.parent / included["file"])
            else:
                name = f"{folder}/constraints-{len(constraints) + 1}.txt"
                constraints.extend(
                    ["-c", made.add_text(name, _text(path.parent / included["file"], image))]
                )

    text = "".join(f"{line}\n" for line in lines(file))
    return [*constraints, "-r", made.add_text(f"{folder}/requirements.txt", text)]


def _line(made: Recipe, line: str, base: Path, folder: str, image: Image) -> str:
    """A line of a requirements file; the path of a wheel becomes that of its copy."""
    wheel = _WHEEL.match(line)
    if wheel is None:
        if line.lstrip().startswith(("-e ", "--editable", "./", "../", "/")):
            raise _needs_builder(
                image,
                f"has the requirement {line.strip()!r}, a folder of this machine",
                "build a wheel of it and name that, or leave it out: code is sent with each run",
            )
        return line
    copy = _wheel(made, wheel["path"], base, folder, image)
    # Relative to the requirements file, which lies in the same folder.
    return f"./{Path(copy).relative_to(folder)}{wheel['rest']}" if copy else line


def _wheel(made: Recipe, text: str, base: Path, folder: str, image: Image) -> str | None:
    """A wheel of this machine becomes a file of the recipe; None for any other requirement."""
    path = base / text.removeprefix("file://")
    if not text.endswith(".whl") or "://" in text.removeprefix("file://"):
        return None
    content = _bytes(path, image)
    return made.add_bytes(
        f"{folder}/{hashlib.sha256(content).hexdigest()[:16]}", path.name, content
    )


def _text(path: Path, image: Image) -> str:
    try:
        return _bytes(path, image).decode()
    except UnicodeDecodeError as error:
        raise errors.ImageBuildError(
            f"image {image.name or image.uri} is made of {path}, which is no UTF-8 text"
        ) from error


def _bytes(path: Path, image: Image) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.ImageBuildError(
            f"image {image.name or image.uri} is made of {path}, which cannot be read ({error.strerror}); correct the "
            "path, or run from the directory that it is relative to"
        ) from error
