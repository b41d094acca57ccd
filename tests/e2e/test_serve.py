"""`flyte serve --local`: an app beside a control plane, until Ctrl-C."""

import signal
import subprocess
import urllib.error
import urllib.request

import pytest
from tests.e2e.plane import FLYTE, PROGRAMS, Plane, flyte, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def answer(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://localhost:{port}", timeout=5) as got:
            return got.read().decode()
    except urllib.error.URLError:
        return ""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_app_serves_what_a_run_has_left(
    plane: Plane, monkeypatch: pytest.MonkeyPatch, ending: signal.Signals
) -> None:
    port = free_port()
    monkeypatch.setenv("SHOP_PORT", str(port))
    early = flyte("serve", "--local", "serving.py", "shop", expect=1)
    assert "no run of task training.fit has succeeded" in early.stderr
    assert plane.run("serving.py", "fit", "--weight", "3.5").phase == "succeeded"

    command = [str(FLYTE), "serve", "--local", "serving.py", "shop"]
    with subprocess.Popen(command, cwd=PROGRAMS, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        first = served.stdout.readline()
        assert first == f"app shop is served at http://localhost:{port}; Ctrl-C ends it\n"
        assert answer(port) == "model 3.5: 3.5"
        served.send_signal(ending)
        printed, _ = served.communicate(timeout=20)
    assert served.returncode == 0
    assert printed == "app shop was ended\n"
    assert answer(port) == ""


def test_deploying_an_app_is_refused(plane: Plane) -> None:
    done = flyte("deploy", "serving.py", "shop", expect=None)
    assert done.returncode != 0
    assert "shop" in done.stderr
    assert "Traceback" not in done.stderr
