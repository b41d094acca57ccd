"""Where a database may lie."""

from pathlib import Path

import pytest

from flyte_server.domain import errors
from flyte_server.store.file import location

MOUNTS = [("/", "ext4"), ("/home", "nfs4"), ("/home/me/local", "xfs"), ("/mnt/share", "CIFS")]


@pytest.mark.parametrize("path", ["/home/me/.flyte/state.db", "/mnt/share/x"])
def test_network_file_systems_are_refused(path: str) -> None:
    with pytest.raises(errors.StoreUnusable, match=r"network file system .* set FLYTE_HOME"):
        location.refuse_network(Path(path), MOUNTS)


@pytest.mark.parametrize("path", ["/var/lib/x", "/home/me/local/x", "/homes/x"])
def test_the_nearest_mount_decides(path: str) -> None:
    location.refuse_network(Path(path), MOUNTS)
