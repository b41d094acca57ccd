"""Storage over real HTTP: figures, deletion, damaged files, and a clock that was set back."""

import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.dataproxy import dataproxy_service_pb2
from flyteidl2.workflow import run_service_pb2
from tests.fakes import messages
from tests.integration.services.conftest import Plane, serving, write
from tests.support import eventually

from flyte import errors
from flyte._client import ControlPlane
from flyte.storage import seals
from flyte_server.settings import Settings
from flyte_server.store.database import Database
from flyte_server.store.rows import Connection

YEAR_US = 365 * 86_400_000_000


@pytest.fixture
async def client(plane: Plane) -> AsyncIterator[ControlPlane]:
    made = ControlPlane.connect(plane.endpoint)
    yield made
    await made.aclose()


def outputs() -> bytes:
    return seals.sealed(messages.outputs(o0=7, o1=8).SerializeToString())


async def run(plane: Plane, name: str = "r1") -> Path:
    """A run that has ended; gives its outputs."""
    await plane.runs.create_run(messages.create(name, inputs=messages.inputs(n=3)))
    await eventually(lambda: bool(plane.executor.held))
    (attempt,) = plane.executor.held.values()
    path = Path(attempt.output_prefix) / "outputs.pb"
    write(path, outputs())
    write(attempt.log_path, b"printed\n")
    await plane.executor.succeed("a0")
    return path


async def deleted(client: ControlPlane, name: str) -> None:
    where = {"project": "p", "domain": "development", "run": name}
    await client.own("StorageService", "DeleteRun", where)


async def test_figures_of_a_control_plane(plane: Plane, client: ControlPlane) -> None:
    await run(plane)

    async def told() -> dict[str, Any]:
        return await client.own("StorageService", "Describe", {"largest": 3})

    shown = await told()
    assert shown["runs"] == 1
    assert shown["categories"]["run data"] > 0
    assert shown["categories"]["logs"] > 0

    async def has_uploads() -> bool:
        return (await told())["categories"]["uploads"] > 0

    await eventually(has_uploads)
    assert 0 < shown["counted"] < shown["limit"] <= 50_000_000_000
    assert (shown["days"], shown["excess"]) == (30, 0)
    assert shown["next"]["run"] == "r1"
    assert shown["next_at"] > shown["next"]["ended_at"]


async def test_a_deleted_run_is_gone_and_its_name_can_be_taken_again(
    plane: Plane, client: ControlPlane
) -> None:
    path = await run(plane)
    await deleted(client, "r1")
    request = run_service_pb2.GetRunDetailsRequest(run_id=messages.run_id())
    with pytest.raises(ConnectError) as refused:
        await plane.runs.get_run_details(request)
    assert refused.value.code is Code.NOT_FOUND
    listed = await plane.runs.list_runs(run_service_pb2.ListRunsRequest())
    assert not listed.runs
    await eventually(lambda: not path.exists())
    again = await run(plane)
    assert again.exists()
    assert (await plane.runs.get_run_details(request)).details.action.status.attempts == 1


async def test_what_cannot_be_deleted_says_why(plane: Plane, client: ControlPlane) -> None:
    await plane.runs.create_run(messages.create("r1", inputs=messages.inputs(n=3)))
    with pytest.raises(errors.UnionRpcError, match="has not ended; stop it first"):
        await deleted(client, "r1")
    with pytest.raises(errors.UnionRpcError, match="no run 'r2'"):
        await deleted(client, "r2")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:-5], r"is damaged: written were \d+ bytes, found \d+"),
        (lambda content: content[:-1] + b"\0", "is damaged: written was checksum"),
        (lambda _: b"\xff\xff", "is damaged: its 2 bytes are no Outputs"),
    ],
)
async def test_a_damaged_file_is_named_with_what_is_wrong(
    plane: Plane, damage: Callable[[bytes], bytes], said: str
) -> None:
    path = await run(plane)
    request = dataproxy_service_pb2.GetActionDataRequest(action_id=messages.action_id())
    assert (await plane.data.get_action_data(request)).outputs == messages.outputs(o0=7, o1=8)
    path.write_bytes(damage(outputs()))
    with pytest.raises(ConnectError, match=rf"outputs\.pb {said}.*run the task again"):
        await plane.data.get_action_data(request)


async def test_a_cut_result_is_not_taken_from_the_cache(plane: Plane) -> None:
    spec = messages.spec(cached=True)

    async def began(name: str) -> bool:
        made = await plane.runs.create_run(
            messages.create(name, task_spec=spec, inputs=messages.inputs(n=3))
        )
        return made.run.action.status.phase != messages.SUCCEEDED

    assert await began("first")
    await eventually(lambda: bool(plane.executor.held))
    (attempt,) = plane.executor.held.values()
    path = Path(attempt.output_prefix) / "outputs.pb"
    write(path, outputs())
    await plane.executor.succeed("a0")
    assert not await began("second")
    path.write_bytes(outputs()[:-5])
    assert await began("third")


async def test_a_clock_that_was_set_back_delays_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The rows of an earlier time lie in the future; what waits there is started all the same."""
    settings = Settings(home=tmp_path / "home", port=0, auth="none")
    async with serving(settings) as plane:
        await plane.runs.create_run(messages.create("r1", inputs=messages.inputs(n=3)))
        await eventually(lambda: bool(plane.executor.held))
    database = Database.open(settings.database)
    for statement in (
        f"UPDATE runs SET created_at = created_at + {YEAR_US}",
        f"UPDATE actions SET phase = 'queued', attempt = 0, queued_at = queued_at + {YEAR_US}",
        f"UPDATE actions SET due_at = due_at + {YEAR_US}",
        "DELETE FROM attempts",
    ):
        await database.write(_execute, statement)
    database.close()
    with caplog.at_level(logging.WARNING):
        async with serving(settings) as plane:
            await eventually(lambda: bool(plane.executor.held))
            write(Path(next(iter(plane.executor.held.values())).output_prefix) / "outputs.pb", b"")
            await plane.executor.succeed("a0")
            assert "time goes on from there" in caplog.text
            assert "correct the clock" in caplog.text


def _execute(connection: Connection, statement: str) -> None:
    connection.execute(statement)
