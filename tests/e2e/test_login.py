"""Who asks, from the first command to the task's process: keys, TLS with an own authority, and what is refused."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.e2e.plane import FLYTE, PROGRAMS, Plane, flyte, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
def secured(flyte_home: Path, tmp_path: Path) -> Iterator[tuple[Plane, Path]]:
    """A control plane that speaks TLS, and the certificate of its authority."""
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    chain = b"".join(each.bytes() for each in leaf.cert_chain_pems)
    (tmp_path / "cert.pem").write_bytes(chain)
    plane = Plane(flyte_home, free_port())
    flyte(
        *("start", "server", "--port", str(plane.port), "--tls-ca", str(trusted)),
        *("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem")),
    )
    try:
        yield plane, trusted
    finally:
        plane.shut_down()


def elsewhere(
    tmp_path: Path, *arguments: str, key: str, expect: int = 0
) -> subprocess.CompletedProcess[str]:
    """A command of somebody who cannot read the control plane's directory, but has a key."""
    variables = {**os.environ, "FLYTE_HOME": str(tmp_path / "elsewhere"), "FLYTE_API_KEY": key}
    done = subprocess.run(
        [str(FLYTE), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROGRAMS,
        env=variables,
        timeout=60,
    )
    assert done.returncode == expect, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done


def new_key(role: str) -> str:
    made = flyte("-of", "json", "create", "api-key", role, "--role", role)
    return json.loads(made.stdout)["api_key"]


def test_over_tls_everything_works_for_the_owner_and_for_a_key(
    secured: tuple[Plane, Path], tmp_path: Path
) -> None:
    plane, trusted = secured
    assert plane.run("everything.py", "child", "--x", "3").outputs == {"o0": 7}
    key = new_key("run")
    unknown = elsewhere(tmp_path, "whoami", key=key, expect=5)
    assert "from an authority that this machine does not know" in unknown.stderr
    config = tmp_path / "trusting.yaml"
    config.write_text(f"admin:\n  caCertFilePath: {trusted}\n")
    who = elsewhere(tmp_path, "-c", str(config), "-of", "json", "whoami", key=key)
    assert json.loads(who.stdout)["subject"] == "key:run"
    # Bundle and inputs travel through signed links over the same TLS, children ask with the token of their attempt.
    run = elsewhere(tmp_path, "-c", str(config), "run", "everything.py", "main", key=key)
    assert "succeeded" in run.stderr + run.stdout


def test_a_key_that_may_only_look_cannot_run_and_a_revoked_one_cannot_look(
    plane: Plane, tmp_path: Path
) -> None:
    key = new_key("view")
    elsewhere(tmp_path, "get", "run", key=key)
    refused = elsewhere(tmp_path, "run", "everything.py", "main", key=key, expect=4)
    assert "permission_denied" in refused.stderr
    flyte("delete", "api-key", "view")
    revoked = elsewhere(tmp_path, "get", "run", key=key, expect=4)
    assert "was refused" in revoked.stderr
    assert "flyte create api-key" in revoked.stderr


def test_a_key_that_is_cut_off_is_told(plane: Plane, tmp_path: Path) -> None:
    cut = elsewhere(tmp_path, "get", "run", key=new_key("view")[:40], expect=1)
    assert "the API key in FLYTE_API_KEY cannot be read" in cut.stderr
    assert "Traceback" not in cut.stderr
