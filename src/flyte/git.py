"""What git knows of the code that is run: its state, and where its lines can be read.

Asks the `git` command; without it, or outside of a repository, the answer is "not valid" and no error.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from flyte.config import Config, auto

__all__ = ["GitStatus", "config_from_root"]

_GIT_SECONDS = 10.0


@dataclass(frozen=True)
class GitStatus:
    """The state of the repository of the working directory.

    Example:
        >>> status = flyte.git.GitStatus.from_current_repo()
        >>> status.build_url("train.py", 12)
        'https://github.com/ada/weather/blob/3f2a…/train.py#L12'
    """

    is_valid: bool = False
    """Whether there is a repository with a commit."""
    is_tree_clean: bool = False
    """Whether nothing was changed since the commit."""
    remote_url: str = ""
    """Address of `origin` for a browser; empty if there is none."""
    repo_dir: Path = Path()
    """The repository's folder."""
    commit_sha: str = ""
    """The commit."""

    @classmethod
    def from_current_repo(cls) -> "GitStatus":
        """The state of the repository that the working directory lies in."""
        root, commit = _git("rev-parse", "--show-toplevel"), _git("rev-parse", "HEAD")
        if root is None or commit is None:
            return cls()
        return cls(
            is_valid=True,
            is_tree_clean=_git("status", "--porcelain") == "",
            remote_url=_browsable(_git("remote", "get-url", "origin") or ""),
            repo_dir=Path(root),
            commit_sha=commit,
        )

    def build_url(self, path: Path | str, line_number: int) -> str:
        """Address of a line of a file at this commit; empty if the repository has no address.

        Args:
            path: the file, inside of the repository.
            line_number: counted from 1.
        """
        if not self.is_valid or not self.remote_url:
            return ""
        file = Path(path).resolve()
        root = self.repo_dir.resolve()
        if not file.is_relative_to(root):
            return ""
        name = quote(file.relative_to(root).as_posix())
        form = _FORMS.get(urlsplit(self.remote_url).hostname or "", _FORMS["github.com"])
        return self.remote_url + form.format(commit=self.commit_sha, name=name, line=line_number)


def config_from_root(path: Path | str = ".flyte/config.yaml") -> Config | None:
    """The configuration file that lies in the repository, wherever in it the program is started.

    Args:
        path: the file, seen from the repository's folder.

    Returns:
        Its content; None if there is no repository, or no such file in it.

    Raises:
        ConfigError: the file is wrong.

    Example:
        >>> flyte.init_from_config(flyte.git.config_from_root())
    """
    root = _git("rev-parse", "--show-toplevel")
    if root is None:
        return None
    file = Path(root) / path
    return auto(file) if file.is_file() else None


_FORMS = {
    "github.com": "/blob/{commit}/{name}#L{line}",
    "gitlab.com": "/-/blob/{commit}/{name}#L{line}",
    "bitbucket.org": "/src/{commit}/{name}#lines-{line}",
}
"""How hosts address a line; others are taken to do as GitHub does."""


def _browsable(remote: str) -> str:
    """`git@host:owner/name.git` and its like as `https://host/owner/name`; user names and passwords are left out."""
    if not remote:
        return ""
    if "://" not in remote:  # the short form of ssh
        host, _, path = remote.rpartition("@")[2].partition(":")
    else:
        parts = urlsplit(remote)
        host, path = parts.hostname or "", parts.path
    if not host or not path:
        return ""
    return f"https://{host}/{path.strip('/').removesuffix('.git')}"


def _git(*arguments: str) -> str | None:
    """What git answers; None if it does not."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_GIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
