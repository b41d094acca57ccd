"""Apps that are served on this machine: real processes, real ports."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import fastapi
import pytest
from tests.support import wait_until

import flyte
from flyte import errors
from flyte.app import AppEndpoint, AppEnvironment, ArtifactValue, Parameter, get_parameter
from flyte.app.extras import FastAPIAppEnvironment, FastAPIPassthroughAuthMiddleware
from flyte.io import Dir, File

PYTHON = sys.executable


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url: str, **headers: str) -> str:
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def files(port: int, **more: Any) -> AppEnvironment:
    command = [PYTHON, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    return AppEnvironment(name="files", command=command, port=port, **more)


def local(**choices: Any) -> Any:
    return flyte.with_servecontext(mode="local", **choices)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with something to serve."""
    (tmp_path / "hello.txt").write_text("hello")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_command_is_served_until_it_is_deactivated(folder: Path) -> None:
    app = local().serve(files(free_port())).activate(wait=True)
    assert isinstance(app, flyte.AppHandle)
    assert app.name == "files"
    assert app.is_active()
    assert not app.is_deactivated()
    assert get(f"{app.url}/hello.txt") == "hello"

    app.deactivate(wait=True)
    assert app.is_deactivated()
    assert not app.is_active()
    with pytest.raises(urllib.error.URLError):
        get(app.endpoint)

    with app.ephemeral_ctx_sync():
        assert get(f"{app.endpoint}/hello.txt") == "hello"
    assert app.is_deactivated()


async def test_in_a_coroutine(folder: Path) -> None:
    app = await local().serve.aio(files(free_port()))
    async with app.ephemeral_ctx():
        assert app.is_active()
    assert app.is_deactivated()


def test_without_a_control_plane_serve_is_local(folder: Path) -> None:
    app = flyte.serve(files(free_port()))
    app.activate(wait=True)
    app.deactivate()
    app.activate(wait=True)  # while the first process still ends
    assert get(f"{app.endpoint}/hello.txt") == "hello"
    app.deactivate()
    wait_until(app.is_deactivated)


def test_on_a_control_plane_it_is_refused() -> None:
    with pytest.raises(errors.DeploymentError, match="--local"):
        flyte.with_servecontext(mode="remote").serve(files(free_port()))
    with pytest.raises(errors.DefinitionError, match="dry_run"):
        local(dry_run=True)
    with pytest.raises(errors.DefinitionError, match="cloud"):
        flyte.with_servecontext(mode="cloud")  # type: ignore[arg-type]


def test_what_cannot_be_served_says_so() -> None:
    with pytest.raises(errors.DefinitionError, match="nothing to serve"):
        local().serve(AppEnvironment(name="empty"))
    with pytest.raises(errors.DefinitionError, match="AppEnvironment"):
        local().serve(flyte.TaskEnvironment("tasks"))  # type: ignore[arg-type]


def test_a_taken_port_names_who_has_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(errors.DeploymentError, match=rf"{port}.*process {os.getpid()}"):
            local().serve(files(port))


def test_an_app_that_ends_early_says_so() -> None:
    env = AppEnvironment(name="short", command=[PYTHON, "-c", "raise SystemExit(7)"])
    app = local().serve(env.clone_with("short", port=free_port()))
    with pytest.raises(errors.DeploymentError, match="status 7"):
        app.activate(wait=True)
    assert app.is_deactivated()


def test_an_app_that_does_not_answer_is_ended() -> None:
    silent = [PYTHON, "-c", "import signal; signal.pause()"]
    env = AppEnvironment(name="silent", command=silent, port=free_port())
    app = local(activate_timeout=0.5, health_check_interval=0.01).serve(env)
    with pytest.raises(errors.DeploymentError, match="does not answer"):
        app.activate(wait=True)
    assert app.is_deactivated()


def test_a_command_that_is_not_there_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    env = AppEnvironment(name="typo", command="no-such-command", port=free_port())
    app = local().serve(env)
    with pytest.raises(errors.DeploymentError, match="status 1"):
        app.activate(wait=True)
    assert "no-such-command" in capfd.readouterr().err


def test_an_app_that_will_not_end_is_killed(tmp_path: Path) -> None:
    port, program = free_port(), tmp_path / "stubborn.py"
    program.write_text(
        "import http.server, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "handler = http.server.SimpleHTTPRequestHandler\n"
        f"http.server.HTTPServer(('127.0.0.1', {port}), handler).serve_forever()\n"
    )
    env = AppEnvironment(name="stubborn", command=[PYTHON, str(program)], port=port)
    app = local(deactivate_timeout=0.5).serve(env).activate(wait=True)
    app.deactivate(wait=True)
    assert app.is_deactivated()
    wait_until(lambda: not _is_open(port))


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def api(port: int, marks: Path, **more: Any) -> FastAPIAppEnvironment:
    """An app that nobody can import: it goes to its process as a pickle."""
    app = fastapi.FastAPI()

    def told() -> dict[str, str]:
        return {
            "mode": flyte.app.ctx().mode,
            "project": flyte.app.ctx().project,
            "word": get_parameter("word"),
            "variable": os.environ.get("WORD", ""),
            "stage": os.environ.get("STAGE", ""),
        }

    app.get("/told")(told)
    env = FastAPIAppEnvironment(
        name="api",
        app=app,
        port=port,
        parameters=[Parameter(name="word", value="declared", env_var="WORD")],
        env_vars={"STAGE": "test"},
        **more,
    )

    @env.on_startup
    async def begin(word: str) -> None:
        (marks / "begun").write_text(word)

    @env.on_shutdown
    def end() -> None:
        (marks / "ended").write_text("")

    return env


