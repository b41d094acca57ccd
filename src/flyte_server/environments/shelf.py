"""Where environments are kept: what is complete, what it is made of, who uses it.

    $FLYTE_HOME/environments/
      recipes/<digest>.json      what was asked for; an environment can be made again from it
      files/<sha256>             wheels and sources of recipes
      sdk/<identity>/            links to our own packages
      <digest>-<identity>/       a complete environment: environment.json, venv/, source/, runs/<run id>
      .building-…, .removing-…   of a build or a removal that goes on, or was killed

A directory with a name that does not begin with a dot is complete: it got that name by a rename, as the last step.
"""

import errno
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flyte_server.environments import recipe as recipes
from flyte_server.environments.recipe import Recipe

_RECORD = "environment.json"
_DRAFT = ".building-"
_REMOVED = ".removing-"


@dataclass(frozen=True, slots=True)
class Environment:
    """A complete environment."""

    digest: str
    path: Path
    python: str
    """Full version."""
    packages: Mapping[str, str]
    bytes: int
    built_at: int
    """Microseconds since the epoch."""
    used_at: int
    """When a task was started in it last, or somebody asked for it."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    runs: frozenset[int] = frozenset()
    """Numbers of the runs that have used it, as far as they were not known to have ended."""

    @property
    def prefix(self) -> Path:
        """Its `sys.prefix`."""
        return self.path / "venv"

    @property
    def sources(self) -> Path:
        """Folder with files that tasks find in their working directory; it need not exist."""
        return self.path / "source"


class Shelf:
    """The directory of all environments.  Its methods touch the disk and belong into a thread.

    Args:
        room: the directory.
        identity: of the SDK that environments are made for.
    """

    def __init__(self, room: Path, identity: str) -> None:
        self.room = room
        self._identity = identity

    # -- recipes

    def keep(self, recipe: Recipe) -> str:
        """Write a recipe down; it may have credentials of a package index, so others cannot read it.

        Returns:
            Its digest.
        """
        path = self._recipe(recipe.digest)
        if path.exists():
            os.utime(path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{secrets.token_hex(6)}")
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(recipe.payload()), encoding="utf-8")
            draft.replace(path)
        return recipe.digest

    def recipe(self, digest: str) -> Recipe | None:
        """A recipe that was kept; None if there is none, or it cannot be read."""
        try:
            return recipes.read(json.loads(self._recipe(digest).read_bytes()))
        except (OSError, ValueError):
            return None

    def forget_recipes(self, before_us: int) -> None:
        """Remove recipes without an environment that nobody wanted since then, and files that no recipe has."""
        built = {each.digest for each in self.all()}
        for path in (self.room / "recipes").glob("*.json"):
            if path.stem not in built and path.stat().st_mtime_ns // 1000 < before_us:
                path.unlink(missing_ok=True)
        kept = {
            content.sha256
            for path in (self.room / "recipes").glob("*.json")
            if (found := self.recipe(path.stem)) is not None
            for content in found.files.values()
        }
        for path in (self.room / "files").glob("*"):
            if path.name not in kept and path.stat().st_mtime_ns // 1000 < before_us:
                path.unlink(missing_ok=True)

    def content(self, sha256: str) -> Path:
        """Where the bytes of a file are kept."""
        return self.room / "files" / sha256

    def missing(self, recipe: Recipe) -> list[str]:
        """Checksums of files that were not sent yet."""
        wanted = {each.sha256 for each in recipe.files.values() if each.text is None}
        return sorted(sha256 for sha256 in wanted if not self.content(sha256).exists())

    def _recipe(self, digest: str) -> Path:
        return self.room / "recipes" / f"{digest}.json"

    # -- environments

    @property
    def sdk(self) -> Path:
        """The folder with links to our own packages."""
        return self.room / "sdk" / self._identity

    def find(self, digest: str) -> Environment | None:
        """The environment of a recipe, made for the SDK as it is now."""
        return _read(self.room / f"{digest}-{self._identity}")

    def all(self) -> list[Environment]:
        """Every complete environment, also those for an earlier SDK; the one that was used last comes first."""
        try:
            paths = [path for path in self.room.iterdir() if not path.name.startswith(".")]
        except FileNotFoundError:
            return []
        found = [each for path in paths if (each := _read(path)) is not None]
        return sorted(found, key=lambda each: each.used_at, reverse=True)

    def draft(self, digest: str) -> Path:
        """A new directory in which an environment is made."""
        path = self.room / f"{_DRAFT}{digest}-{secrets.token_hex(6)}"
        path.mkdir(parents=True)
        return path

    def publish(self, digest: str, draft: Path, record: Mapping[str, Any]) -> Environment:
        """Give a finished draft its name."""
        (draft / _RECORD).write_text(json.dumps(record), encoding="utf-8")
        target = self.room / f"{digest}-{self._identity}"
        if target.exists():  # damaged: else nobody would have made it again
            self._discard(target)
        draft.rename(target)
        made = _read(target)
        assert made is not None, f"{target} was written a moment ago"
        return made

    def remove(self, environment: Environment) -> None:
        """Remove an environment; its recipe stays."""
        self._discard(environment.path)

    def use(self, environment: Environment, run_id: int | None = None) -> None:
        """Note that it is wanted now, and by which run."""
        os.utime(environment.path / _RECORD)
        with suppress(FileNotFoundError):
            os.utime(self._recipe(environment.digest))
        if run_id is not None:
            runs = environment.path / "runs"
            runs.mkdir(exist_ok=True)
            (runs / str(run_id)).touch()

    def forget(self, environment: Environment, run_id: int) -> None:
        """A run has ended."""
        (environment.path / "runs" / str(run_id)).unlink(missing_ok=True)

    def _discard(self, path: Path) -> None:
        away = self.room / f"{_REMOVED}{secrets.token_hex(6)}"
        with suppress(FileNotFoundError):
            path.rename(away)
        shutil.rmtree(away, ignore_errors=True)

    # -- one at a time

    @contextmanager
    def locked(self, digest: str) -> Generator[int | None]:
        """Be the only one who makes this environment; None if another process does.

        The lock is one of the file, and whoever inherits the descriptor holds it too: uv goes on when the control
        plane is killed, and until it ends nobody may begin anew.
        """
        path = self.room / "locks" / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                    raise
                yield None
            else:
                yield file.fileno()

    def sweep(self, digest: str | None = None) -> None:
        """Remove what killed builds and removals have left: of one digest (whose lock we hold), or of all."""
        for path in list(self.room.glob(".*")) if self.room.exists() else []:
            if path.name.startswith(_REMOVED):
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.startswith(_DRAFT):
                owner = path.name.removeprefix(_DRAFT).partition("-")[0]
                if owner == digest:
                    shutil.rmtree(path, ignore_errors=True)
                elif digest is None:
                    self._sweep_draft(owner, path)

    def _sweep_draft(self, owner: str, path: Path) -> None:
        with self.locked(owner) as lock:
            if lock is not None:
                shutil.rmtree(path, ignore_errors=True)


def _read(path: Path) -> Environment | None:
    """The environment in a directory; None if there is none, or it is damaged."""
    try:
        record = json.loads((path / _RECORD).read_bytes())
        used_at = (path / _RECORD).stat().st_mtime_ns // 1000
        if not (path / "venv/bin/python").exists():
            return None  # the interpreter that it was made from is gone
        return Environment(
            digest=record["digest"],
            path=path,
            python=record["python"],
            packages=record["packages"],
            bytes=record["bytes"],
            built_at=record["built_at"],
            used_at=used_at,
            variables=record["variables"],
            runs=frozenset(int(each.name) for each in (path / "runs").glob("*")),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
