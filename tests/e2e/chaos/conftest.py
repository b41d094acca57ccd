"""How hard it blows: a short storm by default, a long one with CHAOS=long; CHAOS_SEED repeats what was hit."""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e.chaos.books import Ledger
from tests.e2e.plane import Plane


@dataclass(frozen=True, slots=True)
class Strength:
    """One setting of the chaos tests."""

    runs: int
    branches: int
    width: int
    seconds: float
    """How long a leaf works."""
    faults: int
    gap_seconds: float
    lease_seconds: float
    away_seconds: float
    """How long the control plane is away under running actions."""
    parents: int
    """Of the crowd that runs meanwhile; ten actions each."""
    patience_seconds: float


SHORT = Strength(
    runs=3, branches=4, width=30, seconds=1.5, faults=24, gap_seconds=0.5, lease_seconds=2.0,
    away_seconds=25, parents=5, patience_seconds=100,
)  # fmt: skip
LONG = Strength(
    runs=5, branches=10, width=60, seconds=2.0, faults=200, gap_seconds=0.8, lease_seconds=10.0,
    away_seconds=600, parents=20, patience_seconds=3000,
)  # fmt: skip


@pytest.fixture
def strength() -> Strength:
    return LONG if os.environ.get("CHAOS") == "long" else SHORT


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("CHAOS_SEED") or secrets.randbelow(1_000_000))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def slots() -> int:
    """How many attempts may be alive at once."""
    return 256


@pytest.fixture
def plane(
    flyte_home: Path, strength: Strength, slots: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Plane]:
    """A control plane that forgives as many failures of the system as the test makes."""
    monkeypatch.setenv("FLYTE_SERVER_LEASE_SECONDS", str(strength.lease_seconds))
    monkeypatch.setenv("FLYTE_SERVER_SYSTEM_RETRIES", str(strength.faults + 3))
    monkeypatch.setenv("FLYTE_SERVER_SLOTS", str(slots))
    plane = Plane(flyte_home)
    plane.start()
    try:
        yield plane
    finally:
        plane.shut_down()
