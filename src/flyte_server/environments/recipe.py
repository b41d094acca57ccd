"""Recipes: what an environment is made of, as plain data.  Equal recipes are one environment.

A client sends a recipe as JSON:

    {
      "python": "3.12",
      "steps": [
        {"kind": "install", "arguments": ["-r", "./1/requirements.txt", "numpy>=2"]},
        {"kind": "project", "folder": "./2", "export": ["--group", "gpu"], "arguments": []}
      ],
      "variables": {"MODE": "fast"},
      "sources": ["./3/sources.tar.gz"],
      "files": {"./1/requirements.txt": {"text": "pandas"}, "./3/sources.tar.gz": {"sha256": "…"}}
    }

Steps happen one after the other, as the layers of an image do.  Paths are relative to a folder that has the files.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from flyte_server.domain.errors import Invalid

PREFIX = "venv:"
"""Of the image's address in a task: `venv:` and the recipe's digest."""
_DIGEST = re.compile(r"[0-9a-f]{16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PYTHON = re.compile(r"3\.\d{1,2}(\.\d{1,3})?")

Kind = Literal["install", "project"]


@dataclass(frozen=True, slots=True)
class Step:
    """One call of `uv pip install`, or of `uv export` and then that."""

    kind: Kind
    arguments: tuple[str, ...]
    """For `uv pip install`: options and requirements."""
    folder: str = ""
    """Of a project: where its pyproject.toml and uv.lock are."""
    export: tuple[str, ...] = ()
    """Of a project: options for `uv export`."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a file: a text, or bytes that are kept apart under their checksum."""

    text: str | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an environment is made of."""

    python: str
    """Version, such as `3.12`."""
    steps: tuple[Step, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    sources: tuple[str, ...] = ()
    """Archives with files that tasks find in their working directory."""
    files: Mapping[str, Content] = field(default_factory=dict[str, Content])

    @property
    def digest(self) -> str:
        """Identity: 16 hexadecimal digits over everything that matters, in the order in which it matters."""
        plain = json.dumps(self.payload(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(plain.encode()).hexdigest()[:16]

    def payload(self) -> dict[str, Any]:
        """As JSON; `read` is its inverse."""
        return {
            "python": self.python,
            "steps": [_plain(step) for step in self.steps],
            "variables": dict(self.variables),
            "sources": list(self.sources),
            "files": {
                path: {"sha256": each.sha256} if each.text is None else {"text": each.text}
                for path, each in self.files.items()
            },
        }


def _plain(step: Step) -> dict[str, Any]:
    common = {"kind": step.kind, "arguments": list(step.arguments)}
    if step.kind == "project":
        return {**common, "folder": step.folder, "export": list(step.export)}
    return common


def digest_of(image: str) -> str | None:
    """The digest in an image's address; None if it is the address of something else."""
    digest = image.removeprefix(PREFIX)
    return digest if image.startswith(PREFIX) and _DIGEST.fullmatch(digest) else None


def read(payload: Any) -> Recipe:
    """A recipe as a client sends it.

    Raises:
        Invalid: it is none; the message says where.
    """
    fields = _object(payload, "recipe")
    python = _text(fields.get("python"), "recipe.python")
    if not _PYTHON.fullmatch(python):
        raise Invalid(f"recipe.python is {python!r}; write a version such as '3.12'.")
    files = {
        _path(path, "recipe.files"): _content(each, f"recipe.files[{path!r}]")
        for path, each in _object(fields.get("files", {}), "recipe.files").items()
    }
    sources = _texts(fields.get("sources", []), "recipe.sources")
    if unknown := [path for path in sources if path not in files]:
        raise Invalid(f"recipe.sources names {unknown[0]!r}, which is not among recipe.files.")
    variables = _object(fields.get("variables", {}), "recipe.variables")
    return Recipe(
        python=python,
        steps=tuple(
            _step(each, f"recipe.steps[{number}]")
            for number, each in enumerate(_list(fields.get("steps", []), "recipe.steps"))
        ),
        variables={
            name: _text(value, f"recipe.variables[{name!r}]") for name, value in variables.items()
        },
        sources=sources,
        files=files,
    )


def _step(given: Any, where: str) -> Step:
    fields = _object(given, where)
    arguments = _texts(fields.get("arguments", []), f"{where}.arguments")
    match fields.get("kind"):
        case "install":
            return Step("install", arguments)
        case "project":
            folder = _path(_text(fields.get("folder"), f"{where}.folder"), f"{where}.folder")
            export = _texts(fields.get("export", []), f"{where}.export")
            return Step("project", arguments, folder, export)
        case kind:
            raise Invalid(
                f"{where}.kind is {kind!r}, which this control plane does not know; restart it with the version of "
                "the client: flyte stop server"
            )


def _content(given: Any, where: str) -> Content:
    fields = _object(given, where)
    if "text" in fields:
        return Content(text=_text(fields["text"], f"{where}.text"))
    sha256 = _text(fields.get("sha256"), f"{where}.sha256")
    if not _SHA256.fullmatch(sha256):
        raise Invalid(f"{where}.sha256 is {sha256!r}; write 64 hexadecimal digits.")
    return Content(sha256=sha256)


def _path(text: str, where: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise Invalid(f"{where} has the path {text!r}; write one below the folder of the recipe.")
    return text


def _object(given: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise Invalid(f"{where} has to be an object, but is {given!r}.")
    return given


def _list(given: Any, where: str) -> list[Any]:
    if not isinstance(given, list):
        raise Invalid(f"{where} has to be a list, but is {given!r}.")
    return given


def _texts(given: Any, where: str) -> tuple[str, ...]:
    return tuple(_text(each, where) for each in _list(given, where))


def _text(given: Any, where: str) -> str:
    if not isinstance(given, str):
        raise Invalid(f"{where} has to be a text, but is {given!r}.")
    return given
