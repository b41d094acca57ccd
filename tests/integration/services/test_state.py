"""Budgets, limits, waiting, what is set aside, and the pulse of the store: services of our own, over HTTP."""

import json
from typing import Any

import pytest
from pyqwest import Client, HTTPTransport
from tests.fakes import messages
from tests.integration.services.conftest import Plane
from tests.support import eventually

from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Failure
from flyte_server.store.rows import Connection

RUN = {"project": "p", "domain": "development", "run": "r1"}


async def ask(plane: Plane, method: str, **fields: Any) -> dict[str, Any]:
    async with HTTPTransport() as transport:
        response = await Client(transport).post(
            f"{plane.endpoint}/flyte_standalone.v1.{method}",
            {"content-type": "application/json"},
            json.dumps(fields).encode(),
        )
    return {"status": response.status, **json.loads(response.content)}


async def explain(plane: Plane, action: str = "a0") -> dict[str, Any]:
    return await ask(plane, "ActionService/Explain", **RUN, action=action)


async def test_budgets_and_the_cause_of_every_attempt(plane: Plane) -> None:
    await plane.runs.create_run(messages.create(task_spec=messages.spec(retries=2)))
    await eventually(lambda: plane.executor.held)
    await plane.executor.fail("a0", Failure("ValueError", "no rows", Blame.USER))
    await eventually(lambda: plane.executor.held)
    await plane.executor.fail("a0", Failure("Killed", "out of memory", Blame.SYSTEM))
    told = await explain(plane)
    assert told["budgets"] == {
        "user": {"failures": 1, "allowed": 2},
        "system": {"failures": 1, "allowed": 3},
    }
    assert [(each["number"], each["blame"], each["code"]) for each in told["attempts"]] == [
        (1, "user", "ValueError"),
        (2, "system", "Killed"),
    ]
    assert told["waits"]["reason"] == "backoff"
    assert told["waits"]["until"] == told["due_at"]


async def test_limits_are_set_shown_and_taken_away(plane: Plane) -> None:
    await plane.runs.create_run(messages.create())
    await eventually(lambda: plane.executor.held)
    assert (await ask(plane, "LimitsService/Set", kind="environment", name="env", most=1))[
        "status"
    ] == 200
    await plane.runs.create_run(messages.create("r2"))
    waits = await eventually(
        lambda: _waits(plane, {**RUN, "run": "r2"}),
    )
    (full,) = waits["full"]
    assert (full["name"], full["most"]) == ("env", 1)
    assert [each["run"] for each in full["holders"]] == ["r1"]
    machine, env = (await ask(plane, "LimitsService/List"))["limits"]
    assert (machine["kind"], machine["alive"], env["alive"]) == ("machine", 1, 1)
    await ask(plane, "LimitsService/Delete", kind="environment", name="env")
    await eventually(lambda: len(plane.executor.held) == 2)
    refused = await ask(plane, "LimitsService/Delete", kind="environment", name="env")
    assert (refused["status"], refused["code"]) == (404, "not_found")
    refused = await ask(plane, "LimitsService/Set", kind="run", name="r1", most=1)
    assert refused["code"] == "invalid_argument"


async def _waits(plane: Plane, run: dict[str, str]) -> dict[str, Any] | None:
    told = await ask(plane, "ActionService/Explain", **run, action="a0")
    return told["waits"] if told["waits"] and told["waits"]["full"] else None


async def test_what_cannot_be_read_is_shown_as_set_aside(plane: Plane) -> None:
    await plane.runs.create_run(messages.create())
    await eventually(lambda: plane.executor.held)
    database = plane.app.parts.database
    await database.write(_damage)
    with pytest.raises(Exception, match="row of action a0 of run number 1 cannot be read"):
        await plane.executor.succeed("a0")
    told = await explain(plane)
    assert told["phase"] is None
    (entry,) = told["set_aside"]
    assert (entry["action"], entry["failures"]) == ("a0", 1)
    assert int(entry["until"]) > int(entry["since"])
    listed = await ask(plane, "ActionService/SetAside", **RUN)
    assert listed["set_aside"] == [entry]


def _damage(connection: Connection) -> None:
    connection.execute("UPDATE actions SET policy = '{'")


async def test_the_pulse_of_the_store(plane: Plane) -> None:
    await plane.runs.create_run(messages.create())
    told = await ask(plane, "ServerService/Pulse")
    assert told["commits"]["count"] >= 1
    assert 0 < told["commits"]["p50_ms"] <= told["commits"]["p99_ms"] <= told["commits"]["max_ms"]
    assert told["errors"] == {}
    assert told["plane"].startswith("cp-")
