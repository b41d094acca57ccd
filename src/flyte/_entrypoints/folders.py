"""Working directories of attempts: entered at the start; left for the next one if nothing was written there.

Making and removing a directory full of links costs more than many a task does: on a journalling file system every
inode that is made anew has its price, so one that is as it was is renamed instead.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Folder:
    """The working directory of one attempt."""

    path: Path
    """Where it stands while the attempt runs; the name tells a scan whose it is."""
    links: tuple[Path, ...] = ()
    """Files and directories that it refers to."""
    spare: Path | None = None
    """Where it is left when nothing was changed in it; None: it is removed."""
    earlier: Path | None = None
    """One that another attempt has left so."""

    def enter(self) -> None:
        """Be there."""
        if not self._is_taken_over():
            self.path.mkdir(parents=True)
            for target in self.links:
                (self.path / target.name).symlink_to(target)
        os.chdir(self.path)

    def leave(self) -> None:
        """Be elsewhere; what was written is gone."""
        os.chdir("/")
        if self.spare is not None and self._is_untouched():
            os.rename(self.path, self.spare)  # noqa: PTH104 - one system call
        else:
            shutil.rmtree(self.path, ignore_errors=True)

    def _is_taken_over(self) -> bool:
        if self.earlier is None:
            return False
        try:
            os.rename(self.earlier, self.path)  # noqa: PTH104
        except OSError:
            return False
        return True

    def _is_untouched(self) -> bool:
        """Whether nothing but the links is there, each as it was made."""
        wanted = {target.name: str(target) for target in self.links}
        try:
            names = os.listdir(self.path)  # noqa: PTH208 - names are all that is needed
            return (
                len(names) == len(wanted)
                and os.access(self.path, os.R_OK | os.W_OK | os.X_OK)
                and all(os.readlink(self.path / name) == wanted[name] for name in names)  # noqa: PTH115
            )
        except (OSError, KeyError):
            return False
