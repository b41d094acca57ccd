"""How one environment is made of its recipe, step by step."""

import asyncio
import json
import os
import re
import shlex
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from flyte_server.environments import sdk, uv
from flyte_server.environments.recipe import Recipe, Step
from flyte_server.environments.shelf import Shelf
from flyte_server.environments.uv import BuildError, Uv

_OLDEST = (3, 11)
_CREDENTIALS = re.compile(r"//[^/@\s]+@")
"""In the address of a package index; uv hides them in what it says itself."""
_NO_DOWNLOADS = "--no-python-downloads"
_CHECK = "import flyte._entrypoints.host, flyte._runtime.runner, flyte._runtime.remote"
"""What every host imports.  It also leaves the compiled modules behind, which the first host would wait for."""
_COMMANDS = {"a0": "flyte._entrypoints.a0", "flyte": "flyte.cli.main"}
"""What `pip install` of this SDK would have put there."""
_SCRIPT = """#!/bin/sh
exec "$(dirname "$0")/python" -P -c 'import sys; from {module} import main; sys.argv[0] = "{name}"; main()' "$@"
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """The directory of an environment that is being made."""

    path: Path

    @property
    def venv(self) -> Path:
        return self.path / "venv"

    @property
    def python(self) -> str:
        return str(self.venv / "bin/python")

    @property
    def files(self) -> Path:
        """Files of the recipe; arguments are relative to it."""
        return self.path / "files"

    @property
    def packages(self) -> Path:
        """Its `site-packages`."""
        return next(self.venv.glob("lib/python*/site-packages"))


async def build(recipe: Recipe, shelf: Shelf, draft: Draft, tool: Uv) -> dict[str, Any]:
    """Make the environment in the draft.

    Returns:
        What is remembered of it.

    Raises:
        BuildError: with the tool's own words.
    """
    _check_python(recipe.python)
    await asyncio.to_thread(_lay_out, recipe, shelf, draft)
    await _create(recipe, draft, tool)
    await _install_our_needs(draft, tool)
    for step in recipe.steps:
        await _perform(step, draft, tool)
    await asyncio.to_thread(_finish, recipe, shelf, draft)
    await _check(draft, tool)
    listed = json.loads(
        await tool.call("pip", "list", "--python", draft.python, "--format", "json")
    )
    return {
        "digest": recipe.digest,
        "python": await asyncio.to_thread(_version, draft),
        "packages": {each["name"]: each["version"] for each in listed},
        "bytes": await asyncio.to_thread(occupied, draft.path),
        "variables": dict(recipe.variables),
    }


def occupied(path: Path) -> int:
    """Bytes of all files below a directory; uv's cache has most of them, too, as the same files."""
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            try:
                total += Path(directory, name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


def _check_python(version: str) -> None:
    if tuple(map(int, version.split(".")[:2])) < _OLDEST:
        raise BuildError(
            f"the image asks for Python {version}, and this SDK needs {'.'.join(map(str, _OLDEST))} or later; "
            "write python_version=(3, 11)"
        )


def _lay_out(recipe: Recipe, shelf: Shelf, draft: Draft) -> None:
    """The files of the recipe where its arguments expect them, and ours beside them."""
    draft.files.mkdir(exist_ok=True)
    for name, content in recipe.files.items():
        target = draft.files / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if content.text is not None:
            target.write_text(content.text, encoding="utf-8")
        else:
            _link(shelf.content(content.sha256), target)
    for name, lines in (
        ("needs.txt", sdk.requirements()),
        ("pins.txt", sdk.pins()),
        ("ours.txt", sdk.NOT_FROM_AN_INDEX),
    ):
        (draft.path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise BuildError(
            f"{target.name}, a file of the recipe, is not kept here any more; start a new run, which sends it again"
        ) from None


async def _create(recipe: Recipe, draft: Draft, tool: Uv) -> None:
    own = ".".join(map(str, sys.version_info[:2]))
    python = sys.executable if recipe.python == own else recipe.python
    tool.say(f"Python {recipe.python}")
    try:
        await tool.call(
            "venv",
            "--relocatable",
            "--no-project",
            "--quiet",
            _NO_DOWNLOADS,
            "--python",
            python,
            str(draft.venv),
        )
    except BuildError as error:
        raise BuildError(f"{error}\nPythons of this machine: {await _pythons(tool)}") from None


async def _pythons(tool: Uv) -> str:
    try:
        told = await tool.call(
            "python", "list", "--only-installed", _NO_DOWNLOADS, "--output-format", "json"
        )
        found = {each["version"]: each["version_parts"] for each in json.loads(told)}
    except (BuildError, ValueError, KeyError):
        return "unknown"
    order = sorted(
        found, key=lambda each: tuple(found[each][part] for part in ("major", "minor", "patch"))
    )
    return ", ".join(order) or "none"


async def _install_our_needs(draft: Draft, tool: Uv) -> None:
    """In the versions of here, from which uv departs only where the user's requirements want it; another Python may not
    have them."""
    tool.say("packages that the SDK needs")
    quiet = Uv(tool.env, tool.cwd, lambda _: None, tool.lock)
    install = ("pip", "install", "--python", draft.python)
    try:
        pins = str(draft.path / "pins.txt")
        await quiet.call(*install, "--no-deps", "--only-binary", ":all:", "-r", pins)
    except BuildError:
        await tool.call(*install, "-r", str(draft.path / "needs.txt"))


async def _perform(step: Step, draft: Draft, tool: Uv) -> None:
    if step.kind == "project":
        await _install(draft, tool, *step.arguments, "-r", await _locked(step, draft, tool))
    else:
        await _install(draft, tool, *step.arguments)


async def _install(draft: Draft, tool: Uv, *arguments: str) -> None:
    """Install what the user wants so that our own needs are met as well: what does not fit together uv explains."""
    ours = ("--excludes", str(draft.path / "ours.txt"), "-r", str(draft.path / "needs.txt"))
    tool.say(_CREDENTIALS.sub("//****@", f"uv pip install {shlex.join(arguments)}"))
    await tool.call("pip", "install", "--python", draft.python, *ours, *arguments)


async def _locked(step: Step, draft: Draft, tool: Uv) -> str:
    """The requirements of a project: as its lock file has them, or as its manifest does."""
    folder = draft.files / step.folder
    if not (folder / "uv.lock").exists():
        return str(folder / "pyproject.toml")
    locked = str(folder / ".locked.txt")
    tool.say("uv export --frozen")
    await tool.call(
        "export", "--project", str(folder), "--python", draft.python, "--frozen", "--no-emit-project",
        "--no-emit-workspace", "--quiet", "--output-file", locked, *step.export,
    )  # fmt: skip
    return locked


def _finish(recipe: Recipe, shelf: Shelf, draft: Draft) -> None:
    """Our packages, the commands that they bring, and the user's sources."""
    sources = draft.path / "source"
    for name in recipe.sources:
        _unpack(draft.files / name, sources)
    # Relative, so that the whole of it can be moved: a draft gets another name, a home may be restored elsewhere.
    final = draft.path.with_name("final")
    inside = final / draft.packages.relative_to(draft.path)
    lines = [os.path.relpath(sdk.link(shelf.sdk), inside)]
    if sources.exists():
        lines.append(os.path.relpath(final / "source", inside))
    path_file = draft.packages / "_flyte_standalone.pth"
    path_file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for name, module in _COMMANDS.items():
        script = draft.venv / "bin" / name
        script.write_text(_SCRIPT.format(name=name, module=module), encoding="utf-8")
        script.chmod(0o755)


def _unpack(archive: Path, folder: Path) -> None:
    """Plain files only, and nothing outside of the folder."""
    with tarfile.open(archive) as members:
        for member in members:
            name = PurePosixPath(member.name)
            content = members.extractfile(member) if member.isfile() else None
            if content is None or name.is_absolute() or ".." in name.parts:
                raise BuildError(
                    f"{member.name} of the image's sources is no plain file below its folder"
                )
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())
            target.chmod(0o755 if member.mode & 0o100 else 0o644)


async def _check(draft: Draft, tool: Uv) -> None:
    try:
        await uv.run([draft.python, "-P", "-c", _CHECK], tool)
    except BuildError as error:
        raise BuildError(
            "the packages are installed, but with them this SDK cannot be imported; choose other versions:\n"
            f"{error}"
        ) from None


def _version(draft: Draft) -> str:
    for line in (draft.venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "version_info":
            return value.strip()
    return ""
