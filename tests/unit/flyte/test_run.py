import asyncio
import base64
import hashlib
import io
import os
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flyteidl2.common import identifier_pb2, run_pb2
from flyteidl2.dataproxy import dataproxy_service_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2
from tests.fakes.remote_plane import FakePlane, attached, gone

import flyte
from flyte import _session, errors
from flyte._phases import ActionPhase
from flyte._session import Address, Session
from flyte.remote import Run
from flyte.remote._local import LocalRun

env = flyte.TaskEnvironment(name="test_run")


class Score(NamedTuple):
    accuracy: float
    rows: int


@env.task
async def half(n: int, base: float = 0.0) -> float:
    """Half of a number."""
    return base + n / 2


@env.task
def score(n: int) -> Score:
    return Score(n / 10, n)


@env.task
def thread_name() -> str:
    return threading.current_thread().name


@env.task
async def loop_id() -> int:
    return id(asyncio.get_running_loop())


@env.task
def broken() -> None:
    raise ValueError("no rows")


@env.task
def variable(name: str) -> str:
    return os.environ.get(name, "")


@env.task
def surroundings() -> tuple[str, str, str]:
    task = flyte.ctx()
    assert task is not None
    return task.action.run_name or "", task.action.project or "", task.custom_context["who"]


class TestLocal:
    def test_a_finished_run_has_the_methods_of_a_remote_one(self) -> None:
        run = flyte.run(half, n=75)
        assert isinstance(run, LocalRun)
        run.wait()
        assert run.done()
        assert run.phase is ActionPhase.SUCCEEDED
        assert repr(run.outputs()) == "ActionOutputs(o0=37.5)"
        assert dict(run.inputs()) == {"n": 75, "base": 0.0}
        assert run.sync() is run
        run.raise_for_status()
        assert run.first_failure() is None
        assert run.url == ""

    async def test_and_their_asynchronous_forms(self) -> None:
        run = await flyte.run.aio(half, 75)
        await run.wait.aio()
        assert await run.outputs.aio() == (37.5,)

    def test_declared_names_of_outputs_are_kept(self) -> None:
        assert repr(flyte.run(score, 9).outputs()) == "ActionOutputs(accuracy=0.9, rows=9)"

    def test_the_task_runs_in_the_callers_thread(self) -> None:
        assert flyte.run(thread_name).outputs().o0 == threading.current_thread().name

    async def test_an_awaited_task_runs_on_the_callers_loop(self) -> None:
        run = await flyte.run.aio(loop_id)
        assert run.outputs().o0 == id(asyncio.get_running_loop())

    async def test_a_blocking_run_inside_a_loop_works_as_in_a_notebook(self) -> None:
        assert flyte.run(half, 2).outputs().o0 == 1.0

    def test_a_failure_is_raised_at_once_with_its_cause(self) -> None:
        with pytest.raises(errors.RuntimeUserError, match="no rows") as raised:
            flyte.run(broken)
        assert raised.value.code == "ValueError"
        assert isinstance(raised.value.__cause__, ValueError)

    def test_options_reach_the_task(self) -> None:
        runner = flyte.with_runcontext(
            name="mine", project="q", env_vars={"COLOUR": "blue"}, custom_context={"who": "me"}
        )
        run = runner.run(surroundings)
        assert run.outputs() == ("mine", "q", "me")
        assert run.name == "mine"
        assert runner.run(variable, "COLOUR").outputs().o0 == "blue"
        assert "COLOUR" not in os.environ

    def test_mode_local_wins_over_a_configured_endpoint(self) -> None:
        with _session.using(Session(endpoint="http://127.0.0.1:9")):
            assert flyte.with_runcontext(mode="local").run(half, 2).outputs().o0 == 1.0


class TestBadInput:
    def test_wrong_arguments_are_named(self) -> None:
        with pytest.raises(errors.TaskInputError, match=r"task 'test_run\.half'.*'n'"):
            flyte.run(half)
        with pytest.raises(errors.TaskInputError, match="no input 'm'"):
            flyte.run(half, n=1, m=2)

    def test_only_tasks_can_be_run(self) -> None:
        with pytest.raises(errors.DefinitionError, match=r"decorate the function with @env\.task"):
            flyte.run(print)

    @pytest.mark.parametrize(
        ("options", "what"),
        [
            ({"mode": "hybrid"}, "mode='hybrid'.*'local', 'remote'"),
            ({"copy_style": "some"}, "copy_style='some'"),
            ({"copy_style": "none"}, "pass version="),
            ({"env_vars": {"N": 1}}, r"env_vars\['N'\]=1.*a string, such as '1'"),
            ({"interactive_mode": True}, "interactive_mode=True.*not supported"),
        ],
    )
    def test_options_are_checked(self, options: dict[str, Any], what: str) -> None:
        with pytest.raises(errors.DefinitionError, match=what):
            flyte.with_runcontext(**options)

    def test_a_remote_run_without_endpoint_says_what_to_call(self) -> None:
        with pytest.raises(errors.InitializationError, match=r"flyte\.init\(endpoint='local'\)"):
            flyte.with_runcontext(mode="remote").run(half, 1)


