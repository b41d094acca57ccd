"""Each test of the SDK starts like a fresh process: with no session."""

from collections.abc import Iterator

import pytest

from flyte import _session


@pytest.fixture(autouse=True)
def no_session() -> Iterator[None]:
    """A command or `init` of one test must not be the control plane of the next one."""
    _session._cell.get().session = None
    yield
    _session._cell.get().session = None
