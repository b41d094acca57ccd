"""A code bundle: which files, under which hash, as which bytes.

The hash is over paths and contents, not over the archive: the same code has the same version on every machine, and
code that a control plane has already is neither packed nor sent again.
"""

import gzip
import hashlib
import io
import logging
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Literal

from flyte import errors
from flyte._code import ignore

CopyStyle = Literal["loaded_modules", "all", "custom"]

WARN_ABOVE_BYTES = 100 * 1024 * 1024
_BIGGEST_NAMED = 5
_SDK = Path(__file__).resolve().parents[1]
_EXECUTABLE = 0o100

_log = logging.getLogger("flyte.code")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a bundle, read."""

    name: str
    """Path below the root, with slashes."""
    content: bytes
    executable: bool


@dataclass(frozen=True)
class Bundle:
    """The files of a run, read once, so that hash and archive cannot disagree."""

    root: Path
    files: tuple[SourceFile, ...]
    """Sorted by name."""

    @cached_property
    def version(self) -> str:
        """Hash of names and contents: 32 hexadecimal digits."""
        digest = hashlib.blake2b(digest_size=16)
        for file in self.files:
            name = file.name.encode()
            head = f"{len(name)} {len(file.content)} {file.executable:d} ".encode()
            digest.update(head + name)
            digest.update(file.content)
        return digest.hexdigest()

    @property
    def filename(self) -> str:
        """Name of the archive."""
        return f"fast{self.version}.tar.gz"

    @property
    def size(self) -> int:
        """Bytes before compression."""
        return sum(len(file.content) for file in self.files)

    def archive(self) -> bytes:
        """The files as a gzipped tar archive: the same bytes for the same files."""
        packed = io.BytesIO()
        with (
            gzip.GzipFile(
                filename="", mode="wb", fileobj=packed, mtime=0, compresslevel=6
            ) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for file in self.files:
                entry = tarfile.TarInfo(file.name)  # its time, owner and group are 0
                entry.size = len(file.content)
                entry.mode = 0o755 if file.executable else 0o644
                archive.addfile(entry, io.BytesIO(file.content))
        return packed.getvalue()


def build(copy_style: CopyStyle, root_dir: Path, include: Sequence[str] = ()) -> Bundle:
    """The bundle of the code below `root_dir`.

    Args:
        copy_style: `loaded_modules`: the files of the modules that are imported now, the script itself included;
            `all`: every file below the root that is not ignored; `custom`: only what `include` names.
        root_dir: modules are named relative to it.
        include: further files: paths, folders or patterns below the root.

    Raises:
        CodeBundleError: there is no code below the root, an included file does not exist, or a file cannot be read.
    """
    root = root_dir.resolve()
    paths = _paths(copy_style, root) | included(root, include)
    if not paths and copy_style == "custom":
        raise errors.CodeBundleError(
            "copy_style='custom' sends the files that environments name with include=(…), but none names any"
        )
    if not paths:
        raise errors.CodeBundleError(
            f"no code was found below {root} (copy_style={copy_style!r}); "
            "start from the directory of your code, or name it with root_dir"
        )
    bundle = Bundle(root, tuple(_read(root, path) for path in sorted(paths)))
    if bundle.size > WARN_ABOVE_BYTES:
        _log.warning("%s", _size_warning(bundle))
    return bundle


def _paths(copy_style: CopyStyle, root: Path) -> set[Path]:
    match copy_style:
        case "all":
            return set(ignore.files(root))
        case "custom":
            return set()
        case "loaded_modules":
            return set(loaded_files(root, dict(sys.modules)))


def included(root: Path, include: Iterable[str]) -> set[Path]:
    """The files that environments name: a path is one, a folder all below it, a pattern those that fit.

    Raises:
        CodeBundleError: there is no such file, or it is not below the root.
    """
    found: set[Path] = set()
    for name in include:
        path = below(root, root / name)
        if path is None:
            raise errors.CodeBundleError(
                f"include={name!r} is not below the root {root}; name files below it, or choose another root_dir"
            )
        matching = [path] if path.exists() else list(root.glob(path.relative_to(root).as_posix()))
        files = {
            file
            for each in matching
            for file in (each.rglob("*") if each.is_dir() else [each])
            if file.is_file() and "__pycache__" not in file.parts
        }
        if not files:
            raise errors.CodeBundleError(
                f"include={name!r}: there is no such file below {root}; correct the path"
            )
        found |= files
    return found


def loaded_files(root: Path, modules: Mapping[str, ModuleType]) -> list[Path]:
    """Files of the user's own modules: below `root`, and not of Python, of an installed package, or of this SDK."""
    foreign = _foreign_directories(root)
    found: set[Path] = set()
    for module in modules.values():
        # vars(): a lazy module must not be loaded by asking for its file.
        file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
        path = below(root, file) if isinstance(file, str) else None
        if path and path.suffix != ".pyc" and path.is_file() and not _is_foreign(path, foreign):
            found.add(path)
    return sorted(found)


