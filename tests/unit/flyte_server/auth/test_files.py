"""The files of the data directory that open everything: for their owner only."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from flyte_server.auth import files
from flyte_server.domain.errors import StoreUnusable

BOTH = pytest.mark.parametrize("kept", [files.signing_key, files.local_token])


@BOTH
def test_it_is_made_once_and_for_the_owner_only(
    kept: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "deep" / "file"
    made = kept(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept(path) == made
    assert list(path.parent.iterdir()) == [path]
    assert kept(tmp_path / "other") != made


@BOTH
def test_others_lose_what_rights_they_had(kept: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "file"
    made = kept(path)
    path.chmod(0o644)
    assert kept(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@BOTH
def test_a_damaged_file_is_not_used(kept: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"short")
    with pytest.raises(StoreUnusable, match="damaged"):
        kept(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreUnusable, match="cannot be read"):
        kept(path)
