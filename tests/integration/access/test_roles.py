"""What each role may do, and where: one place decides for all services."""

import json

import pytest
from tests.integration.access.conftest import OWN, PROJECT, RUNS, Locked, action_id, run_id

from flyte_server.auth.roles import Grant, Role

DETAILS = f"{RUNS}/GetRunDetails"
SECRET = {
    "id": {"name": "s", "project": PROJECT, "domain": "development"},
    "secretSpec": {"stringValue": "hunter2"},
}


async def test_each_role_may_do_what_it_is_for(locked: Locked) -> None:
    await locked.run()
    calls = {
        Role.VIEW: (DETAILS, {"runId": run_id()}),
        Role.RUN: (f"{RUNS}/AbortAction", {"actionId": action_id(), "reason": "enough"}),
        Role.ADMIN: ("flyteidl2.secret.SecretService/CreateSecret", SECRET),
    }
    for role in Role:
        token = await locked.key(f"of-{role}", role, PROJECT)
        for needed, (method, body) in calls.items():
            answer = await locked.ask(method, body, token=token)
            expected = "ok" if role.covers(needed) else "permission_denied"
            assert answer.code == expected, (role, method, answer)


async def test_a_refusal_says_who_what_and_where(locked: Locked) -> None:
    token = await locked.key("nightly", Role.VIEW, PROJECT)
    answer = await locked.ask(f"{RUNS}/AbortRun", {"runId": run_id()}, token=token)
    assert answer.status == 403
    for word in ("nightly", "view in project 'p'", "needs run", "project 'p'", "AbortRun"):
        assert word in answer.message


@pytest.mark.parametrize(
    ("method", "body"),
    [
        (DETAILS, {"runId": run_id()}),
        (f"{RUNS}/AbortRun", {"runId": run_id()}),
        (f"{RUNS}/ListActions", {"runId": run_id()}),
        (f"{RUNS}/GetActionData", {"actionId": action_id()}),
        (f"{RUNS}/CreateRun", {"projectId": {"name": PROJECT, "domain": "development"}}),
        (f"{RUNS}/ListRuns", {"projectId": {"name": PROJECT, "domain": "development"}}),
        ("flyteidl2.task.TaskService/ListTasks", {"projectId": {"name": PROJECT}}),
        ("flyteidl2.secret.SecretService/CreateSecret", SECRET),
        ("flyteidl2.project.ProjectService/GetProject", {"id": PROJECT}),
        (
            "flyteidl2.dataproxy.DataProxyService/CreateUploadLocation",
            {"project": PROJECT, "domain": "development", "filename": "x"},
        ),
        (f"{OWN}.LogService/Search", {**run_id(), "run": "r1", "pattern": "x"}),
        (f"{OWN}.StorageService/DeleteRun", {**run_id(), "run": "r1"}),
    ],
)
async def test_a_role_in_one_project_is_none_in_another(
    locked: Locked, method: str, body: dict[str, object]
) -> None:
    await locked.run()
    token = await locked.key("other", Role.ADMIN, "q")
    answer = await locked.ask(method, body, token=token)
    assert answer.code == "permission_denied", (method, answer)
    assert (await locked.ask(DETAILS, {"runId": run_id()}, token=locked.token)).code == "ok"


async def test_two_projects_in_one_request_need_both(locked: Locked) -> None:
    token = locked.person(Grant(Role.ADMIN, "q"))
    body = {
        "projectId": {"name": "q", "domain": "development"},
        "taskId": {"project": PROJECT, "domain": "development", "name": "t", "version": "1"},
    }
    answer = await locked.ask(f"{RUNS}/CreateRun", body, token=token)
    assert answer.code == "permission_denied"


@pytest.mark.parametrize("field", ["relation", "relatedTo"])
async def test_nobody_recovers_what_they_may_not_read(locked: Locked, field: str) -> None:
    await locked.run("theirs")
    token = locked.person(Grant(Role.ADMIN, "q"))
    source = run_id("theirs")
    spec = (
        {"relation": {"relatedTo": source, "relationType": "RELATION_TYPE_RECOVER"}}
        if field == "relation"
        else {"relatedTo": source, "recover": {}}
    )
    body = {"projectId": {"name": "q", "domain": "development"}, "runSpec": spec}
    answer = await locked.ask(f"{RUNS}/CreateRun", body, token=token)
    assert answer.code == "permission_denied", answer


