"""What the attempts of one process have in common."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass, field
from pathlib import Path

from flyte._client.workers import Workers
from flyte._entrypoints import hiding
from flyte._entrypoints.replica.voices import Voices
from flyte._runtime.arguments import TaskArguments
from flyte._runtime.attempts import code
from flyte._task import TaskTemplate


@dataclass(slots=True)
class Shared:
    """Made once per replica, before the first attempt."""

    workers: Workers
    environment: dict[str, str]
    """Variables with which the process was started."""
    threads: ThreadPoolExecutor
    """For plain functions."""
    context: Context
    """Context variables as they are outside of attempts: modules are imported in it, each attempt gets a copy."""
    voices: Voices
    directory: Path | None = None
    """The working directory, in which the bundle's files are still to be put; None: there is nothing to put there."""
    secrets: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    """Variables of the secrets that are uncovered in this process."""
    _covered: tuple[Mapping[str, str], Mapping[str, str]] = field(
        default_factory=lambda: ({}, {}), repr=False
    )
    """The secrets that these are."""

    def load(self, arguments: TaskArguments) -> TaskTemplate:
        """The task, its module imported outside of every attempt; blocks the loop the first time."""
        folder, task = self.context.run(code.load, arguments)
        if self.directory is not None and folder is not None:
            _link(self.directory, folder)
            self.directory = None
        return task

    def uncover(self, env: Mapping[str, str], files: Mapping[str, str]) -> None:
        """Let user code find its secrets, those of all attempts in one place: they are part of the pool's key.

        Raises:
            OSError: their files cannot be written.
        """
        if (env, files) != self._covered:
            self.secrets = hiding.uncovered(env, files)
            os.environ.update(self.secrets)  # noqa: TID251 - a process's edge
            self._covered = env, files


def _link(directory: Path, folder: Path) -> None:
    """Let the files of a bundle be found in the working directory, as a forked attempt finds them."""
    for target in folder.iterdir():
        link = directory / target.name
        if not link.is_symlink() and not link.exists():
            link.symlink_to(target)
