"""A bucket for each test."""

import secrets

import fsspec.asyn
import pytest
from tests.storage_servers import SeaweedFS
from tests.storage_servers import seaweedfs as seaweedfs


@pytest.fixture
def bucket(seaweedfs: SeaweedFS) -> str:
    """A new, empty bucket."""
    return seaweedfs.make_bucket(f"test-{secrets.token_hex(6)}")


@pytest.fixture(scope="session")
def fsspec_thread() -> None:
    """fsspec keeps one thread for as long as the process lives; it is started before a test is watched."""
    fsspec.asyn.get_loop()
