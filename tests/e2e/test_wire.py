"""What our client sends is what any Flyte 2 backend takes: real flows, every request checked against the protocol.

Each message is parsed with the public classes (nothing unknown may be in it) and checked against the rules that the
protocol itself carries (`protovalidate`).  The same flows then run at a control plane that has nothing of our own.

An organisation is named here because the rules want one.  Where none is configured the client leaves it empty, as the
official one does, and leaves it to the backend to know who asks.
"""

import base64
import gzip
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flyteidl2
import protovalidate
import pytest
from flyteidl2.core import tasks_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from tests.e2e.plane import PROGRAMS, ROOT, Plane, free_port
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

FLYTE = Path(sys.executable).parent / "flyte"
OWN = "/flyte_standalone."


@dataclass(frozen=True)
class Sent:
    """One request."""

    path: str
    headers: Mapping[str, str]
    message: Message


@dataclass
class Recorded:
    """A control plane that writes down what it is asked."""

    endpoint: str
    file: Path
    is_ours: bool
    """Whether it has what is beside the public protocol."""

    def flyte(self, *arguments: str, expect: int = 0) -> str:
        """A command for this control plane."""
        done = subprocess.run(
            [str(FLYTE), "--endpoint", self.endpoint, "--org", "acme", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=PROGRAMS,
            timeout=100,
        )
        assert done.returncode == expect, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @property
    def paths(self) -> set[str]:
        return {line["path"] for line in self._lines()}

    def public(self) -> list[Sent]:
        """The requests of the public protocol."""
        return [_sent(line) for line in self._lines() if not line["path"].startswith(OWN)]

    def of(self, method: str) -> list[Any]:
        """The messages that one method was asked."""
        return [sent.message for sent in self.public() if sent.path.endswith(f"/{method}")]

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]


@pytest.fixture(params=["ours", "any other"])
def recorded(
    request: pytest.FixtureRequest, flyte_home: Path, tmp_path: Path
) -> Iterator[Recorded]:
    port, file = free_port(), tmp_path / "requests.jsonl"
    file.touch()
    options = ["--public"] if request.param == "any other" else []
    log = (tmp_path / "server.log").open("w")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.fakes.recording_server"),
            *(str(flyte_home), str(port), str(file), *options),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=log,
        stderr=log,
    )
    made = Recorded(f"http://127.0.0.1:{port}", file, is_ours=request.param == "ours")
    try:
        wait_until(lambda: _listens(port) or process.poll() is not None, timeout_seconds=20)
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        log.close()
        left = Plane(flyte_home, port)
        for each in left.processes():
            each.kill()
        wait_until(lambda: not left.processes())


def _listens(port: int) -> bool:
    done = subprocess.run(
        ["curl", "-fs", f"http://127.0.0.1:{port}/healthz"], check=False, capture_output=True
    )
    return done.returncode == 0


def flows(plane: Recorded) -> None:
    """What people and tasks do."""
    ended = json.loads(
        plane.flyte("-of", "json", "run", "--name", "first", "everything.py", "main")
    )
    assert ended, "the run succeeded"
    plane.flyte("get", "run")
    plane.flyte("get", "run", "first")
    plane.flyte("get", "action", "first")
    plane.flyte("get", "action", "first", "a0")
    plane.flyte("get", "io", "first")
    plane.flyte("get", "logs", "first")
    plane.flyte("create", "project", "--id", "weather", "--name", "Weather")
    plane.flyte("get", "project")
    plane.flyte("create", "secret", "color", "--value", "blue")
    plane.flyte("get", "secret")
    plane.flyte("delete", "secret", "color")
    plane.flyte("deploy", "everything.py", "env", "--version", "v1")
    plane.flyte("get", "task")
    plane.flyte("run", "deployed-task", "everything.child", "--x", "3")
    plane.flyte("deploy", "triggered.py", "env", "--version", "v1")
    plane.flyte("create", "trigger", "triggered.wait", "often", "--every", "15")
    plane.flyte("get", "trigger")
    plane.flyte("get", "trigger", "triggered.note", "soon")
    plane.flyte("update", "trigger", "often", "triggered.wait", "--deactivate")
    plane.flyte("delete", "trigger", "often", "triggered.wait")
    plane.flyte("rerun", "first")
    plane.flyte("abort", "run", "first")
    plane.flyte("whoami")


def test_every_request_is_one_that_any_backend_takes(recorded: Recorded) -> None:
    flows(recorded)
    complaints = [said for sent in recorded.public() if (said := complaint(sent))]
    assert complaints == []
    asked = {path.rpartition("/")[2] for path in recorded.paths}
    assert asked >= {
        *("CreateRun", "EnqueueMany" if recorded.is_ours else "Enqueue", "WatchForUpdates"),
        *("UploadInputs", "CreateUploadLocation", "Abort", "DeployTask", "GetTaskDetails"),
        *("ListRuns", "ListActions", "GetActionData", "CreateSecret", "CreateProject"),
        *("DeployTrigger", "UpdateTriggers", "ListTriggers", "DeleteTriggers"),
    }
    for spec in (
        request.task_spec for request in recorded.of("CreateRun") if request.HasField("task_spec")
    ):
        check_container(spec.task_template)


def check_container(template: tasks_pb2.TaskTemplate) -> None:
    """The command line that the official entrypoint reads, with placeholders for the backend to fill."""
    args = list(template.container.args)
    assert args[0] == "a0"
    options = dict(zip(args[1::2], args[2::2], strict=False))
    assert {
        name: value.replace(" ", "") for name, value in options.items() if "{{" in value
    }.items() >= {
        "--inputs": "{{.input}}",
        "--outputs-path": "{{.outputPrefix}}",
        "--raw-data-path": "{{.rawOutputDataPrefix}}",
        "--run-name": "{{.runName}}",
        "--name": "{{.actionName}}",
    }.items()
    assert template.container.image
    assert {pair.key: pair.value for pair in template.container.env}["COLOR"] == "blue"


# --- the protocol ---------------------------------------------------------------------------------


def _load_all() -> None:
    for module in pkgutil.walk_packages(flyteidl2.__path__, "flyteidl2."):
        if module.name.endswith("_pb2"):
            importlib.import_module(module.name)


def _sent(line: Mapping[str, Any]) -> Sent:
    _load_all()
    service, _, method = line["path"].removeprefix("/").partition("/")
    pool = descriptor_pool.Default()
    described = pool.FindServiceByName(service).FindMethodByName(method)
    body = base64.b64decode(line["body"])
    if line["headers"].get("content-type", "").startswith("application/connect+"):
        body = body[5:]
    if line["headers"].get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    kind = message_factory.GetMessageClass(described.input_type)
    return Sent(line["path"], line["headers"], kind.FromString(body))


def complaint(sent: Sent) -> str:
    """What is wrong with a request; empty: nothing."""
    unknown = _unknown(sent.message)
    if unknown:
        return f"{sent.path}: unknown fields in {unknown}"
    found = protovalidate.collect_violations(sent.message)
    said = [f"{each.proto.rule_id} at {each.proto.field}: {each.proto.message}" for each in found]
    return f"{sent.path}: {said}" if said else ""


def _unknown(message: Message) -> str:
    if len(UnknownFieldSet(message)):
        return message.DESCRIPTOR.full_name
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else [value]:
            if inner := _unknown(each):
                return inner
    return ""
