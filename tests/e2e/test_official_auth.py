"""The official client over TLS, with every way to log in that it has; its tasks show their own tokens."""

import socket
import urllib.error
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.secured import PATIENCE_SECONDS, Secured, outputs, serving

OFFICIAL = Path(__file__).resolve().parents[2] / ".venv-official"
HTTPS_PORT = 443

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.official_client,
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        not (OFFICIAL / "bin" / "flyte").exists(), reason="run `make official-client` first"
    ),
]


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    with serving(tmp_path, OFFICIAL) as made:
        yield made


def test_a_program_with_a_key_runs_tasks_until_it_is_revoked(secured: Secured) -> None:
    client_id, secret = secured.key("run")
    way = {"auth_type": "ClientSecret", "client_id": client_id}
    status, said = secured.begin(**way, client_credentials_secret=secret).ended()
    assert status == 0, said
    assert outputs(said) == [14]

    status, said = secured.begin(**way, client_credentials_secret="wrong").ended()
    assert status != 0
    assert "invalid_client" in said

    secured.keys("Revoke", name="of-run")
    status, said = secured.begin(**way, client_credentials_secret=secret).ended()
    assert status != 0
    assert "invalid_client" in said


def test_a_key_to_look_starts_nothing(secured: Secured) -> None:
    client_id, secret = secured.key("view")
    way = {"auth_type": "ClientSecret", "client_id": client_id}
    status, said = secured.begin(**way, client_credentials_secret=secret).ended()
    assert status != 0
    assert "of-view" in said
    assert "view in all projects" in said


def test_a_person_logs_in_with_the_browser(secured: Secured) -> None:
    status, said = secured.begin(auth_type="Pkce").ended()
    assert status == 0, said
    assert outputs(said) == [14]


def test_a_person_lets_a_device_in(secured: Secured) -> None:
    program = secured.begin(auth_type="DeviceFlow")
    said = secured.let_devices_in(program)  # once for its calls, and once for its streams
    assert program.process.wait(timeout=PATIENCE_SECONDS) == 0, said
    assert outputs(said) == [14]


def test_a_printed_key_is_enough(tmp_path: Path) -> None:
    """Its form has no room for a port: 443 is the only one."""
    try:
        socket.create_server(("127.0.0.1", HTTPS_PORT)).close()
    except OSError as error:
        pytest.skip(f"port {HTTPS_PORT} cannot be had here: {error}")
    with serving(tmp_path, OFFICIAL, port=HTTPS_PORT) as secured:
        client_id, secret = secured.key("run")
        key = b64encode(f"127.0.0.1:{client_id}:{secret}:".encode()).decode()
        status, said = secured.begin(key=key).ended()
        assert status == 0, said
        assert outputs(said) == [14]


def test_nobody_gets_in_without_a_token(secured: Secured) -> None:
    for token in ("", "wrong", "a.b.c"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            secured.call("flyteidl2.auth.IdentityService", "UserInfo", {}, token)
        assert refused.value.code == 401
        refused.value.close()
