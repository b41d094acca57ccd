"""Environments of Python files: of one file, of a folder, or of all folders below it."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from flyte import errors
from flyte._environment import Environment
from flyte.cli.run.script import Script, nearest

_NOT_SOURCES = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What a command was asked for."""

    path: str
    """A file or a folder."""
    environment: str | None = None
    """Name of the environment, or of its variable."""
    all: bool = False
    recursive: bool = False
    ignore_load_errors: bool = False
    root_dir: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Environments, and the folder from which their modules are named."""

    root: Path
    environments: tuple[Environment, ...]


def found(wish: Wish) -> Found:
    """Load the files and choose the environments.

    Raises:
        click.UsageError: there is no such file or environment, a file cannot be loaded, or the choice is not clear.
    """
    if wish.environment and (wish.all or wish.recursive or Path(wish.path).is_dir()):
        raise click.UsageError(
            f"name the environment {wish.environment!r} of one file, or take --all without a name"
        )
    try:
        scripts = list(_scripts(wish))
        loaded = dict(_loaded(scripts, ignore=wish.ignore_load_errors))
    except errors.ModuleLoadError as error:
        raise click.UsageError(str(error)) from error
    chosen = _chosen(wish, loaded)
    return Found(scripts[0].root, tuple(dict.fromkeys(chosen)))


def _scripts(wish: Wish) -> Iterator[Script]:
    path = Path(wish.path)
    if not path.is_dir():
        if wish.recursive:
            raise click.UsageError(
                f"--recursive takes a folder, and {wish.path} is none; leave it out"
            )
        yield Script.at(wish.path, wish.root_dir)
        return
    here = Path.cwd()
    # One root for all files: they import each other.
    root = wish.root_dir or str(here if path.resolve().is_relative_to(here) else path)
    files = sorted(path.rglob("*.py") if wish.recursive else path.glob("*.py"))
    sources = [file for file in files if _is_source(file.relative_to(path))]
    if not sources:
        deeper = "" if wish.recursive else "; --recursive looks into the folders below it too"
        raise click.UsageError(f"there is no Python file in {wish.path}{deeper}")
    scripts = [Script.at(str(file), root) for file in sources]
    yield from (script for script in scripts if script.module_name)


def _is_source(file: Path) -> bool:
    folders = file.parts[:-1]
    return not any(part in _NOT_SOURCES or part.startswith(".") for part in folders)


def _loaded(
    scripts: Iterable[Script], *, ignore: bool
) -> Iterator[tuple[Script, dict[str, Environment]]]:
    for script in scripts:
        try:
            values = vars(_imported(script.path) or script.load())
        except errors.ModuleLoadError as error:
            if not ignore:
                raise
            click.echo(f"left out: {error}", err=True)
            continue
        yield (
            script,
            {name: value for name, value in values.items() if isinstance(value, Environment)},
        )


def _imported(file: Path) -> ModuleType | None:
    """The module of a file that another one has imported, under any name: its environments must not exist twice."""
    for module in list(sys.modules.values()):
        # vars(): a lazy module must not be loaded by asking for its file.
        origin = vars(module).get("__file__") if type(module) is ModuleType else None
        if isinstance(origin, str) and Path(origin).absolute() == file.absolute():
            return module
    return None


def _chosen(wish: Wish, loaded: dict[Script, dict[str, Environment]]) -> list[Environment]:
    everything = [env for named in loaded.values() for env in named.values()]
    if not everything:
        raise click.UsageError(
            f"{wish.path} has no environment; make one with flyte.TaskEnvironment(name=…)"
        )
    if wish.environment:
        (named,) = loaded.values()
        return [_named(wish, named)]
    if wish.all or wish.recursive or Path(wish.path).is_dir() or len(set(everything)) == 1:
        return everything
    names = ", ".join(dict.fromkeys(env.name for env in everything))
    raise click.UsageError(
        f"{wish.path} has several environments ({names}); name one of them, or take --all"
    )


def _named(wish: Wish, named: dict[str, Environment]) -> Environment:
    wanted = wish.environment or ""
    by_name = {env.name: env for env in named.values()}
    env = by_name.get(wanted) or named.get(wanted)
    if env is None:
        file, known = Path(wish.path).name, ", ".join(by_name)
        raise click.UsageError(
            f"{file} has no environment {wanted!r}{nearest(wanted, by_name)} (it has: {known})"
        )
    return env


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options and arguments that say which environments are meant: the fields of `Wish`."""
    for decorate in (
        click.argument("environment", required=False),
        click.argument("path", metavar="PATH"),
        click.option(
            *("-i", "--ignore-load-errors"),
            is_flag=True,
            help="Leave out files that cannot be imported, with a line that says why.",
        ),
        click.option("--all", is_flag=True, help="All environments of the file."),
        click.option(
            "-r", "--recursive", is_flag=True, help="All environments of all files below a folder."
        ),
        click.option("--root-dir", help="Where imports start; else the working directory."),
    ):
        command = decorate(command)
    return command