async def test_what_concerns_all_projects_needs_a_role_in_all(locked: Locked) -> None:
    token = await locked.key("one", Role.ADMIN, PROJECT)
    for method in (
        f"{OWN}.KeyService/List",
        f"{OWN}.KeyService/Create",
        f"{OWN}.StorageService/Describe",
        f"{OWN}.LimitsService/Set",
        f"{OWN}.EnvironmentService/Delete",
    ):
        answer = await locked.ask(method, {"name": "x", "role": "view"}, token=token)
        assert answer.code == "permission_denied", method


async def test_nobody_makes_a_key_that_can_do_more_than_they(locked: Locked) -> None:
    body = {"name": "mine", "role": "admin", "project": ""}
    token = await locked.key("one", Role.ADMIN, PROJECT)
    assert (
        await locked.ask(f"{OWN}.KeyService/Create", body, token=token)
    ).code == "permission_denied"
    body["project"] = PROJECT
    assert (await locked.ask(f"{OWN}.KeyService/Create", body, token=token)).code == "ok"


async def test_listings_show_what_the_caller_may_see(locked: Locked) -> None:
    await locked.run("mine", PROJECT)
    await locked.run("theirs", "q")
    token = locked.person(Grant(Role.VIEW, PROJECT))
    shown = await locked.ask(f"{RUNS}/ListRuns", {}, token=token)
    assert [run["action"]["id"]["run"]["name"] for run in shown.json["runs"]] == ["mine"]
    everything = await locked.ask(f"{RUNS}/ListRuns", {}, token=locked.token)
    assert len(everything.json["runs"]) == 2
    listed = await locked.ask("flyteidl2.project.ProjectService/ListProjects", {}, token=token)
    assert [each["id"] for each in listed.json["projects"]["projects"]] == [PROJECT]


async def test_data_of_another_project_is_not_given_by_its_address(locked: Locked) -> None:
    await locked.run()
    data = locked.plane.settings.data
    secret = data / "p" / "development" / "r1" / "a0" / "x"
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text("theirs")
    token = locked.person(Grant(Role.ADMIN, "q"))
    (data / "q" / "development" / "r").mkdir(parents=True)
    for uri in (str(secret), f"{data}/q/development/r/../../../p/development/r1/a0/x"):
        answer = await locked.ask(
            f"{OWN}.DataService/CreateDownloadLinks", {"uris": [uri]}, token=token
        )
        assert answer.code == "permission_denied", uri
    listed = await locked.ask(
        f"{OWN}.DataService/ListFiles", {"prefix": str(secret.parent)}, token=token
    )
    assert listed.code == "permission_denied"


async def test_who_created_a_run_is_recorded_and_can_be_asked_for(locked: Locked) -> None:
    await locked.run("by-hand")
    token = await locked.key("nightly", Role.RUN, PROJECT)
    by_hand = await locked.ask(DETAILS, {"runId": run_id("by-hand")}, token=token)
    spec = by_hand.json["details"]["action"]["task"]
    made = await locked.ask(
        f"{RUNS}/CreateRun", {"runId": run_id("by-key"), "taskSpec": spec}, token=token
    )
    assert made.code == "ok", made
    who = made.json["run"]["action"]["metadata"]["executedBy"]["user"]
    assert who["id"]["subject"] == "key:nightly"
    for subject, names in (("key:nightly", ["by-key"]), ("local:tester", ["by-hand"])):
        wanted = {"function": "EQUAL", "field": "created_by", "values": [subject]}
        found = await locked.ask(
            f"{RUNS}/ListRuns", {"request": {"limit": 10, "filters": [wanted]}}, token=token
        )
        assert [run["action"]["id"]["run"]["name"] for run in found.json["runs"]] == names


