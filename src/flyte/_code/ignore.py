"""Which files of a directory belong to a code bundle."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flyte import errors
from flyte._kit import optional

_ALWAYS = frozenset(
    {
        ".git",
        ".venv",
        "__pycache__",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".ipynb_checkpoints",
        ".DS_Store",
    }
)
"""Names of files and directories that are never code."""

_IGNORE_FILE = ".flyteignore"


def files(root: Path) -> list[Path]:
    """All files below `root` that belong to its code, sorted.

    Left out are what git ignores (with git asked, or `.gitignore` files read when there is no git), what
    `.flyteignore` files name in the same language, virtual environments, and what Python and its tools leave behind.

    Raises:
        CodeBundleError: git fails, or an ignore file has a line that cannot be understood.
    """
    listed = _listed_by_git(root)
    if listed is None:
        return sorted(_walked(_Choice(root, (".gitignore", _IGNORE_FILE))))
    choice = _Choice(root, (_IGNORE_FILE,))
    return sorted(path for path in listed if choice.has_file(path))


def _listed_by_git(root: Path) -> list[Path] | None:
    """Tracked files, and new ones that are not ignored; None when git cannot say."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    answer = subprocess.run(command, cwd=root, capture_output=True, check=False)
    if answer.returncode != 0:
        return None  # not a repository, or one that git does not trust: its ignore files are read instead
    return [root / os.fsdecode(name) for name in answer.stdout.split(b"\0") if name]


def _walked(choice: "_Choice") -> Iterator[Path]:
    for directory, subdirectories, names in os.walk(choice.root):
        here = Path(directory)
        subdirectories[:] = [name for name in subdirectories if choice.has_directory(here / name)]
        yield from (here / name for name in names if choice.has_file(here / name))


class _Choice:
    """Which paths below a root are code: not those that never are, and not those that ignore files name."""

    def __init__(self, root: Path, ignore_files: tuple[str, ...]) -> None:
        self.root = root
        self._ignore_files = ignore_files
        self._directories = {root: True}
        self._patterns: dict[Path, Any] = {}

    def has_directory(self, path: Path) -> bool:
        if path not in self._directories:
            self._directories[path] = (
                self.has_directory(path.parent)
                and path.name not in _ALWAYS
                and path != Path(sys.prefix)
                and not (path / "pyvenv.cfg").is_file()
                and not self._ignored(path, f"{path.name}/")
            )
        return self._directories[path]

    def has_file(self, path: Path) -> bool:
        return (
            path.name not in _ALWAYS
            and path.suffix not in (".pyc", ".pyo")
            and self.has_directory(path.parent)
            and path.is_file()
            and not self._ignored(path, path.name)
        )

    def _ignored(self, path: Path, name: str) -> bool:
        """What the deepest ignore file with an opinion says; `name` ends with a slash for a directory."""
        relative = name
        for directory in path.parents:
            patterns = self._patterns_of(directory)
            verdict = patterns.check_file(relative).include if patterns else None
            if verdict is not None:
                return verdict
            if directory == self.root:
                return False
            relative = f"{directory.name}/{relative}"
        return False

    def _patterns_of(self, directory: Path) -> Any:
        if directory not in self._patterns:
            files = [directory / name for name in self._ignore_files]
            lines = [
                line
                for file in files
                if file.is_file()
                for line in file.read_text(errors="replace").splitlines()
            ]
            self._patterns[directory] = _compiled(directory, lines) if lines else None
        return self._patterns[directory]


def _compiled(directory: Path, lines: list[str]) -> Any:
    pathspec = optional.module("pathspec", needed_for=f"{_IGNORE_FILE} and .gitignore files")
    try:
        return pathspec.GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise errors.CodeBundleError(
            f"an ignore file in {directory} has a line that is no pattern ({error}); correct or remove it"
        ) from error
