"""Bounds that control groups set to this process: of all groups that it is in, the smallest counts."""

from collections.abc import Iterator
from pathlib import Path

_NO_BOUND = 1 << 60
"""Version 1 says this or more where there is none."""


class Cgroups:
    """The control groups of a process, of version 1 and 2.

    Args:
        process: where /proc tells of it.
        mount: where control groups are mounted.
    """

    def __init__(
        self, process: Path = Path("/proc/self"), mount: Path = Path("/sys/fs/cgroup")
    ) -> None:
        self._process = process
        self._mount = mount

    def cpus(self) -> float | None:
        """How many CPUs it may use at once; None: no bound."""
        found = [
            *(_quota(folder / "cpu.max") for folder in self._folders("")),
            *(_old_quota(folder) for folder in self._folders("cpu")),
        ]
        return min((bound for bound in found if bound is not None), default=None)

    def memory(self) -> int | None:
        """Bytes that it may use; None: no bound."""
        found = [
            *(_bytes(folder / "memory.max") for folder in self._folders("")),
            *(_bytes(folder / "memory.limit_in_bytes") for folder in self._folders("memory")),
        ]
        return min((bound for bound in found if bound is not None), default=None)

    def _folders(self, controller: str) -> Iterator[Path]:
        """The folder of its group and those above; of version 2 without a controller."""
        for controllers, path in self._groups():
            if controller not in controllers.split(","):
                continue
            root = self._mount / controllers if controller else self._mount
            if controller and not root.is_dir():
                root = self._mount / controller
            inner = Path(path.lstrip("/"))
            for folder in (inner, *inner.parents):
                yield root / folder

    def _groups(self) -> Iterator[tuple[str, str]]:
        for line in _text(self._process / "cgroup").splitlines():
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            yield controllers, path


def _quota(file: Path) -> float | None:
    """`cpu.max`: microseconds of CPU in a period, and the period."""
    match _text(file).split():
        case [quota, period] if quota.isdecimal() and period.isdecimal() and int(period):
            return int(quota) / int(period)
        case _:
            return None


def _old_quota(folder: Path) -> float | None:
    quota = _text(folder / "cpu.cfs_quota_us").strip()
    period = _text(folder / "cpu.cfs_period_us").strip()
    if not quota.isdecimal() or not period.isdecimal() or not int(period):  # -1: no bound
        return None
    return int(quota) / int(period)


def _bytes(file: Path) -> int | None:
    text = _text(file).strip()
    return int(text) if text.isdecimal() and int(text) < _NO_BOUND else None


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:  # not of this version, or above what a container shows
        return ""