class Uploads:
    """What was PUT to the signed address; it lands in a file, as on the embedded control plane."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.sent: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    uploads = Uploads(tmp_path / "bundle.tar.gz")

    class Put(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            uploads.sent.append(data)
            uploads.headers.append({k.lower(): v for k, v in self.headers.items()})
            uploads.target.write_bytes(data)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Put) as listening:
        uploads.url = f"http://127.0.0.1:{listening.server_address[1]}/put?signature=s"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield uploads
        listening.shutdown()
        thread.join()


@pytest.fixture
def plane(uploads: Uploads) -> Iterator[FakePlane]:
    plane = FakePlane()
    plane.answer(
        "create_upload_location",
        dataproxy_service_pb2.CreateUploadLocationResponse(
            signed_url=uploads.url,
            native_url=str(uploads.target),
            headers={"x": "y"},
        ),
    )
    offloaded = run_pb2.OffloadedInputData(uri="/data/in", inputs_hash="h")
    plane.answer(
        "upload_inputs",
        dataproxy_service_pb2.UploadInputsResponse(offloaded_input_data=offloaded),
    )
    run_id = identifier_pb2.RunIdentifier(project="p", domain="d", name="r1")
    action = run_definition_pb2.Action(id=identifier_pb2.ActionIdentifier(run=run_id, name="a0"))
    created = run_service_pb2.CreateRunResponse(run=run_definition_pb2.Run(action=action))
    plane.answer("create_run", created)
    with _session.using(attached(plane, root_dir=Path(__file__).parents[3])):
        yield plane


def environment(request: run_service_pb2.CreateRunRequest) -> dict[str, str]:
    return {pair.key: pair.value for pair in request.run_spec.envs.values}


class TestRemote:
    def test_a_run_is_code_inputs_and_one_request(self, plane: FakePlane, uploads: Uploads) -> None:
        run = flyte.run(half, 75)
        assert isinstance(run, Run)
        assert run.name == "r1"
        assert run.interface is half.interface
        (inputs,) = plane.requests("upload_inputs")
        assert [each.name for each in inputs.inputs.literals] == ["n", "base"]
        (created,) = plane.requests("create_run")
        assert (created.run_id.project, created.run_id.domain) == ("p", "d")
        assert created.offloaded_input_data.uri == "/data/in"
        template = created.task_spec.task_template
        assert template.id.name == "test_run.half"
        args = list(template.container.args)
        assert args[args.index("--tgz") + 1].endswith("bundle.tar.gz")
        with tarfile.open(fileobj=io.BytesIO(uploads.sent[0])) as archive:
            assert "tests/unit/flyte/test_run.py" in archive.getnames()
        digest = base64.b64encode(hashlib.md5(uploads.sent[0]).digest()).decode()
        assert uploads.headers[0]["content-md5"] == digest
        assert uploads.headers[0]["x"] == "y", "headers that the control plane asked for"
        (location,) = plane.requests("create_upload_location")
        assert location.filename == f"fast{template.id.version}.tar.gz"

    def test_a_request_whose_answer_was_lost_makes_no_second_run(self, plane: FakePlane) -> None:
        plane.answers["create_run"].clear()
        plane.answer("create_run", errors.UnionRpcError("already_exists", "there is such a run"))
        details = run_service_pb2.GetRunDetailsResponse()
        details.details.action.id.run.name = "r1"
        details.details.action.id.name = "a0"
        plane.answer("get_run_details", details)

        assert flyte.run(half, 75).name == "r1"

        (created,) = plane.requests("create_run")
        (asked,) = plane.requests("get_run_details")
        assert asked.run_id == created.run_id
        assert created.run_id.name, "the name is chosen before the request is sent"

    async def test_the_awaited_form(self, plane: FakePlane) -> None:
        assert (await flyte.run.aio(half, 75)).name == "r1"

    def test_code_is_sent_once_and_again_when_it_is_gone(
        self, plane: FakePlane, uploads: Uploads
    ) -> None:
        flyte.run(half, 1)
        flyte.run(half, 2)
        assert len(uploads.sent) == 1
        flyte.with_runcontext(project="other").run(half, 1)
        assert len(uploads.sent) == 2
        uploads.target.unlink()
        flyte.run(half, 1)
        assert len(uploads.sent) == 3

    def test_options_are_part_of_the_request(self, plane: FakePlane) -> None:
        flyte.with_runcontext(
            name="mine",
            project="q",
            version="v7",
            env_vars={"COLOUR": "blue"},
            labels={"team": "a"},
            overwrite_cache=True,
            interruptible=True,
            queue="big",
            custom_context={"who": "me"},
            log_level=10,
        ).run(half, 1)
        (request,) = plane.requests("create_run")
        assert (request.run_id.project, request.run_id.name) == ("q", "mine")
        assert request.task_spec.task_template.id.version == "v7"
        assert request.run_spec.labels.values["team"] == "a"
        assert request.run_spec.cache_config.overwrite_cache
        assert request.run_spec.interruptible.value
        assert request.run_spec.queue == "big"
        variables = environment(request)
        assert variables["COLOUR"] == "blue"
        assert variables["LOG_LEVEL"] == "10"
        (inputs,) = plane.requests("upload_inputs")
        assert [(pair.key, pair.value) for pair in inputs.inputs.context] == [("who", "me")]

    def test_a_run_may_use_no_cache_at_all(self, plane: FakePlane) -> None:
        cached = half.override(cache="auto")
        flyte.run(cached, 1)
        flyte.with_runcontext(disable_run_cache=True).run(cached, 1)
        usual, without = plane.requests("create_run")
        assert usual.task_spec.task_template.metadata.discoverable
        assert "_F_DISABLE_CACHE" not in environment(usual)
        assert not without.task_spec.task_template.metadata.discoverable
        assert environment(without)["_F_DISABLE_CACHE"] == "1", "what it calls uses none either"

    def test_only_the_embedded_control_plane_is_told_the_interpreter(
        self, plane: FakePlane
    ) -> None:
        flyte.run(half, 1)
        session = _session.current()
        session.link.attach(Address("http://fake:1", insecure=True, embedded=True), plane)
        flyte.run(half, 1)
        elsewhere, here = (environment(request) for request in plane.requests("create_run"))
        assert "VIRTUAL_ENV" not in elsewhere
        assert here["VIRTUAL_ENV"] == sys.prefix

    def test_code_that_is_in_the_image_is_not_sent(self, plane: FakePlane) -> None:
        flyte.with_runcontext(copy_style="none", version="v1").run(half, 1)
        assert [name for name, _ in plane.asked] == ["upload_inputs", "create_run"]
        (request,) = plane.requests("create_run")
        assert "--tgz" not in request.task_spec.task_template.container.args

    def test_a_dry_run_asks_nothing(self, plane: FakePlane, tmp_path: Path) -> None:
        copies = tmp_path / "copies"
        runner = flyte.with_runcontext(dry_run=True, copy_bundle_to=copies)
        made: Any = runner.run(half, 3)
        assert plane.asked == []
        assert made.task_spec.task_template.id.name == "test_run.half"
        assert made.code_bundle.computed_version
        assert [path.name for path in copies.iterdir()] == [
            f"fast{made.code_bundle.computed_version}.tar.gz"
        ]

    def test_a_wrong_value_is_refused_before_anything_is_sent(self, plane: FakePlane) -> None:
        with pytest.raises(errors.RuntimeUserError, match=r"inputs\.n"):
            flyte.run(half, "three")
        assert plane.asked == []

    def test_a_chosen_name_is_ours_when_only_the_answer_was_lost(self, plane: FakePlane) -> None:
        """The control plane was killed after the commit: what it has is what we sent."""

        def stored(request: object) -> run_service_pb2.GetRunDetailsResponse:
            (created,) = plane.requests("create_run")
            found = run_service_pb2.GetRunDetailsResponse()
            found.details.run_spec.CopyFrom(created.run_spec)
            found.details.action.id.run.CopyFrom(created.run_id)
            return found

        plane.answers["create_run"].clear()
        plane.answer("create_run", gone("already_exists"))
        plane.answer("get_run_details", stored)
        assert flyte.with_runcontext(name="mine").run(half, 1).name == "mine"

    def test_a_name_that_is_taken_is_named(self, plane: FakePlane) -> None:
        plane.answers["create_run"].clear()
        plane.answer("create_run", gone("already_exists"))
        plane.answer("get_run_details", run_service_pb2.GetRunDetailsResponse())
        with pytest.raises(errors.DefinitionError, match="run named 'mine' exists already in p/d"):
            flyte.with_runcontext(name="mine").run(half, 1)