async def test_a_stream_ends_with_the_key_that_opened_it(locked: Locked) -> None:
    await locked.run()
    token = await locked.key("watcher", Role.VIEW, PROJECT)
    request = b'{"projectId": {"name": "p", "domain": "development"}}'
    frame = b"\x00" + len(request).to_bytes(4, "big") + request
    headers = {"content-type": "application/connect+json", "authorization": f"Bearer {token}"}
    async with locked.http.stream(
        "POST", f"{locked.plane.endpoint}/{RUNS}/WatchRuns", headers, frame
    ) as answer:
        pieces = aiter(answer.content)
        assert b"r1" in bytes(await anext(pieces))
        await locked.access.keys.revoke("watcher", by="local:tester")
        rest = b"".join([bytes(piece) async for piece in pieces])
    assert b"unauthenticated" in rest


@pytest.mark.parametrize(
    ("method", "body"),
    [
        (f"{OWN}.KeyService/Revoke", {"name": "root"}),
        (f"{OWN}.LimitsService/Set", {"kind": "queue", "name": "default", "most": 1}),
        (f"{OWN}.LimitsService/Delete", {"kind": "queue", "name": "default"}),
    ],
)
async def test_a_project_in_the_request_makes_nothing_of_everybody_ones_own(
    locked: Locked, method: str, body: dict[str, object]
) -> None:
    root = await locked.key("root", Role.ADMIN)
    token = await locked.key("one", Role.ADMIN, PROJECT)
    answer = await locked.ask(method, {**body, "project": PROJECT}, token=token)
    assert answer.code == "permission_denied", answer
    assert (await locked.ask(f"{OWN}.LimitsService/List", token=root)).code == "ok"


THEIRS = "theirs"
"""Stands for the folder of another project's run."""
SPEC = {"taskTemplate": {"id": {"name": "e.t", "version": "1"}}}
RECOVERING = {"relatedTo": {"project": PROJECT, "domain": "development", "name": "r1"}}
OWN_TASK = {"project": "q", "domain": "development", "name": "e.t", "version": "1"}


@pytest.mark.parametrize(
    ("method", "body"),
    [
        (f"{RUNS}/CreateRun", {"taskSpec": SPEC, "offloadedInputData": {"uri": f"{THEIRS}/a0"}}),
        (f"{RUNS}/CreateRun", {"taskSpec": SPEC, "runSpec": {"runBaseDir": THEIRS}}),
        (
            f"{RUNS}/CreateRun",
            {"taskSpec": {"taskTemplate": {"metadata": {"codeBundleUri": f"{THEIRS}/a0/x"}}}},
        ),
        (
            f"{RUNS}/CreateRun",
            {
                "taskSpec": SPEC,
                "runSpec": {"rawDataStorage": {"rawDataPrefix": f"file://{THEIRS}/%2E/x"}},
            },
        ),
        (
            "flyteidl2.task.TaskService/DeployTask",
            {
                "taskId": OWN_TASK,
                "spec": {"taskTemplate": {"metadata": {"codeBundleUri": f"{THEIRS}/a0/1/x"}}},
            },
        ),
        (
            "flyteidl2.task.TaskService/DeployTask",
            {
                "taskId": OWN_TASK,
                "spec": SPEC,
                "triggers": [{"name": "t", "spec": {"runSpec": RECOVERING}}],
            },
        ),
        (
            "flyteidl2.trigger.TriggerService/DeployTrigger",
            {
                "name": {
                    "project": "q",
                    "domain": "development",
                    "taskName": "e.t",
                    "name": "t",
                },
                "spec": {"taskVersion": "1", "runSpec": RECOVERING},
            },
        ),
        (f"{OWN}.EnvironmentService/Keep", {"recipe": {}, "uploads": {"ab": f"{THEIRS}/a0/x"}}),
    ],
)
async def test_nothing_of_another_project_is_taken_by_its_address_in_a_request(
    locked: Locked, method: str, body: dict[str, object]
) -> None:
    await locked.run()
    folder = f"{locked.plane.settings.data}/{PROJECT}/development/r1"
    body = json.loads(json.dumps(body).replace(THEIRS, folder))
    if "taskSpec" in body:
        body["projectId"] = {"name": "q", "domain": "development"}
    token = locked.person(Grant(Role.ADMIN, "q"))
    answer = await locked.ask(method, body, token=token)
    assert answer.code == "permission_denied", answer
