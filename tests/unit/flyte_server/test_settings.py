"""Settings from arguments, variables and defaults."""

import sys
from pathlib import Path

import pytest

from flyte_server.readings import SettingsError
from flyte_server.settings import Settings


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


def test_the_grace_of_tasks_is_ten_seconds_unless_it_is_set(tmp_path: Path) -> None:
    def grace(**variables: str) -> float:
        return Settings.from_environment(home=str(tmp_path), environment=variables).grace_seconds

    assert grace() == 10
    assert grace(FLYTE_SERVER_GRACE_SECONDS="0") == 0
    assert grace(FLYTE_SERVER_GRACE_SECONDS="2.5") == 2.5


def test_a_lease_is_ten_seconds_unless_it_is_set(tmp_path: Path) -> None:
    def lease(**variables: str) -> float:
        return Settings.from_environment(home=str(tmp_path), environment=variables).lease_seconds

    assert lease() == 10
    assert lease(FLYTE_SERVER_LEASE_SECONDS="1.5") == 1.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLYTE_SERVER_SLOTS", "many"),
        ("FLYTE_SERVER_SLOTS", "0"),
        ("FLYTE_SERVER_SLOTS", "-1"),
        ("FLYTE_SERVER_LOG_LEVEL", "LOUD"),
        ("FLYTE_SERVER_GRACE_SECONDS", "soon"),
        ("FLYTE_SERVER_GRACE_SECONDS", "-1"),
        ("FLYTE_SERVER_GRACE_SECONDS", "inf"),
        ("FLYTE_SERVER_GRACE_SECONDS", "nan"),
        ("FLYTE_SERVER_LEASE_SECONDS", "0.2"),
        ("FLYTE_SERVER_LEASE_SECONDS", "long"),
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


def test_how_long_and_how_much_is_kept() -> None:
    def kept(**variables: str) -> tuple[float, int | None]:
        settings = Settings.from_environment(environment=variables)
        return settings.keep_days, settings.keep_bytes

    assert kept() == (30.0, None)
    assert kept(FLYTE_SERVER_KEEP_DAYS="0.5", FLYTE_SERVER_KEEP_GB="1.5") == (0.5, 1_500_000_000)
    assert kept(FLYTE_SERVER_KEEP_DAYS="0", FLYTE_SERVER_KEEP_GB="0") == (0.0, 0)
    for text in ("-1", "nan", "inf", "a week"):
        with pytest.raises(SettingsError, match=r"FLYTE_SERVER_KEEP_GB=.*or 0 for no limit"):
            kept(FLYTE_SERVER_KEEP_GB=text)


def test_how_much_environments_may_occupy() -> None:
    def occupied(**variables: str) -> int:
        return Settings.from_environment(environment=variables).environments_bytes

    assert occupied() == 20_000_000_000
    assert occupied(FLYTE_SERVER_ENVIRONMENTS_GB="0.5") == 500_000_000
    assert occupied(FLYTE_SERVER_ENVIRONMENTS_GB="0") == 0
    with pytest.raises(SettingsError, match=r"FLYTE_SERVER_ENVIRONMENTS_GB='much'"):
        occupied(FLYTE_SERVER_ENVIRONMENTS_GB="much")


def test_everybody_is_asked_unless_the_user_says_otherwise() -> None:
    assert Settings(home=Path("/h")).auth == "token"
    assert Settings.from_environment(environment={}).auth == "token"
    none = {"FLYTE_SERVER_AUTH": " None "}
    assert Settings.from_environment(environment=none).auth == "none"
    assert Settings.from_environment(auth="token", environment=none).auth == "token"
    with pytest.raises(SettingsError, match=r"FLYTE_SERVER_AUTH='off'.*write token"):
        Settings.from_environment(environment={"FLYTE_SERVER_AUTH": "off"})


def test_certificate_and_key_belong_together() -> None:
    files = {"FLYTE_SERVER_TLS_CERT": "/c.pem", "FLYTE_SERVER_TLS_KEY": "/k.pem"}
    settings = Settings.from_environment(environment=files)
    assert settings.tls is not None
    assert settings.endpoint == "https://127.0.0.1:8090"
    with pytest.raises(SettingsError, match="set both"):
        Settings.from_environment(environment={"FLYTE_SERVER_TLS_CERT": "/c.pem"})


@pytest.mark.parametrize(
    ("host", "is_exposed"),
    [
        ("127.0.0.1", False),
        ("127.8.0.1", False),
        ("localhost", False),
        ("::1", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.0.7", True),
        ("flyte.example", True),
    ],
)
def test_whether_other_machines_can_connect(host: str, is_exposed: bool) -> None:
    assert Settings(home=Path("/h"), host=host).exposed is is_exposed
