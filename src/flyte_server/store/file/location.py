"""Where a database may lie: not on a network file system, whose locks SQLite cannot rely on."""

from collections.abc import Iterable
from pathlib import Path

import psutil

from flyte_server.domain import errors

NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smbfs", "smb2", "smb3", "afs", "afpfs", "ncpfs", "ceph", "lustre"}
    | {"glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "beegfs", "gpfs"}
    | {"webdav", "davfs", "fuse.davfs2", "fuse.rclone"}
)
Mount = tuple[str, str]
"""Mount point and type."""


def mounts() -> list[Mount]:
    """The file systems of this machine."""
    return [(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]


def refuse_network(path: Path, known: Iterable[Mount]) -> None:
    """Check that `path` (which need not exist) lies on a local file system.

    Raises:
        errors.StoreUnusable: when it does not.
    """
    resolved = path.resolve()
    around = [(point, kind) for point, kind in known if resolved.is_relative_to(point)]
    if not around:
        return
    point, kind = max(around, key=lambda mount: len(mount[0]))
    if kind.lower() in NETWORK_FILE_SYSTEMS:
        raise errors.StoreUnusable(
            f"{path} lies on a network file system ({kind}, mounted at {point}), where a database"
            " can be damaged: set FLYTE_HOME to a directory on a local disk"
        )
