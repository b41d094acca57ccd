"""Which control groups of this machine can be written by us, and the place below which attempts get theirs.

Everything is made below the group in which the control plane itself was started: what bounds us bounds our attempts.
"""

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flyte_server.executors.common.limits.groups import Group

OFF, AUTO = "off", "auto"
_CONTROLLERS = ("memory", "cpu", "pids")
_OURS = "flyte-server"
"""Below a delegated group: where the control plane itself goes, so that the group may have others below it."""
_log = logging.getLogger(__name__)


class Unusable(Exception):  # noqa: N818 - a finding, not a failure
    """Control groups cannot be written here; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where groups are made: one directory per hierarchy, there only while it is needed."""

    roots: tuple[Path, ...]
    controllers: tuple[str, ...] = ()
    """Of version 2: what groups below the root are given."""

    def group(self, name: str) -> Group:
        """The group of that name, made already or not."""
        return Group([root / name for root in self.roots])

    def make(self, name: str) -> Group:
        """A new group.

        Raises:
            OSError: it cannot be made.
        """
        self.open()
        group = self.group(name)
        for directory in group.directories:
            directory.mkdir(exist_ok=True)
        return group

    def open(self) -> None:
        """Make the roots, if they are not there.

        Raises:
            OSError: one cannot be made.
        """
        for root in self.roots:
            if not root.is_dir():
                root.mkdir(exist_ok=True)
                if self.controllers:
                    _enable(root, self.controllers)

    def names(self) -> set[str]:
        """The groups that are there."""
        return {path.name for root in self.roots for path in root.glob("*") if path.is_dir()}

    def remove(self) -> None:
        """Remove the roots, if nothing is left in them."""
        Group(self.roots).remove()


def find(home: Path, choice: str, *, kind: str, proc: Path = Path("/proc")) -> Place:
    """The place of this home's groups.

    Args:
        home: two control planes with different homes do not meet.
        kind: nor do two executors of one home.
        choice: `auto`, or the path of a delegated group of version 2.
        proc: a test has its own.

    Raises:
        Unusable: there is none.
    """
    name = f"flyte-{kind}-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"
    if choice != AUTO:
        return _delegated(Path(choice), proc, name)
    mounts = _mounts(proc)
    own = _own_groups(proc)
    if "memory" in mounts:
        return _classic(mounts, own, name)
    if "" in mounts:
        return _delegated(mounts[""].below(own.get("", "/")), proc, name)
    raise Unusable("this system has no control groups")


def _classic(mounts: "Mapping[str, _Mount]", own: Mapping[str, str], name: str) -> Place:
    """Version 1: one hierarchy per controller; without that of memory the others are not worth it."""
    roots: list[Path] = []
    for controller in _CONTROLLERS:
        if controller not in mounts:
            continue
        root = mounts[controller].below(own.get(controller, "/")) / name
        try:
            Place((root,)).open()
        except OSError as error:
            if controller == "memory":
                raise Unusable(f"{root} cannot be made: {error.strerror}") from error
            _log.info("attempts have no group of %s: %s: %s", controller, root, error.strerror)
        else:
            roots.append(root)
    place = Place(tuple(dict.fromkeys(roots)))
    place.remove()
    return place


def _delegated(own: Path, proc: Path, name: str) -> Place:
    """Version 2: groups below a group need its consent, and that it has no processes itself."""
    base = own.parent if own.name == _OURS else own
    try:
        available = (base / "cgroup.controllers").read_text().split()
        wanted = [each for each in _CONTROLLERS if each in available]
        if "memory" not in wanted:
            raise Unusable(f"the memory controller is not available in {base}")
        _grant(base, wanted, proc)
        place = Place((base / name,), tuple(wanted))
        place.open()
    except OSError as error:
        raise Unusable(
            f"{base} is not ours to divide ({error.strerror}); start the control plane in a group of its own:"
            " systemd-run --user --scope -p Delegate=yes flyte start server"
        ) from error
    place.remove()
    return place


def _grant(base: Path, wanted: list[str], proc: Path) -> None:
    enabled = (base / "cgroup.subtree_control").read_text().split()
    missing = [each for each in wanted if each not in enabled]
    if not missing:
        return
    try:
        _enable(base, missing)
    except OSError:
        _move_ours(base, proc)
        _enable(base, missing)


def _enable(group: Path, controllers: Sequence[str]) -> None:
    text = " ".join(f"+{each}" for each in controllers)
    (group / "cgroup.subtree_control").write_text(text)


def _move_ours(base: Path, proc: Path) -> None:
    """Move the control plane and who started it into a group of their own, if nobody else is in theirs."""
    inside = {int(word) for word in (base / "cgroup.procs").read_text().split()}
    others = inside - set(_ancestors(os.getpid(), proc))
    if others:
        raise PermissionError(0, f"other processes are in it, such as {min(others)}")
    leaf = base / _OURS
    leaf.mkdir(exist_ok=True)
    for pid in inside:
        (leaf / "cgroup.procs").write_text(str(pid))


def _ancestors(pid: int, proc: Path) -> Iterator[int]:
    while pid > 0:
        yield pid
        try:
            fields = (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return
        pid = int(fields[1])


@dataclass(frozen=True, slots=True)
class _Mount:
    """A hierarchy, or in a container the part of one."""

    target: Path
    root: str
    """Which of its groups is seen at the target."""

    def below(self, path: str) -> Path:
        """The directory of a group."""
        inner = path.removeprefix(self.root) if self.root != "/" else path
        return self.target / inner.lstrip("/")


def _mounts(proc: Path) -> dict[str, _Mount]:
    """Where hierarchies are mounted, by controller; version 2 as the empty name."""
    found: dict[str, _Mount] = {}
    for line in _lines(proc / "self" / "mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = ([*after.split(" "), "", "", ""])[:3]
        root, target = before.split(" ")[3:5]
        mount = _Mount(Path(target), root)
        if kind == "cgroup2":
            found[""] = mount
        elif kind == "cgroup":
            found |= dict.fromkeys(set(options.split(",")) & set(_CONTROLLERS), mount)
    return found


def _own_groups(proc: Path) -> dict[str, str]:
    """In which group this process is, by controller; version 2 as the empty name."""
    found: dict[str, str] = {}
    for line in _lines(proc / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        found |= dict.fromkeys(controllers.split(","), path)
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
