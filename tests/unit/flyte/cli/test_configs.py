"""`flyte create config` and `flyte get config`."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flyte import _session
from flyte.cli.main import main
from flyte.config import Config

Flyte = Callable[..., Result]
KEY = {"endpoint": "https://flyte.test:8443", "client_id": "c", "client_secret": "s3cret"}


@pytest.fixture
def flyte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flyte]:
    """The command line, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()

    def call(*arguments: str, **variables: str) -> Result:
        return runner.invoke(main, list(arguments), env=variables)

    yield call
    _session._cell.get().session = None


def shown(flyte: Flyte, *options: str, **variables: str) -> dict[str, Any]:
    done = flyte(*options, "-of", "json", "get", "config", **variables)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_all_that_is_chosen_is_written_and_read(flyte: Flyte, tmp_path: Path) -> None:
    done = flyte(
        *("create", "config", "--endpoint", "dns:///flyte.test", "--insecure", "--org", "o"),
        *("--project", "p: 1", "--domain", 'd"', "--auth-type", "device_flow"),
        *("--builder", "remote", "--local-persistence", "--local-tracked", "-o", "my.yaml"),
    )
    assert done.exit_code == 0, done.output
    read = Config.auto(tmp_path / "my.yaml")
    assert (read.platform.endpoint, read.platform.insecure) == ("dns:///flyte.test", True)
    assert read.platform.auth_mode == "DeviceFlow"
    assert (read.task.org, read.task.project, read.task.domain) == ("o", "p: 1", 'd"')
    assert read.image.builder == "remote"
    assert (read.local.persistence, read.local.tracked) == (True, True)
    document = shown(flyte, "-c", "my.yaml")
    assert document["auth_type"] == "DeviceFlow"
    assert document["local_tracked"] is True


def test_the_least_configuration_means_this_machine(flyte: Flyte, tmp_path: Path) -> None:
    assert flyte("create", "config").exit_code == 0
    written = (tmp_path / ".flyte" / "config.yaml").read_text()
    assert written == 'admin:\n  endpoint: "local"\nimage:\n  builder: "local"\n'


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (("--devbox",), "needs no container"),
        (("--registry", "ghcr.io/me"), "pushed to no registry"),
        (("--auth-type", "magic"), "magic"),
        (("--builder", "docker"), "docker"),
    ],
)
def test_what_this_version_does_not_have_is_refused(
    flyte: Flyte, tmp_path: Path, option: tuple[str, ...], sentence: str
) -> None:
    done = flyte("create", "config", *option)
    assert done.exit_code == 2
    assert sentence in " ".join(done.stderr.split())
    assert not (tmp_path / ".flyte").exists()


def test_without_a_file_the_key_in_the_variable_says_where(flyte: Flyte) -> None:
    key = "flyte1." + base64.urlsafe_b64encode(json.dumps(KEY).encode()).decode()
    document = shown(flyte, FLYTE_API_KEY=key)
    assert document["endpoint"] == "https://flyte.test:8443"
    assert document["auth_type"] == "ClientSecret (FLYTE_API_KEY)"
    assert "s3cret" not in json.dumps(document)
    assert shown(flyte, "--endpoint", "local", FLYTE_API_KEY=key)["endpoint"] == "local"
    broken = flyte("get", "config", FLYTE_API_KEY=key[:30])
    assert broken.exit_code == 1
    assert "cannot be read" in broken.stderr


def test_root_options_lie_over_the_file(flyte: Flyte) -> None:
    document = shown(
        flyte, "--endpoint", "https://h", "--auth-type", "app_credential", "--org", "o"
    )
    assert (document["endpoint"], document["org"]) == ("https://h", "o")
    assert document["auth_type"] == "ClientSecret"
