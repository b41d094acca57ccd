"""A control plane for each test that asks for one; all that belongs to it ends with the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.plane import Marks, Plane


@pytest.fixture
def plane(flyte_home: Path) -> Iterator[Plane]:
    plane = Plane(flyte_home)
    plane.start()
    try:
        yield plane
    finally:
        plane.shut_down()


@pytest.fixture
def marks(tmp_path: Path) -> Marks:
    return Marks(tmp_path / "marks")
