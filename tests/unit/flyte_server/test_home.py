"""The data directory: who may use it, and what is remembered about the address."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flyte_server import home
from flyte_server.domain.errors import StoreUnusable
from flyte_server.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home.prepare(tmp_path / "home")
    return replace(Settings(home=tmp_path / "home"), port=4711)


def test_the_port_is_remembered_after_a_clean_stop(settings: Settings) -> None:
    assert home.last_port(settings.home) is None
    home.announce(settings, started_at="2026-01-01T00:00:00Z")
    assert json.loads(settings.announcement.read_text())["port"] == 4711

    home.withdraw(settings)

    assert not settings.announcement.exists()
    assert home.last_port(settings.home) == 4711


def test_a_damaged_memory_is_none(settings: Settings) -> None:
    (settings.home / "port").write_text("what?")
    assert home.last_port(settings.home) is None


def test_a_second_control_plane_is_refused_and_told_about_the_first(settings: Settings) -> None:
    with home.locked(settings):
        home.announce(settings, started_at="2026-01-01T00:00:00Z")
        with (
            pytest.raises(StoreUnusable, match=r"127\.0\.0\.1:4711.*flyte stop server"),
            home.locked(settings),
        ):
            pass


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable, match="FLYTE_HOME"):
        home.prepare(tmp_path / "file" / "home")
