"""Settings from arguments, variables and defaults."""

import sys
from pathlib import Path

import pytest

from flyte_server.settings import Settings, SettingsError


def test_an_argument_is_above_a_variable_and_a_variable_above_the_default(tmp_path: Path) -> None:
    variables = {"FLYTE_HOME": str(tmp_path / "variable"), "HOME": str(tmp_path)}
    given = Settings.from_environment(home=str(tmp_path / "argument"), environment=variables)
    assert given.home == tmp_path / "argument"
    assert Settings.from_environment(environment=variables).home == tmp_path / "variable"
    assert Settings.from_environment(environment={}).home.name == ".flyte"


def test_variables_choose_slots_and_the_environment_of_tasks(tmp_path: Path) -> None:
    variables = {"FLYTE_SERVER_SLOTS": "7", "FLYTE_TASK_PREFIX": "/opt/venv"}
    settings = Settings.from_environment(home=str(tmp_path), environment=variables)
    assert settings.slots == 7
    assert settings.task_prefix == Path("/opt/venv")
    plain = Settings.from_environment(home=str(tmp_path), environment={})
    assert plain.slots is None
    assert plain.task_prefix == Path(sys.prefix)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLYTE_SERVER_SLOTS", "many"),
        ("FLYTE_SERVER_SLOTS", "0"),
        ("FLYTE_SERVER_SLOTS", "-1"),
        ("FLYTE_SERVER_LOG_LEVEL", "LOUD"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as refused:
        Settings.from_environment(environment={name: value})
    assert value in str(refused.value)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1:8090"),
        ("localhost", "127.0.0.1:8090"),
        ("0.0.0.0", "127.0.0.1:8090"),
        ("::1", "[::1]:8090"),
        ("::", "[::1]:8090"),
        ("192.168.1.5", "192.168.1.5:8090"),
    ],
)
def test_tasks_are_given_an_address_that_they_can_reach(host: str, address: str) -> None:
    assert Settings(home=Path("/h"), host=host).address == address
