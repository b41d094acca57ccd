"""Addresses of a control plane's own bucket: files in its tasks, links for its clients, and never the cloud's."""

from pathlib import Path

import pytest

from flyte import errors, storage
from flyte.storage._objects import clients

URI = "s3://flyte-objects-12ab/p/d/r/a0/raw/x"


def test_in_a_task_they_are_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("_U_OBJECTS", f"flyte-objects-12ab={tmp_path}")
    assert storage.local_path(URI) == tmp_path / "p/d/r/a0/raw/x"
    assert storage.is_local(URI)
    assert not storage.is_of_plane(URI)
    for other in ("s3://flyte-objects-12abc/x", "s3://mine/x", "s3://flyte-objects-12ab/../../x"):
        assert storage.local_path(other) is None
        assert storage.is_remote(other)


async def test_the_cloud_is_not_asked_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLYTE_AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "_U_OBJECTS"):
        monkeypatch.delenv(name, raising=False)
    assert storage.is_of_plane(URI)
    with pytest.raises(errors.StorageAccessError, match="session with that control plane"):
        await storage.read(URI)
    clients.reading(URI, storage.S3(endpoint="http://127.0.0.1:9"))