def test_fastapi_is_served_with_parameters_variables_and_functions_around_it(
    tmp_path: Path,
) -> None:
    app = local(project="weather", health_check_path="/told").serve(api(free_port(), tmp_path))
    with app.ephemeral_ctx_sync():
        assert json.loads(get(f"{app.endpoint}/told")) == {
            "mode": "local",
            "project": "weather",
            "word": "declared",
            "variable": "declared",
            "stage": "test",
        }
        assert (tmp_path / "begun").read_text() == "declared"
        assert not (tmp_path / "ended").exists()
    assert (tmp_path / "ended").exists()
    assert "WORD" not in os.environ


def test_values_and_variables_may_be_given_when_it_is_served(tmp_path: Path) -> None:
    given = local(parameter_values={"api": {"word": "given"}}, env_vars={"STAGE": "now"})
    app = given.serve(api(free_port(), tmp_path))
    with app.ephemeral_ctx_sync():
        told = json.loads(get(f"{app.endpoint}/told"))
    assert (told["word"], told["variable"], told["stage"]) == ("given", "given", "now")


@pytest.mark.parametrize(
    ("parameter", "values", "message"),
    [
        (Parameter(name="m"), {}, "no value"),
        (Parameter(name="m", value="v"), {"n": "v"}, "no parameter 'n'"),
        (Parameter(name="m", value=AppEndpoint(app_name="other")), {}, "'other' is not served"),
        (Parameter(name="m", value=ArtifactValue(name="model")), {}, "no artifacts"),
    ],
)
def test_a_value_that_is_not_there_is_named(
    parameter: Parameter, values: dict[str, str], message: str
) -> None:
    env = files(free_port(), parameters=[parameter])
    with pytest.raises(errors.ParameterMaterializationError, match=message):
        local(parameter_values={"files": values}).serve(env)


MODULE_PORT = int(os.environ.get("SERVED_TEST_PORT", "0")) or free_port()
os.environ["SERVED_TEST_PORT"] = str(MODULE_PORT)  # the app's process imports this module again
module_env = AppEnvironment(name="in-module", port=MODULE_PORT)


@module_env.server
def module_server(model: str, data: str) -> None:
    """Serves the files that it was given."""
    program = f"{PYTHON} -m http.server --bind 127.0.0.1 {MODULE_PORT} --directory {data}"
    Path(data, "model.txt").write_text(Path(model).read_text())
    subprocess.run(program.split(), check=False)


def test_files_and_folders_of_this_machine_stay_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("3.5")
    (tmp_path / "data").mkdir()
    env = module_env
    env.parameters[:] = [
        Parameter(name="model", value=File.from_existing_remote(str(tmp_path / "weights"))),
        Parameter(name="data", value=Dir.from_existing_remote(str(tmp_path / "data"))),
    ]
    app = local().serve(env)
    with app.ephemeral_ctx_sync():
        assert get(f"{env.endpoint}/model.txt") == "3.5"


def test_apps_that_it_depends_on_are_served_first_and_end_with_it(
    folder: Path, tmp_path: Path
) -> None:
    below = files(free_port())
    env = api(free_port(), tmp_path, depends_on=[below])
    env.parameters[:] = [Parameter(name="word", value=AppEndpoint(app_name="files"))]
    app = local().serve(env)
    with app.ephemeral_ctx_sync():
        address = json.loads(get(f"{app.endpoint}/told"))["word"]
        assert address == f"http://localhost:{below.get_port().port}" == below.endpoint
        assert get(f"{address}/hello.txt") == "hello"
    wait_until(lambda: not _is_open(below.get_port().port))


def test_an_app_ends_with_the_process_that_serves_it(tmp_path: Path) -> None:
    port, program = free_port(), tmp_path / "program.py"
    program.write_text(
        "import os, signal, flyte, flyte.app\n"
        f"command = '{PYTHON} -m http.server --bind 127.0.0.1 {port}'\n"
        f"env = flyte.app.AppEnvironment(name='app', command=command, port={port})\n"
        "if __name__ == '__main__':\n"
        "    flyte.serve(env).activate(wait=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([PYTHON, str(program)], check=False)
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: not _is_open(port), timeout_seconds=10)


def test_the_login_of_a_request_is_passed_on() -> None:
    app = fastapi.FastAPI()
    app.add_middleware(FastAPIPassthroughAuthMiddleware, excluded_paths={"/health"})
    app.get("/health")(lambda: "well")
    app.get("/who")(lambda: "you")
    env = FastAPIAppEnvironment(name="guarded", app=app, port=free_port())
    served = local(health_check_path="/health").serve(env)
    with served.ephemeral_ctx_sync():
        assert get(f"{served.endpoint}/health") == '"well"'
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(f"{served.endpoint}/who")
        assert get(f"{served.endpoint}/who", Authorization="Bearer t") == '"you"'
