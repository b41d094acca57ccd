"""A user's Python file: imported as a module, with its tasks."""

import difflib
import importlib
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from flyte import errors
from flyte._task import TaskTemplate


@dataclass(frozen=True, slots=True)
class Script:
    """A file with tasks, and the directory that its module name and the code bundle start from."""

    path: Path
    root: Path

    @classmethod
    def at(cls, file: str, root_dir: str | None = None) -> "Script":
        """The script in `file`.

        Its root is `root_dir`, else the working directory, else (for a file elsewhere) the file's
        own directory.

        Raises:
            ModuleLoadError: there is no such file, or it does not lie under `root_dir`.
        """
        path = Path(file).resolve()
        if not path.is_file():
            raise errors.ModuleLoadError(f"there is no file {file!r}{_nearest_file(path)}")
        root = Path(root_dir or ".").resolve()
        if not path.is_relative_to(root):
            if root_dir:
                raise errors.ModuleLoadError(
                    f"{file} does not lie under --root-dir {root_dir}; pass a directory above it"
                )
            root = path.parent
        return cls(path, root)

    @property
    def module_name(self) -> str:
        """Name under which the file is imported, here and by the workers; empty for an `__init__.py` in the root."""
        parts = self.path.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def load(self) -> ModuleType:
        """Import the file; its own directory and the root are searched first, as for `python FILE`.

        Raises:
            ModuleLoadError: the file cannot be imported; the message has its own error and line.
        """
        for directory in (self.root, self.path.parent):
            if str(directory) not in sys.path:
                sys.path.insert(0, str(directory))
        try:
            module = importlib.import_module(self.module_name)
        except (Exception, SystemExit) as error:
            raise errors.ModuleLoadError(
                f"{self.path} cannot be imported: {_described(error, self.root)}; "
                "correct that line, or install what it needs"
            ) from error
        if Path(module.__file__ or "").resolve() != self.path.resolve():
            raise errors.ModuleLoadError(
                f"{self.path} would be imported as {self.module_name!r}, "
                f"but that is {module.__file__}; "
                "rename the file, or pass another --root-dir"
            )
        return module

    def tasks(self) -> Mapping[str, TaskTemplate]:
        """The file's tasks by the names of their variables."""
        return {
            name: value
            for name, value in vars(self.load()).items()
            if isinstance(value, TaskTemplate)
        }


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'greet'?` if a known name is close, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _nearest_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (there is no directory {str(path.parent)!r}); pass the path of a Python file"
    known = [other.name for other in path.parent.glob("*.py")]
    return nearest(path.name, known) or f" in {path.parent}; pass the path of a Python file"


def _described(error: BaseException, root: Path) -> str:
    """An error at import in one line: class, message, and the place in the user's code."""
    if isinstance(error, SystemExit):
        what = "it ends the interpreter (put that under `if __name__ == '__main__':`)"
    else:
        what = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
    return f"{what} ({_place(error, root)})"


def _is_own(file: Path, root: Path) -> bool:
    return file.is_relative_to(root) and "site-packages" not in file.parts


def _place(error: BaseException, root: Path) -> str:
    """File and line of the error; of several frames, the innermost one of the user's own files."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(Path(frame.filename), root)]
    innermost = own[-1] if own else frames[-1]
    return f"{innermost.filename}, line {innermost.lineno}"
