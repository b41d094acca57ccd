"""A task whose raw data is in a bucket of its own."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.runtime import FakeRuntime
from tests.storage_servers import SeaweedFS
from tests.storage_servers import seaweedfs as seaweedfs

from flyte import _session
from flyte._context import RawDataPath
from flyte._session import Session


@pytest.fixture
def in_s3(seaweedfs: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Be inside a task whose raw data is at this address, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)
    folder = f"s3://{seaweedfs.make_bucket(f'test-{secrets.token_hex(6)}')}/raw"
    context = {"raw_data_path": RawDataPath(folder), "run_base_dir": folder}
    with _session.using(Session(storage=seaweedfs.settings)), FakeRuntime().task(**context):
        yield folder
