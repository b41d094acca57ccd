import asyncio
import threading
from pathlib import Path
from typing import NoReturn

import pytest

import flyte
from flyte import _session, errors
from flyte._context import RawDataPath as RawData
from flyte._context import Scope, TaskContext, entered
from flyte._ids import ActionID
from flyte._runtime.local import LocalRuntime
from flyte._session import Session
from flyte.config import Config, PlatformConfig, TaskConfig


@pytest.fixture(autouse=True)
def nothing_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts in an empty directory."""
    monkeypatch.chdir(tmp_path)


def test_defaults_are_those_of_the_official_backend() -> None:
    assert not _session.initialized()
    assert flyte.current_project() == "flytesnacks"
    assert flyte.current_domain() == "development"
    assert _session.current().mode == "local"


def test_init_chooses_project_domain_and_mode() -> None:
    flyte.init(project="weather", domain="staging", endpoint="http://127.0.0.1:9")
    assert _session.initialized()
    assert (flyte.current_project(), flyte.current_domain()) == ("weather", "staging")
    assert _session.current().mode == "remote"
    assert _session.is_control_plane_available()


async def test_init_reaches_every_thread_and_task_of_the_process() -> None:
    await flyte.init.aio(project="weather")
    seen = [await asyncio.to_thread(flyte.current_project)]
    thread = threading.Thread(target=lambda: seen.append(flyte.current_project()))
    thread.start()
    thread.join()
    assert seen == ["weather", "weather"]


def test_init_starts_no_thread() -> None:
    before = threading.active_count()
    flyte.init(endpoint="local")
    assert threading.active_count() == before


def test_a_block_can_have_its_own_session() -> None:
    flyte.init(project="outer")
    with _session.using(Session(project="inner")):
        assert flyte.current_project() == "inner"
        flyte.init(project="inner too")
        assert flyte.current_project() == "inner too"
    assert flyte.current_project() == "outer"


def test_inside_a_task_its_own_project_counts() -> None:
    flyte.init(project="outer")
    task = TaskContext(
        action=ActionID(name="a0", run_name="r", project="of-task", domain="prod"),
        version="",
        raw_data_path=RawData(""),
        output_path="",
        run_base_dir="",
    )
    with entered(Scope(runtime=LocalRuntime(), task=task)):
        assert (flyte.current_project(), flyte.current_domain()) == ("of-task", "prod")


def test_a_task_process_knows_the_control_plane_that_started_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variables = {
        "_U_EP_OVERRIDE": "127.0.0.1:8090",
        "_U_INSECURE": "true",
        "RUN_NAME": "r1",
        "FLYTE_INTERNAL_EXECUTION_PROJECT": "p",
        "FLYTE_INTERNAL_EXECUTION_DOMAIN": "d",
        "_U_ORG_NAME": "local",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    flyte.init_from_config()  # what scripts do at their top, and what finds no endpoint here
    session = _session.current()
    assert (session.endpoint, session.insecure) == ("127.0.0.1:8090", True)
    assert (session.project, session.domain, session.org) == ("p", "d", "local")
    assert _session.current() is session, "one connection for the process"


def test_init_from_config_reads_the_file_and_arguments_win(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(
        "admin: {endpoint: 'dns:///host:1', insecure: true}\n"
        "task: {project: p, domain: d, org: o}\n"
        "image: {image_refs: {base: 'img:1'}}\n"
    )
    flyte.init_from_config(file, domain="other", images=("mine=img:2",), root_dir=tmp_path)
    session = _session.current()
    assert (session.endpoint, session.insecure) == ("dns:///host:1", True)
    assert (session.project, session.domain, session.org) == ("p", "other", "o")
    assert session.images == {"base": "img:1", "mine": "img:2"}
    assert session.root_dir == tmp_path
    assert session.source == file


def test_init_from_config_takes_a_config_and_looks_below_root_dir(tmp_path: Path) -> None:
    flyte.init_from_config(Config(PlatformConfig(endpoint="local"), TaskConfig(project="x")))
    assert _session.current().embedded
    assert flyte.current_project() == "x"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.yaml").write_text("task: {project: below}")
    flyte.init_from_config("c.yaml", root_dir=tmp_path / "sub")
    assert flyte.current_project() == "below"


def test_without_configuration_runs_are_local() -> None:
    flyte.init_from_config()
    assert _session.current().mode == "local"


@pytest.mark.parametrize("endpoint", ["local", "dns:///local", " Local "])
def test_names_of_the_embedded_control_plane(endpoint: str) -> None:
    assert Session(endpoint=endpoint).embedded


@pytest.mark.parametrize("endpoint", ["http://localhost:8090", "dns:///local.example.com", None])
def test_other_endpoints_are_not_the_embedded_one(endpoint: str | None) -> None:
    assert not Session(endpoint=endpoint).embedded


def test_bad_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(errors.InitializationError, match=r"root_dir .*nowhere is not a directory"):
        flyte.init(root_dir=tmp_path / "nowhere")
    with pytest.raises(errors.InitializationError, match="'base' must be written as name=address"):
        flyte.init_from_config(images=("base",))
    with pytest.raises(errors.InitializationError, match="image_registry is set, but images"):
        flyte.init(image_registry="ghcr.io/me")
    assert not _session.initialized()


async def test_a_remote_object_without_endpoint_says_what_to_call() -> None:
    with pytest.raises(errors.InitializationError, match=r"flyte\.init\(endpoint='local'\)"):
        await Session().control_plane()


async def test_an_unreadable_certificate_is_named(tmp_path: Path) -> None:
    session = Session(endpoint="https://host", ca_cert_file_path=str(tmp_path / "ca.pem"))
    with pytest.raises(errors.ConfigError, match=r"ca\.pem cannot be read"):
        await session.control_plane()


def test_attempts_that_share_a_process_have_sessions_of_their_own() -> None:
    def connect() -> NoReturn:
        raise AssertionError("nobody asked for a connection")

    def variables(run: str) -> dict[str, str]:
        return {
            "_U_EP_OVERRIDE": "127.0.0.1:8090",
            "RUN_NAME": run,
            "FLYTE_INTERNAL_EXECUTION_PROJECT": f"project of {run}",
        }

    assert not _session.initialized()
    with _session.of_attempt(variables("r1"), connect):
        assert _session.initialized()
        assert _session.current().project == "project of r1"
        flyte.init(project="chosen by r1", endpoint="elsewhere:1")
        assert _session.current().project == "chosen by r1"
    with _session.of_attempt(variables("r2"), connect):
        assert _session.current().project == "project of r2"
    assert not _session.initialized()
