"""Logins of container registries as secrets: given, from Docker's file, from a helper program."""

import base64
import json
from pathlib import Path

import click
import pytest

from flyte.cli.nouns.scopes import registries


def encoded(login: str) -> str:
    return base64.b64encode(login.encode()).decode()


def config(folder: Path, **entries: object) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps(entries))
    return file


def test_a_login_that_is_given() -> None:
    made = json.loads(registries.from_login("ghcr.io", "ada", "pw:1"))
    assert made == {"auths": {"ghcr.io": {"auth": encoded("ada:pw:1")}}}


def test_logins_of_dockers_file_all_or_some(tmp_path: Path) -> None:
    file = config(
        tmp_path,
        auths={"ghcr.io": {"auth": encoded("a:1")}, "quay.io": {"auth": encoded("b:2")}},
    )
    assert sorted(json.loads(registries.from_docker_config(file, []))["auths"]) == [
        "ghcr.io",
        "quay.io",
    ]
    assert list(json.loads(registries.from_docker_config(file, ["quay.io"]))["auths"]) == [
        "quay.io"
    ]


def test_a_helper_program_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = tmp_path / "docker-credential-mine"
    helper.write_text(
        "#!/bin/sh\nread registry\n"
        'if [ "$registry" = ghcr.io ]; then echo \'{"Username": "ada", "Secret": "pw"}\'; else exit 1; fi\n'
    )
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    file = config(tmp_path, auths={"ghcr.io": {}}, credsStore="mine")
    made = json.loads(registries.from_docker_config(file, []))
    assert made["auths"]["ghcr.io"]["auth"] == encoded("ada:pw")
    with pytest.raises(click.UsageError, match=r"no login of quay\.io"):
        registries.from_docker_config(file, ["quay.io"])
    missing = config(tmp_path, auths={"ghcr.io": {}}, credsStore="nobody")
    with pytest.raises(click.UsageError, match="docker-credential-nobody"):
        registries.from_docker_config(missing, [])


def test_a_file_that_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="docker login"):
        registries.from_docker_config(tmp_path / "none.json", [])
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(click.UsageError, match="cannot be read"):
        registries.from_docker_config(tmp_path / "config.json", [])
    with pytest.raises(click.UsageError, match="has no logins"):
        registries.from_docker_config(config(tmp_path), [])