def below(root: Path, path: str | Path) -> Path | None:
    """`path` as a path below `root`, itself or with its symbolic links followed; None if it is elsewhere."""
    absolute = Path(path).absolute()
    # `root/../elsewhere` begins like a path below the root and is none.
    spellings = (
        (absolute, absolute.resolve()) if ".." not in absolute.parts else (absolute.resolve(),)
    )
    return next((each for each in spellings if each.is_relative_to(root)), None)


def code_root(module: ModuleType | None) -> Path:
    """The root for a task of `module` when none was chosen: the working directory if the module lies below it.

    Else the directory that the module is imported from, so that `python /elsewhere/script.py` works.
    """
    here = Path.cwd()
    file = getattr(module, "__file__", None)
    if module is None or file is None or below(here.resolve(), file):
        return here
    path = Path(file).resolve()
    spec = getattr(
        module, "__spec__", None
    )  # a script has none, `python -m package.module` has its full name
    depth = spec.name.count(".") if spec else 0
    return path.parents[depth + (path.stem == "__init__")]


def relative_sys_path(root: Path) -> list[str]:
    """The entries of `sys.path` below `root`, as `.`, `./src`, …: what a worker needs on its own path."""
    root = root.resolve()
    foreign = _foreign_directories(root)
    entries = (below(root, entry or Path.cwd()) for entry in sys.path)
    own = [path for path in entries if path and path.is_dir() and not _is_foreign(path, foreign)]
    texts = [path.relative_to(root).as_posix() for path in own]
    return list(dict.fromkeys("." if text == "." else f"./{text}" for text in texts))


def _foreign_directories(root: Path) -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    directories = {Path(paths[key]) for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    if sys.prefix != sys.base_prefix:
        directories.add(Path(sys.prefix))
    directories |= {_SDK, _SDK.with_name("flyte_server")}
    # A root inside of one of these was chosen on purpose.
    return tuple(directory for directory in directories if not root.is_relative_to(directory))


def _is_foreign(path: Path, foreign: Iterable[Path]) -> bool:
    installed = "site-packages" in path.parts or "dist-packages" in path.parts
    return installed or any(path.is_relative_to(directory) for directory in foreign)


def _read(root: Path, path: Path) -> SourceFile:
    try:
        mode = path.stat().st_mode
        return SourceFile(
            path.relative_to(root).as_posix(), path.read_bytes(), bool(mode & _EXECUTABLE)
        )
    except OSError as error:
        raise errors.CodeBundleError(
            f"{path} cannot be read ({error.strerror}); correct its permissions, or name it in .flyteignore"
        ) from error


def _size_warning(bundle: Bundle) -> str:
    biggest = sorted(bundle.files, key=lambda file: len(file.content), reverse=True)
    named = ", ".join(
        f"{each.name} ({len(each.content):,} bytes)" for each in biggest[:_BIGGEST_NAMED]
    )
    return (
        f"the code bundle of {bundle.root} has {bundle.size:,} bytes; the biggest files are {named}; "
        "leave data out with .flyteignore"
    )
