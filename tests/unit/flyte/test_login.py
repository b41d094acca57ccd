"""How to log in, as `flyte.init` and its relatives are told: by arguments, files and variables."""

import base64
import json
import logging
from pathlib import Path
from typing import Any

import pytest

import flyte
from flyte import _session, errors
from flyte._session import Session
from flyte.config import _api_key

OFFICIAL = base64.b64encode(b"flyte.example.com:nightly:s3:cret:acme").decode()


def own_key(endpoint: str = "http://127.0.0.1:8090", **more: str) -> str:
    told = {"endpoint": endpoint, "client_id": "nightly", "client_secret": "s3cret", **more}
    return "flyte1." + base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


@pytest.fixture(autouse=True)
def nothing_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts in an empty directory."""
    monkeypatch.chdir(tmp_path)


def session() -> Session:
    return _session.current()


def test_an_official_key_names_a_host() -> None:
    key = _api_key.parse("aG9zdDppZDpzZWNyZXQ6b3Jn", "api_key")
    assert (key.endpoint, key.client_id, key.client_secret, key.org) == (
        "https://host",
        "id",
        "secret",
        "org",
    )
    assert "secret" not in repr(key)


def test_our_key_names_any_address() -> None:
    text = own_key("https://flyte.example.com:8443", org="acme")
    key = _api_key.parse(f"  {text[:40]}\n{text[40:]} ", "api_key")
    assert (key.endpoint, key.org) == ("https://flyte.example.com:8443", "acme")


@pytest.mark.parametrize(
    "text",
    [
        "garbage",
        "flyte1.garbage",
        "flyte1.",
        OFFICIAL[:20],
        own_key()[:-20],
        "flyte1." + base64.urlsafe_b64encode(b"[1]").decode(),
        "flyte1." + base64.urlsafe_b64encode(b'{"endpoint": "h"}').decode(),
        own_key(client_secret=""),
        base64.b64encode(b"host::secret:org").decode(),
        "ключ",
    ],
)
def test_a_key_that_cannot_be_read_is_refused_and_not_told(text: str) -> None:
    with pytest.raises(errors.InitializationError, match="flyte create api-key NAME") as caught:
        flyte.init_from_api_key(text)
    assert text not in str(caught.value)
    assert not _session.initialized()


def test_a_key_says_where_and_who() -> None:
    flyte.init_from_api_key(OFFICIAL, project="weather")
    login = session().login
    assert session().endpoint == "https://flyte.example.com"
    assert session().org == "cret:acme", "the first three colons part"
    assert (login.kind, login.client_id, login.client_secret) == ("ClientSecret", "nightly", "s3")
    assert flyte.is_control_plane_available()


def test_the_name_of_the_host_stands_for_the_organisation() -> None:
    flyte.init(endpoint="dns:///acme.flyte.cloud:443")
    assert session().org == "acme"
    flyte.init(endpoint="https://acme.flyte.cloud", org="other")
    assert session().org == "other"
    for endpoint in (
        "http://127.0.0.1:1",
        "https://flyte.local",
        "http://[::1]:1",
        "local",
        "a:b:c",
    ):
        flyte.init(endpoint=endpoint)
        assert session().org is None


def test_init_from_api_key_reads_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.InitializationError, match="set FLYTE_API_KEY"):
        flyte.init_from_api_key()
    monkeypatch.setenv("FLYTE_API_KEY", own_key())
    flyte.init_from_api_key()
    assert session().endpoint == "http://127.0.0.1:8090"


@pytest.mark.parametrize(
    "endpoint", [None, "http://127.0.0.1:8090", "127.0.0.1:8090", "dns:///127.0.0.1:8090"]
)
def test_the_key_in_the_variable_serves_its_own_control_plane(
    monkeypatch: pytest.MonkeyPatch, endpoint: str | None
) -> None:
    monkeypatch.setenv("FLYTE_API_KEY", own_key())
    flyte.init(endpoint=endpoint)
    assert session().login.client_id == "nightly"
    assert session().endpoint == "http://127.0.0.1:8090"


@pytest.mark.parametrize("endpoint", ["local", "https://other.example.com", "http://127.0.0.1:1"])
def test_the_key_in_the_variable_is_not_told_to_others(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("FLYTE_API_KEY", own_key())
    flyte.init(endpoint=endpoint)
    assert session().login.client_secret is None
    assert session().endpoint == endpoint


def test_what_is_said_goes_before_the_key_in_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_API_KEY", own_key())
    flyte.init(endpoint="http://127.0.0.1:8090", command=["my-token"])
    assert session().login.kind == "ExternalCommand"
    assert session().login.client_id is None


def test_a_task_asks_as_itself_whatever_key_lies_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_API_KEY", own_key())
    monkeypatch.setenv("_U_EP_OVERRIDE", "127.0.0.1:9")
    monkeypatch.setenv("RUN_NAME", "r1")
    flyte.init()
    assert session().endpoint == "127.0.0.1:9"
    assert session().login.client_id is None


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, "Pkce"),
        ({"auth_type": "device-flow"}, "DeviceFlow"),
        ({"auth_type": "PASSTHROUGH"}, "Passthrough"),
        ({"client_id": "c", "client_credentials_secret": "s"}, "ClientSecret"),
        (
            {"auth_type": "client_secret", "client_id": "c", "client_credentials_secret": "s"},
            "ClientSecret",
        ),
        ({"command": ["x"]}, "ExternalCommand"),
        ({"auth_type": "custom", "command": ["x"]}, "ExternalCommand"),
    ],
)
def test_ways_to_log_in_however_they_are_written(given: dict[str, Any], kind: str) -> None:
    flyte.init(endpoint="https://h", **given)
    assert session().login.kind == kind


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"auth_type": "magic"}, "auth_type 'magic' is unknown; use Pkce"),
        ({"auth_type": "ClientSecret"}, "needs client_id and client_credentials_secret"),
        ({"client_credentials_secret": "s"}, "needs client_id and client_credentials_secret"),
        ({"auth_type": "ExternalCommand"}, "needs a command that prints a token"),
        ({"api_key": own_key(), "endpoint": "https://other"}, "is for http://127.0.0.1:8090, but"),
        ({"api_key": own_key(), "client_id": "c"}, "both given; give one of them"),
    ],
)
def test_contradictions_are_told(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(errors.InitializationError, match=sentence):
        flyte.init(**given)
    assert not _session.initialized()


def test_all_that_a_login_needs_arrives() -> None:
    flyte.init(
        endpoint="https://h",
        client_id="c",
        proxy_command=["proxy"],
        scopes=["a"],
        headless=True,
        disable_keyring=True,
        http_proxy_url="http://p:1",
        rpc_retries=7,
    )
    login = session().login
    assert (login.proxy_command, login.scopes, login.headless) == (("proxy",), ("a",), True)
    assert (login.use_keyring, login.asked_for) == (False, True)
    assert (session().http_proxy_url, session().rpc_retries) == ("http://p:1", 7)


def test_a_file_can_say_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "admin: {endpoint: 'https://h', authType: client-secret, clientId: c,\n"
        "  clientSecretEnvVar: MY_SECRET, scopes: [a], caCertFilePath: /ca.pem,\n"
        "  proxyCommand: [p], httpProxyURL: 'http://p:1', defaultRpcRetries: 5}\n"
    )
    with pytest.raises(errors.ConfigError, match="names the variable MY_SECRET, which is not set"):
        flyte.init_from_config(file)
    monkeypatch.setenv("MY_SECRET", "s")
    flyte.init_from_config(file)
    login = session().login
    assert (login.kind, login.client_id, login.client_secret) == ("ClientSecret", "c", "s")
    assert (login.scopes, login.proxy_command) == (("a",), ("p",))
    assert (session().ca_cert_file_path, session().rpc_retries) == ("/ca.pem", 5)


def test_in_a_cluster_the_variables_say_where(monkeypatch: pytest.MonkeyPatch) -> None:
    assert flyte.init_in_cluster() == {"insecure": False, "endpoint": "host.docker.internal:8090"}
    monkeypatch.setenv("_U_EP_OVERRIDE", "127.0.0.1:9999")
    monkeypatch.setenv("_U_INSECURE", "true")
    monkeypatch.setenv("_U_ORG_NAME", "acme")
    monkeypatch.setenv("FLYTE_INTERNAL_EXECUTION_PROJECT", "p")
    monkeypatch.setenv("FLYTE_INTERNAL_EXECUTION_DOMAIN", "d")
    assert flyte.init_in_cluster() == {"insecure": True, "endpoint": "127.0.0.1:9999"}
    assert (session().project, session().domain, session().org) == ("p", "d", "acme")
    assert flyte.init_in_cluster(project="mine", endpoint="127.0.0.1:1") == {
        "insecure": True,
        "endpoint": "127.0.0.1:1",
    }
    assert session().project == "mine"


def test_in_a_cluster_a_key_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_U_EP_OVERRIDE", "127.0.0.1:9999")
    assert flyte.init_in_cluster(api_key=OFFICIAL) == {"insecure": False, "api_key": OFFICIAL}
    assert session().endpoint == "https://flyte.example.com"
    monkeypatch.setenv("EAGER_API_KEY", own_key())
    assert flyte.init_in_cluster() == {"insecure": False, "api_key": own_key()}


def test_in_a_cluster_a_command_can_say_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_U_EP_OVERRIDE", "https://h:1")
    monkeypatch.setenv("FLYTE_AUTH_TYPE", "ExternalCommand")
    monkeypatch.setenv("FLYTE_AUTH_COMMAND", "mint --audience 'my flyte'")
    monkeypatch.setenv("FLYTE_AUTH_PROXY_COMMAND", '["a", "b c"]')
    monkeypatch.setenv("EAGER_API_KEY", own_key())
    flyte.init_in_cluster()
    assert session().login.command == ("mint", "--audience", "my flyte")
    assert session().login.proxy_command == ("a", "b c")
    monkeypatch.setenv("FLYTE_AUTH_COMMAND", "mint 'unclosed")
    with pytest.raises(errors.ConfigError, match="FLYTE_AUTH_COMMAND cannot be read"):
        flyte.init_in_cluster()


def test_in_a_cluster_a_file_can_say_who_asks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("admin: {endpoint: 'dns:///elsewhere', authType: DeviceFlow}\n")
    monkeypatch.setenv("UCTL_CONFIG", str(file))
    monkeypatch.setenv("_U_EP_OVERRIDE", "127.0.0.1:9999")
    where = flyte.init_in_cluster()
    assert where["auth_type"] == "DeviceFlow"
    assert where["endpoint"] == "127.0.0.1:9999"


async def test_initialization_can_be_awaited() -> None:
    assert await flyte.init_in_cluster.aio(endpoint="h:1") == {"insecure": False, "endpoint": "h:1"}
    assert await flyte.init_passthrough.aio("h:1") == {"endpoint": "h:1", "insecure": False}
    await flyte.init_from_api_key.aio(OFFICIAL)


def test_passing_on_is_for_one_block() -> None:
    assert flyte.init_passthrough("https://h", project="p") == {
        "endpoint": "https://h",
        "insecure": False,
    }
    assert session().login.kind == "Passthrough"
    with flyte.remote.auth_metadata(("Authorization", "Bearer a"), ("x-team", "t")):
        assert _session.metadata() == {"authorization": "Bearer a", "x-team": "t"}
        with flyte.remote.auth_metadata(("authorization", "Bearer b")):
            assert _session.metadata() == {"authorization": "Bearer b", "x-team": "t"}
    assert _session.metadata() == {}


def test_the_root_logger_can_be_taken_over() -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], logging.getLogger("flyte").level
    try:
        flyte.init(reset_root_logger=True, log_level=logging.ERROR)
        assert root.handlers != before
        assert logging.getLogger("flyte").level == logging.ERROR
    finally:
        root.handlers[:] = before
        logging.getLogger("flyte").setLevel(level)
