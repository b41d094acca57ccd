"""What reaches obstore, from settings and from the environment."""

from datetime import timedelta
from pathlib import Path

import pytest

from flyte import errors
from flyte.storage import ABFS, GCS, S3, Storage, get_configured_fsspec_kwargs
from flyte.storage._config import kinds


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def config(scheme: str, settings: kinds.Settings) -> dict[str, str]:
    return dict(kinds.profile(scheme, settings).config)


def test_flyte_variables_win_over_those_of_amazons_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://theirs")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "theirs")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "theirs")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert S3.auto() == S3(
        endpoint="https://theirs",
        access_key_id="theirs",
        secret_access_key="theirs",
        region="eu-west-1",
    )
    monkeypatch.setenv("FLYTE_AWS_ENDPOINT", "https://ours")
    monkeypatch.setenv("FLYTE_AWS_ACCESS_KEY_ID", "ours")
    monkeypatch.setenv("FLYTE_AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("FLYTE_AWS_RETRIES", "7")
    monkeypatch.setenv("FLYTE_STORAGE_BACKOFF_SECONDS", "0.5")
    found = S3.auto(region="us-east-1")
    assert (found.endpoint, found.access_key_id, found.secret_access_key, found.region) == (
        "https://ours",
        "ours",
        "secret",
        "us-east-1",
    )
    assert (found.retries, found.backoff) == (7, timedelta(seconds=0.5))
    assert config("s3", None)["endpoint"] == "https://ours"


def test_a_token_goes_with_its_own_credentials_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "theirs")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "theirs")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "theirs")
    assert "session_token" not in config("s3", None)
    ours = S3(access_key_id="ours", secret_access_key="ours")
    assert config("s3", ours)["session_token"] == ""


def test_a_profile_of_amazons_tools_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[work]\naws_access_key_id = k\naws_secret_access_key = s\naws_session_token = t\n"
    )
    (tmp_path / ".aws" / "config").write_text("[profile work]\nregion = eu-north-1\n")
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert config("s3", None) == {
        "access_key_id": "k",
        "secret_access_key": "s",
        "session_token": "t",
        "region": "eu-north-1",
    }


def test_a_store_of_ones_own_is_asked_unsigned_before_the_machine_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert config("s3", S3(endpoint="http://localhost:9000"))["skip_signature"] == "true"
    assert config("s3", None) == {}, "a machine of Amazon's may have a role"
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(errors.StorageAccessError, match="set AWS_ACCESS_KEY_ID"):
        kinds.profile("s3", None)


def test_words_win_and_go_where_they_belong() -> None:
    profile = kinds.profile(
        "s3",
        {
            "endpoint": "http://localhost:1",
            "access_key_id": "a",
            "secret_access_key": "b",
            "addressing_style": "virtual",
            "retries": "1",
            "backoff": 2,
            "timeout": "3s",
            "server_side_encryption": "AES256",
        },
    )
    made = profile.fsspec_kwargs()
    assert made["client_options"] == {"timeout": "3s", "allow_http": True}
    assert made["config"]["virtual_hosted_style_request"] == "true"
    assert made["config"]["server_side_encryption"] == "AES256"
    assert made["retry_config"]["max_retries"] == 1
    assert made["retry_config"]["backoff"]["max_backoff"] == timedelta(seconds=2)
    assert "secret" not in repr(profile)


def test_settings_of_another_kind_say_only_how_patiently() -> None:
    found = kinds.for_scheme("gs", S3(retries=9, access_key_id="a"))
    assert found == GCS(retries=9)


def test_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "theirs")
    monkeypatch.setenv("FLYTE_AZURE_STORAGE_ACCOUNT_NAME", "ours")
    monkeypatch.setenv("AZURE_CLIENT_ID", "c")
    assert ABFS.auto() == ABFS(account_name="ours", client_id="c")
    assert config("abfss", None) == {"account_name": "ours", "client_id": "c"}


def test_arguments_for_fsspec() -> None:
    sandbox = S3.for_sandbox()
    made = sandbox.get_fsspec_kwargs(config={"region": "x"}, asynchronous=True)
    assert made["config"]["region"] == "x"
    assert made["asynchronous"] is True
    assert made["client_options"] == {"allow_http": True}
    assert sandbox.get_fsspec_kwargs(anonymous=True)["config"]["skip_signature"] == "true"
    assert get_configured_fsspec_kwargs("file") == {"auto_mkdir": True}
    assert get_configured_fsspec_kwargs("s3", anonymous=True)["config"]["skip_signature"] == "true"
    with pytest.raises(errors.StorageError, match="no store for quux"):
        get_configured_fsspec_kwargs("quux")


@pytest.mark.parametrize("words", [{"retries": "many"}, {"backoff": "soon"}])
def test_a_setting_that_is_no_number_is_named(words: dict[str, str]) -> None:
    with pytest.raises(errors.ConfigError, match="retries is a whole number"):
        kinds.profile("s3", words)


def test_secrets_are_not_shown() -> None:
    assert "hidden" not in repr(S3(secret_access_key="hidden"))
    assert "hidden" not in repr(ABFS(account_key="hidden", client_secret="hidden"))
    assert Storage.auto() == Storage()
