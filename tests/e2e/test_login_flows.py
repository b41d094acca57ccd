"""Our own client against our own control plane over TLS: a key, a browser, a device."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.secured import PATIENCE_SECONDS, Secured, outputs, serving

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    with serving(tmp_path, Path(sys.prefix)) as made:
        yield made


def test_a_program_with_a_key_runs_tasks(secured: Secured) -> None:
    client_id, secret = secured.key("run")
    way = {"auth_type": "ClientSecret", "client_id": client_id}
    status, said = secured.begin(**way, client_credentials_secret=secret).ended()
    assert status == 0, said
    assert outputs(said) == [14]

    status, said = secured.begin(**way, client_credentials_secret="wrong").ended()
    assert status != 0
    assert client_id in said or "key" in said


def test_a_person_logs_in_with_the_browser(secured: Secured) -> None:
    status, said = secured.begin(auth_type="Pkce").ended()
    assert status == 0, said
    assert outputs(said) == [14]


def test_a_person_lets_a_device_in(secured: Secured) -> None:
    program = secured.begin(auth_type="DeviceFlow")
    said = secured.let_devices_in(program)
    assert program.process.wait(timeout=PATIENCE_SECONDS) == 0, said
    assert outputs(said) == [14]
