"""The token of a task's process: good for its own run while its attempt is the current one, and for nothing else."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.actions import actions_service_pb2
from google.protobuf import json_format
from pyqwest import Client, HTTPTransport
from tests.fakes import messages
from tests.integration.access.conftest import (
    DOMAIN,
    OWN,
    PROJECT,
    RUNS,
    Locked,
    action_id,
    run_id,
)
from tests.integration.services.conftest import serving
from tests.integration.services.test_workers import make

from flyte_server.services.access import rules
from flyte_server.services.access.rules import Tasks
from flyte_server.settings import Settings

DETAILS = f"{RUNS}/GetRunDetails"
ENQUEUE = "flyteidl2.actions.ActionsService/Enqueue"
BATCH = "flyte_standalone.actions.v1.BatchService/EnqueueMany"


def child(locked: Locked, run: str, name: str = "c1") -> dict[str, Any]:
    """A traced call of the root of a run, as a message in JSON."""
    base = f"{locked.plane.settings.data}/{PROJECT}/{DOMAIN}/{run}"
    action = json.loads(json_format.MessageToJson(messages.trace(name, base).action))
    return {**action, "actionId": action_id(run, name=name)}


def packed(action: dict[str, Any]) -> str:
    """A request as one entry of a batch."""
    request = json_format.ParseDict({"action": action}, actions_service_pb2.EnqueueRequest())
    return base64.b64encode(request.SerializeToString()).decode()


async def test_it_reads_and_changes_its_own_run(locked: Locked) -> None:
    await locked.run("mine")
    token = await locked.task("mine")
    assert (await locked.ask(DETAILS, {"runId": run_id("mine")}, token=token)).code == "ok"
    made = await locked.ask(ENQUEUE, {"action": child(locked, "mine")}, token=token)
    assert made.code == "ok", made
    many = {"requests": [packed(child(locked, "mine", f"c{n}")) for n in (2, 3)]}
    answer = await locked.ask(BATCH, many, token=token)
    assert answer.code == "ok", answer


@pytest.mark.parametrize(
    ("method", "body"),
    [
        (DETAILS, {"runId": run_id("theirs")}),
        (f"{RUNS}/AbortRun", {"runId": run_id("theirs")}),
        (f"{RUNS}/AbortAction", {"actionId": action_id("theirs")}),
        (f"{RUNS}/GetActionData", {"actionId": action_id("theirs")}),
        (DETAILS, {"runId": run_id("mine", "q")}),
        (f"{RUNS}/ListRuns", {}),
        (f"{RUNS}/CreateRun", {"projectId": {"name": PROJECT, "domain": DOMAIN}}),
        ("flyteidl2.task.TaskService/DeployTask", {"taskId": {"project": PROJECT}}),
        ("flyteidl2.task.TaskService/ListTasks", {"projectId": {"name": "q", "domain": DOMAIN}}),
        ("flyteidl2.secret.SecretService/ListSecrets", {}),
        ("flyteidl2.secret.SecretService/GetSecret", {"id": {"name": "s", "project": PROJECT}}),
        (f"{OWN}.KeyService/List", {}),
        (f"{OWN}.KeyService/Create", {"name": "x", "role": "admin"}),
        (f"{OWN}.AuditService/List", {}),
        (f"{OWN}.LogService/Read", {**run_id("theirs"), "run": "theirs"}),
    ],
)
async def test_it_touches_nothing_else(
    locked: Locked, method: str, body: dict[str, object]
) -> None:
    await locked.run("theirs")
    await locked.run("mine")
    token = await locked.task("mine")
    answer = await locked.ask(method, body, token=token)
    assert answer.code == "permission_denied", (method, answer)
    assert "own run" in answer.message


async def test_it_starts_nothing_in_another_run(locked: Locked) -> None:
    await locked.run("theirs")
    await locked.run("mine")
    token = await locked.task("mine")
    answer = await locked.ask(ENQUEUE, {"action": child(locked, "theirs")}, token=token)
    assert answer.code == "permission_denied"
    mixed = {"requests": [packed(child(locked, run)) for run in ("mine", "theirs")]}
    assert (await locked.ask(BATCH, mixed, token=token)).code == "permission_denied"
    listed = await locked.ask(
        f"{RUNS}/ListActions",
        {"runId": run_id("theirs"), "request": {"limit": 10}},
        token=locked.token,
    )
    assert len(listed.json["actions"]) == 1


@pytest.mark.parametrize(
    ("field", "place"),
    [
        ("inputUri", "p/development/theirs/a0/inputs.pb"),
        ("inputUri", "p/development/mine/x/../../theirs/a0/inputs.pb"),
        ("inputUri", "p/development/theirs/inputs.pb"),
        ("inputUri", "q/development/r/a0/inputs.pb"),
        ("runOutputBase", "p/development/theirs"),
        ("trace", "q/development/r/a0/outputs.pb"),
    ],
)
async def test_its_calls_take_and_leave_nothing_at_the_address_of_another_run(
    locked: Locked, field: str, place: str
) -> None:
    await locked.run("theirs")
    await locked.run("mine")
    token = await locked.task("mine")
    action = child(locked, "mine")
    uri = f"{locked.plane.settings.data}/{place}"
    if field == "trace":
        action["trace"]["outputs"]["outputUri"] = uri
    else:
        action[field] = uri
    assert (await locked.ask(ENQUEUE, {"action": action}, token=token)).code == "permission_denied"
    many = {"requests": [packed(action)]}
    assert (await locked.ask(BATCH, many, token=token)).code == "permission_denied"


async def test_it_cannot_pass_for_another_attempt(locked: Locked) -> None:
    await locked.run("mine")
    token = await locked.task("mine")
    forged = f"{PROJECT}/{DOMAIN}/mine/a0/7/other"
    answer = await locked.ask(
        ENQUEUE, {"action": child(locked, "mine")}, token=token, x_flyte_attempt=forged
    )
    assert answer.code == "ok", "the attempt of the token counts, whatever the header says"
    stolen = locked.task_of("mine", mark="guessed")
    answer = await locked.ask(DETAILS, {"runId": run_id("mine")}, token=stolen)
    assert answer.code == "aborted"


async def test_it_ends_with_its_attempt(locked: Locked) -> None:
    await locked.run("mine")
    token = await locked.task("mine")
    await locked.plane.executor.succeed("a0")
    for method, body in (
        (DETAILS, {"runId": run_id("mine")}),
        (ENQUEUE, {"action": child(locked, "mine")}),
    ):
        answer = await locked.ask(method, body, token=token)
        assert answer.code == "aborted", (method, answer)
        assert "over" in answer.message


async def test_it_reads_deployed_tasks_of_its_project(locked: Locked) -> None:
    await locked.run("mine")
    token = await locked.task("mine")
    listed = await locked.ask("flyteidl2.task.TaskService/ListTasks", {}, token=token)
    assert listed.code == "ok"


async def test_a_worker_leases_under_its_own_name_only(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", port=0, cgroups="off")
    async with serving(settings, make=make) as plane, HTTPTransport() as transport:
        locked = Locked(plane, Client(transport))
        lease = "flyte_standalone.worker.v1.WorkerService/Lease"
        token = locked.worker("w-1")
        own = await locked.ask(lease, {"worker": "w-1"}, token=token)
        assert own.code not in {"permission_denied", "unauthenticated"}, own
        other = await locked.ask(lease, {"worker": "w-2"}, token=token)
        assert other.code == "permission_denied"
        task = await locked.ask(lease, {"worker": "w-1"}, token=locked.task_of("r1"))
        assert task.code == "permission_denied"
        for method, body in (
            (DETAILS, {"runId": run_id("mine")}),
            (f"{OWN}.KeyService/List", {}),
            (f"{RUNS}/ListRuns", {}),
        ):
            assert (await locked.ask(method, body, token=token)).code == "permission_denied"


def test_what_tasks_may_change_is_a_short_list() -> None:
    changing = {
        method.rpartition(".")[2]
        for method, rule in rules.RULES.items()
        if rule.changes and rule.tasks is not Tasks.NOTHING
    }
    assert changing == {
        "RunService/AbortRun",
        "RunService/AbortAction",
        "RunService/SignalEvent",
        "ActionsService/Enqueue",
        "ActionsService/Update",
        "ActionsService/Abort",
        "ActionsService/Signal",
        "BatchService/EnqueueMany",
        "QueueService/EnqueueAction",
        "QueueService/AbortQueuedAction",
        "QueueService/AbortQueuedRun",
        "StateService/Put",
    }
