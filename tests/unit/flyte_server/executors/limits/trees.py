"""Directories that look like the kernel's: /proc of one process, and hierarchies of control groups."""

from pathlib import Path

CONTROLLERS = ("memory", "cpu", "pids")
_BOUNDS = {
    "memory": ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    "cpu": ("cpu.cfs_quota_us",),
    "pids": ("pids.max",),
}


def proc(root: Path, mounts: list[str], groups: list[str]) -> Path:
    """A /proc that tells of these mounts and groups."""
    own = root / "proc" / "self"
    own.mkdir(parents=True)
    (own / "mountinfo").write_text("".join(f"{line}\n" for line in mounts))
    (own / "cgroup").write_text("".join(f"{line}\n" for line in groups))
    return own.parent


def classic(root: Path, path: str = "/", *, controllers: tuple[str, ...] = CONTROLLERS) -> Path:
    """Version 1, with this process in `path` of every hierarchy; its /proc."""
    for controller in controllers:
        (root / controller / path.lstrip("/")).mkdir(parents=True)
    return proc(
        root,
        [f"30 1 0:30 / {root}/{each} rw - cgroup cgroup rw,{each}" for each in controllers],
        [f"{number}:{each}:{path}" for number, each in enumerate(controllers)],
    )


def unified(root: Path, path: str, *, available: str, enabled: str, processes: str = "") -> Path:
    """Version 2, with this process in `path`; its /proc."""
    own = root / "unified" / path.lstrip("/")
    own.mkdir(parents=True)
    (own / "cgroup.controllers").write_text(available)
    (own / "cgroup.subtree_control").write_text(enabled)
    (own / "cgroup.procs").write_text(processes)
    return proc(root, [f"30 1 0:30 / {root}/unified rw - cgroup2 cgroup2 rw"], [f"0::{path}"])


def classic_files(directories: tuple[Path, ...]) -> None:
    """The files that the kernel would have put into new groups of version 1."""
    for directory in directories:
        for controller, names in _BOUNDS.items():
            if controller in directory.parts:
                for name in (*names, "cgroup.procs"):
                    (directory / name).write_text("")


def unified_files(directory: Path) -> None:
    """The files that the kernel would have put into a new group of version 2."""
    for name in ("memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max"):
        (directory / name).write_text("")
    (directory / "cgroup.procs").write_text("")
    (directory / "cgroup.kill").write_text("")
