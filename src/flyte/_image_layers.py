"""The layers that an image is made of, as values; the image builder knows how they are built.

Named tuples, because there are many of them and every script pays for making the classes (a tenth
of a dataclass). `kind` keeps layers of different kinds from being equal.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple

from flyte import errors
from flyte._secret import Secret

InstallMode = Literal["dependencies_only", "install_project"]


class PipOptions(NamedTuple):
    """How packages are found and installed."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    pre: bool = False
    extra_args: str | None = None


class PipPackages(NamedTuple):
    """Python packages by name."""

    packages: tuple[str, ...]
    options: PipOptions = PipOptions()
    secret_mounts: tuple[Secret, ...] = ()
    kind: str = "pip packages"


class Requirements(NamedTuple):
    """Python packages of a requirements file."""

    file: Path
    options: PipOptions = PipOptions()
    secret_mounts: tuple[Secret, ...] = ()
    kind: str = "requirements"


class PythonProject(NamedTuple):
    """A project with a manifest and a lock file, installed with its own tool."""

    tool: Literal["uv", "poetry", "pixi"]
    manifest: Path
    lock: Path | None = None
    mode: InstallMode = "dependencies_only"
    environment: str | None = None
    options: PipOptions = PipOptions()
    secret_mounts: tuple[Secret, ...] = ()
    kind: str = "project"


class Script(NamedTuple):
    """A script that names its own dependencies (PEP 723)."""

    tool: Literal["uv", "pixi"]
    file: Path
    environment: str | None = None
    options: PipOptions = PipOptions()
    secret_mounts: tuple[Secret, ...] = ()
    kind: str = "script"


class AptPackages(NamedTuple):
    """System packages by name."""

    packages: tuple[str, ...]
    secret_mounts: tuple[Secret, ...] = ()
    kind: str = "apt packages"


class Commands(NamedTuple):
    """Shell commands, run one after the other."""

    commands: tuple[str, ...]
    secret_mounts: tuple[Secret, ...] = ()
    kind: str = "commands"


class EnvVars(NamedTuple):
    """Environment variables of the image."""

    variables: tuple[tuple[str, str], ...]
    kind: str = "env vars"


class WorkDir(NamedTuple):
    """The folder in which commands and tasks start."""

    path: str
    kind: str = "workdir"


class DockerIgnore(NamedTuple):
    """A file that says what is not copied into the image."""

    path: Path
    kind: str = "dockerignore"


class Sources(NamedTuple):
    """Files or a folder copied into the image."""

    sources: tuple[Path, ...]
    destination: str = "."
    contents_only: bool = False
    """Copy what is in the folder, not the folder itself."""
    kind: str = "sources"


class BundledCode(NamedTuple):
    """The code bundle of the deployment, copied into the image."""

    copy_style: Literal["loaded_modules", "all"] = "loaded_modules"
    destination: str = "."
    kind: str = "bundled code"


Layer = (
    PipPackages
    | Requirements
    | PythonProject
    | Script
    | AptPackages
    | Commands
    | EnvVars
    | WorkDir
    | DockerIgnore
    | Sources
    | BundledCode
)


def pip_options(
    index_url: str | None, extra_index_urls: Any, pre: bool, extra_args: str | None
) -> PipOptions:
    """Options as users give them: one extra index or several."""
    urls = (extra_index_urls,) if isinstance(extra_index_urls, str) else extra_index_urls or ()
    return PipOptions(index_url, tuple(urls), pre, extra_args)


def names(method: str, values: tuple[Any, ...]) -> tuple[str, ...]:
    """Names given one by one.

    Raises:
        DefinitionError: when there are none, or a list was passed instead.
    """
    if not values:
        raise errors.DefinitionError(f"{method}() needs at least one name")
    for value in values:
        if not isinstance(value, str) or not value.strip():
            raise errors.DefinitionError(
                f"{method}() takes names one by one, got {value!r}; write {method}('a', 'b')"
            )
    return values


def described(value: Any) -> Any:
    """A declaration as plain values, the same on every machine: of paths the last part."""
    if isinstance(value, PurePath):
        return value.name
    if isinstance(value, Secret):
        return value.stable_hash()
    if isinstance(value, tuple):
        return tuple(described(part) for part in value)
    return value


def paths(given: Iterable[Layer]) -> Iterator[tuple[str, Path]]:
    """Every file and folder that layers name, with the kind of the layer."""
    for layer in given:
        for value in layer:
            for path in value if isinstance(value, tuple) else (value,):
                if isinstance(path, Path):
                    yield layer.kind, path
