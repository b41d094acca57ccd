"""Keys, tokens and TLS from the command line: our own clients come in by themselves, and nobody else does."""

import json
import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import trustme
from tests.e2e.plane import Plane, flyte, kill
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def status_of(endpoint: str, token: str | None = None) -> int:
    """What somebody gets who knows the address, and perhaps a token."""
    headers = {"content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    url = f"{endpoint}/flyteidl2.workflow.RunService/ListRuns"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, b"{}", headers)) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code


def listed(*arguments: str) -> list[dict[str, str]]:
    return json.loads(flyte("-of", "json", *arguments).stdout)


def test_a_server_that_was_just_started_is_closed_and_our_own_commands_work(plane: Plane) -> None:
    endpoint = f"http://127.0.0.1:{plane.port}"
    assert status_of(endpoint) == 401
    assert status_of(endpoint, "guessed") == 401
    assert status_of(endpoint, (plane.home / "token").read_text()) == 200
    ended = plane.run("guarded.py", "main", "--n", "4")
    assert ended.status == 0, ended
    assert "came in with ***" in flyte("get", "logs", ended.run).stdout
    token_name = b"eyJ"
    left = [
        path
        for path in plane.home.rglob("*")
        if path.is_file() and path.name != "token" and token_name in path.read_bytes()
    ]
    assert left == [], "tokens of tasks lie in files"


def test_a_key_is_made_used_and_revoked(
    plane: Plane, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = flyte("create", "api-key", "nightly", "--role", "view", "--expires", "30d")
    key = made.stdout.strip()
    assert key.startswith("flyte1.")
    assert [each["name"] for each in listed("get", "api-key")] == ["nightly"]
    assert "nightly" in flyte("get", "api-key").stdout
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("FLYTE_HOME", str(tmp_path / "elsewhere"))
        elsewhere.setenv("FLYTE_API_KEY", key)
        who = json.loads(flyte("-of", "json", "whoami").stdout)
        assert who["subject"] == "key:nightly"
        flyte("get", "run")
        refused = flyte("create", "secret", "s", "--value", "v", "--project", "p", expect=None)
        assert refused.returncode != 0
        assert "nightly" in refused.stderr
        assert "admin" in refused.stderr
    assert flyte("delete", "api-key", "nightly").returncode == 0
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("FLYTE_HOME", str(tmp_path / "elsewhere"))
        elsewhere.setenv("FLYTE_API_KEY", key)
        wait_until(lambda: flyte("get", "run", expect=None).returncode != 0)
    assert listed("get", "api-key") == []
    log = listed("get", "audit", "--since", "1h")
    assert [(each["method"].rpartition(".")[2], each["outcome"]) for each in log][::-1] == [
        ("KeyService/Create", "ok"),
        ("SecretService/CreateSecret", "permission_denied"),
        ("KeyService/Revoke", "ok"),
    ]
    assert "permission_denied" in flyte("get", "audit", "--who", "key:nightly").stdout
    assert len(listed("get", "audit", "--limit", "1")) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("create", "api-key", "x"), "--role"),
        (("create", "api-key", "x", "--role", "god"), "god"),
        (("create", "api-key", "x", "--role", "run", "--expires", "soon"), "30d"),
        (("create", "api-key", "a b", "--role", "run"), "cannot be called"),
        (("delete", "api-key", "none"), "no API key 'none'"),
        (("get", "audit", "--since", "yesterday"), "2h"),
    ],
)
def test_wrong_words_are_named(plane: Plane, words: tuple[str, ...], says: str) -> None:
    done = flyte(*words, expect=None)
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_with_tls_tasks_replicas_and_the_next_server_come_in(
    flyte_home: Path, tmp_path: Path
) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    (tmp_path / "cert.pem").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    words = [
        word
        for name in ("cert", "key", "ca")
        for word in (f"--tls-{name}", str(tmp_path / f"{name}.pem"))
    ]
    plane = Plane(flyte_home)
    flyte("start", "server", "--port", str(plane.port), *words)
    try:
        assert plane.run("guarded.py", "main", "--n", "2").status == 0
        first = plane.pid
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: (flyte_home / "server.json").exists() and plane.pid != first)
        record = json.loads((flyte_home / "server.json").read_text())
        assert record["endpoint"] == f"https://127.0.0.1:{plane.port}"
        assert plane.run("guarded.py", "main", "--n", "2").status == 0, "the pool was adopted"
    finally:
        plane.shut_down()


def test_asking_nobody_is_warned_of(flyte_home: Path) -> None:
    plane = Plane(flyte_home)
    done = flyte("start", "server", "--port", str(plane.port), "--auth", "none")
    try:
        assert "may read, run and delete everything" in done.stderr
        assert status_of(f"http://127.0.0.1:{plane.port}") == 200
        kill(plane.pid)
        wait_until(lambda: json.loads(flyte("-of", "json", "whoami").stdout)["subject"])
        assert status_of(f"http://127.0.0.1:{plane.port}") == 200, "the choice outlives a crash"
    finally:
        plane.shut_down()


def test_an_address_that_others_reach_is_refused_with_the_next_step(flyte_home: Path) -> None:
    done = flyte("start", "server", "--port", "0", "--host", "0.0.0.0", expect=None)
    assert done.returncode != 0
    assert "--tls-cert" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_mine_are_those_that_i_started(
    plane: Plane, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended = plane.run("guarded.py", "child", "--x", "1")
    assert ended.run in flyte("get", "run", "--only-mine").stdout
    key = flyte("create", "api-key", "other", "--role", "view").stdout.strip()
    monkeypatch.setenv("FLYTE_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("FLYTE_API_KEY", key)
    assert ended.run in flyte("get", "run").stdout
    assert ended.run not in flyte("get", "run", "--only-mine").stdout
    monkeypatch.undo()
    monkeypatch.setenv("FLYTE_HOME", str(plane.home))
