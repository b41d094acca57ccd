"""Secrets in the process that they are for: variables, and files that go with it.

Files lie in memory where the machine can do that, in a folder that nobody else may enter.  Not in the folder of the
contract, `/etc/flyte/secrets`: several attempts share this machine, and each has secrets of its own.  Where they are
stands in `FLYTE_SECRETS_DEFAULT_DIR`, and in the variable of a secret that has one.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

FOLDER = "/etc/flyte/secrets"
"""Where files are by contract."""
DEFAULT_DIR = "FLYTE_SECRETS_DEFAULT_DIR"
FILE_PREFIX = "FLYTE_SECRETS_FILE_PREFIX"
_NAME = "flyte-secrets-"
"""Then the number of the process, and what makes the name unknown beforehand."""
_SHARED_MEMORY = Path("/dev/shm")


def uncovered(hidden_env: Mapping[str, str], hidden_files: Mapping[str, str]) -> dict[str, str]:
    """In the attempt's process: write the files; gives the variables that it needs besides those anybody may see.

    Args:
        hidden_env: values of variables; that of a file's variable is its path below `/etc/flyte/secrets`.
        hidden_files: contents by their paths below `/etc/flyte/secrets`, with bytes that are no UTF-8 as Python has
            them in variables.

    Raises:
        OSError: the files cannot be written.
    """
    told = dict(hidden_env)
    if hidden_files:
        folder = _written(hidden_files)
        told |= {DEFAULT_DIR: str(folder), FILE_PREFIX: ""}
        for name, value in hidden_env.items():
            if value in hidden_files:
                told[name] = str(folder / PurePosixPath(value).relative_to(FOLDER))
    return told


def _written(files: Mapping[str, str]) -> Path:
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{_NAME}{os.getpid()}-", dir=_memory()))
    for path, content in files.items():
        file = folder / PurePosixPath(path).relative_to(FOLDER)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as opened:  # noqa: PTH123 - of a descriptor
            opened.write(content.encode("utf-8", "surrogateescape"))
    return folder


def remove(pid: int) -> None:
    """Take away what was written for a process that has ended."""
    for folder in _memory().glob(f"{_NAME}{pid}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Take away what processes have left that nobody looked after any more: their host was killed."""
    for folder in _memory().glob(f"{_NAME}*"):
        pid = folder.name.removeprefix(_NAME).partition("-")[0]
        if pid.isdecimal() and not _lives(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _memory() -> Path:
    """A folder whose files are in memory, if there is one."""
    own = os.environ.get("XDG_RUNTIME_DIR")  # noqa: TID251 - a process's edge
    for folder in (Path(own) if own else None, _SHARED_MEMORY):
        if folder is not None and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return Path(tempfile.gettempdir())
