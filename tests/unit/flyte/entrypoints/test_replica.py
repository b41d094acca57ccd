"""A replica as a process, spoken with over its protocol."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from connectrpc.code import Code
from flyteidl2.core.execution_pb2 import ErrorDocument
from tests.fakes.replica import TASKS, Replica, replica
from tests.fakes.worker_service import WorkerService, serving
from tests.support import eventually

from flyte_protocol.worker.v1.worker_pb2 import Failure


@pytest.fixture
async def service() -> WorkerService:
    return WorkerService()


@pytest.fixture
async def one(tmp_path: Path, service: WorkerService) -> AsyncIterator[Replica]:
    async with serving(service) as endpoint, replica(tmp_path, service, endpoint=endpoint) as made:
        yield made


@pytest.fixture
async def four(tmp_path: Path, service: WorkerService) -> AsyncIterator[Replica]:
    """One that takes four attempts at once."""
    async with (
        serving(service) as endpoint,
        replica(tmp_path, service, "--concurrency", "4", endpoint=endpoint) as made,
    ):
        yield made


async def test_attempts_share_one_process_and_leave_outputs_as_others_do(one: Replica) -> None:
    assert one.service.registered[0].worker == "w-1"
    assert one.service.registered[0].pool == "pool-1"
    assert one.service.registered[0].protocol == 1
    assert one.service.registered[0].pid == one.process.pid
    assert await one.value(await one.order("add", x=1)) == 2
    assert await one.value(await one.order("add_plain", x=2)) == 3
    assert await one.value(await one.order("own_loop", x=3)) == 4
    assert await one.value(await one.order("pid")) == one.process.pid


async def test_it_may_know_nothing_of_the_machine_of_the_control_plane(
    tmp_path: Path, service: WorkerService
) -> None:
    async with (
        serving(service) as endpoint,
        replica(tmp_path, service, endpoint=endpoint, home=False) as made,
    ):
        assert await made.value(await made.order("add", x=1)) == 2


async def test_an_attempt_knows_where_it_is(one: Replica) -> None:
    name = await one.order("surroundings")
    assert await one.value(name, dict[str, str]) == {
        "action": name,
        "run": "r1",
        "base": str(one.folder),
        "attempt": "0",
        "cwd": str(one.folder.parent / "home" / "work" / "w-1"),
        "raw": str(one.folder / name / "raw"),
        "secret": "hunter2-and-more",
        "project": "p",
    }
    assert not one.log(name).exists(), "an attempt that says nothing has no log"


@pytest.mark.parametrize("task", ["meet", "meet_plain"])
async def test_attempts_overlap(four: Replica, tmp_path: Path, task: str) -> None:
    names = [
        await four.order(task, folder=str(tmp_path), name=str(n), other=str((n + 1) % 4))
        for n in range(4)
    ]
    assert {await four.value(name) for name in names} == {four.process.pid}


async def test_output_and_context_variables_are_those_of_one_attempt(
    four: Replica, tmp_path: Path
) -> None:
    first = await four.order("talks", folder=str(tmp_path), name="anna", other="bert")
    second = await four.order("talks", folder=str(tmp_path), name="bert", other="anna")
    for action, name in ((first, "anna"), (second, "bert")):
        assert await four.value(action, str) == action
        assert sorted(four.said(action)) == [
            f"ecareful, {name}",
            f"o{name} in a thread",
            f"ohello from {name}",
            f"ounset {name}",
        ]


@pytest.mark.parametrize(
    ("task", "code", "said"),
    [
        ("exits", "SystemExit", "3"),
        ("exits_plain", "SystemExit", "no more"),
        ("fails", "ValueError", "no rows in 1"),
        ("final", "NonRecoverableError", "bad data"),
        ("wrong", "TypeTransformerFailedError", "outputs.o0"),
        ("interrupts", "Interrupted", "ended from outside"),
        ("stops_iteration", "RuntimeError", "StopIteration"),
        ("nowhere", "ModuleLoadError", "has no 'nowhere'"),
    ],
)
async def test_a_failure_is_told_and_ends_nothing_else(
    one: Replica, task: str, code: str, said: str
) -> None:
    name = await one.order(task, x=1)
    failure = await one.failure(name)
    assert failure.code == code or task == "wrong"
    assert said in failure.message
    assert failure.recoverable is (task != "final")
    if code != "Interrupted":
        document = ErrorDocument.FromString((one.outputs(name) / "error.pb").read_bytes())
        assert document.error.code == failure.code
        assert document.error.message == failure.message
        assert failure.blame == Failure.BLAME_USER
        assert any(said in line for line in one.said(name))
    assert await one.value(await one.order("add", x=1)) == 2


async def test_notes_and_the_users_frames_come_along(one: Replica) -> None:
    name = await one.order("fails", x=7)
    failure = await one.failure(name)
    assert "look at the file" in failure.message
    assert TASKS.name in failure.message
    assert "_entrypoints" not in failure.message


@pytest.mark.parametrize("task", ["exits_in_a_task", "stops_the_loop", "cancels_everybody"])
async def test_the_loop_goes_on_whatever_is_done_to_it(four: Replica, task: str) -> None:
    assert await four.value(await four.order(task, x=5)) == 5
    assert await four.value(await four.order("add", x=1)) == 2


async def test_what_an_attempt_leaves_running_ends_with_it(one: Replica, tmp_path: Path) -> None:
    assert await one.value(await one.order("leaves_a_task_behind", folder=str(tmp_path))) == 1
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize("task", ["wait_for", "wait_for_plain"])
async def test_a_cancelled_attempt_cleans_up(four: Replica, tmp_path: Path, task: str) -> None:
    name = await four.order(task, folder=str(tmp_path), name="never")
    await eventually((tmp_path / "began").exists, timeout_seconds=30)
    four.service.cancel(four.ref(name))
    failure = await four.failure(name)
    assert failure.code == "Interrupted"
    assert failure.blame == Failure.BLAME_SYSTEM
    assert (tmp_path / "cleaned").exists()
    assert not (four.outputs(name) / "error.pb").exists(), "it is no verdict on the task"
    assert await four.value(await four.order("add_plain", x=1)) == 2


async def test_a_blocked_loop_is_alive(one: Replica, tmp_path: Path) -> None:
    name = await one.order("block", folder=str(tmp_path), seconds=3.0)
    await eventually((tmp_path / "began").exists, timeout_seconds=30)
    before = len(one.service.leases)
    one.service.beat_ms = 1000
    await eventually(lambda: len(one.service.leases) >= before + 2, timeout_seconds=10)
    assert name in one.service.started(), "its start is told while it blocks"
    assert name not in one.service.ended()
    assert await one.value(name) == 1


async def test_short_attempts_are_told_of_once(four: Replica) -> None:
    await four.value(await four.order("add", x=1))  # its import takes time
    names = [await four.order("add", x=n) for n in range(4)]
    assert [await four.value(name) for name in names] == [1, 2, 3, 4]
    ended = four.service.ended()
    assert all(ended[name].started_at > 0 for name in names)
    assert all(ended[name].at >= ended[name].started_at for name in names)


async def test_a_control_plane_that_is_new_hears_of_what_is_held(
    one: Replica, tmp_path: Path
) -> None:
    name = await one.order("wait_for", folder=str(tmp_path), name="go")
    await eventually(lambda: name in one.service.started(), timeout_seconds=30)
    one.service.restart()
    await eventually(lambda: len(one.service.registered) == 2)
    assert [ref.action for ref in one.service.registered[1].held] == [name]
    (tmp_path / "go").touch()
    assert await one.value(name, str) == "done"


async def test_an_end_is_told_until_it_is_committed(one: Replica) -> None:
    one.service.deaf = True
    name = await one.order("add", x=1)
    await eventually((one.outputs(name) / "outputs.pb").exists, timeout_seconds=30)
    one.service.restart()
    await eventually(lambda: len(one.service.registered) == 2)
    assert [ref.action for ref in one.service.registered[1].held] == [name], "not acknowledged"
    one.service.deaf = False
    assert await one.value(name) == 2


async def test_what_nobody_wants_any_more_is_cancelled_and_not_told(
    one: Replica, tmp_path: Path
) -> None:
    name = await one.order("wait_for", folder=str(tmp_path), name="never")
    await eventually((tmp_path / "began").exists, timeout_seconds=30)
    one.service.forget = [one.ref(name)]
    one.service.restart()
    await eventually((tmp_path / "cleaned").exists)
    assert await one.value(await one.order("add", x=1)) == 2
    assert name not in one.service.ended()


async def test_it_waits_for_a_control_plane_that_is_away(
    tmp_path: Path, service: WorkerService
) -> None:
    async with serving(service) as endpoint:
        port = int(endpoint.rpartition(":")[2])
        made = replica(tmp_path, service, endpoint=endpoint)
        one = await made.__aenter__()
        name = await one.order("wait_for", folder=str(tmp_path), name="go")
        await eventually(lambda: name in service.started(), timeout_seconds=30)
    try:
        (tmp_path / "go").touch()
        await eventually((one.outputs(name) / "outputs.pb").exists)
        service.restart()
        async with serving(service, port):
            assert await one.value(name, str) == "done"
            assert service.registered[-1].held[0].action == name
    finally:
        await made.__aexit__(None, None, None)


async def test_it_ends_when_it_is_drained_and_empty(one: Replica, tmp_path: Path) -> None:
    name = await one.order("wait_for", folder=str(tmp_path), name="go")
    await eventually((tmp_path / "began").exists, timeout_seconds=30)
    one.service.drain()
    await eventually(lambda: one.service.leases[-1].free == 0)
    assert one.process.poll() is None
    (tmp_path / "go").touch()
    assert await one.value(name, str) == "done"
    assert await one.end() == 0


async def test_sigterm_lets_code_clean_up_and_tells_of_it(one: Replica, tmp_path: Path) -> None:
    name = await one.order("wait_for", folder=str(tmp_path), name="never")
    await eventually((tmp_path / "began").exists, timeout_seconds=30)
    os.kill(one.process.pid, signal.SIGTERM)
    assert (await one.failure(name)).code == "Interrupted"
    assert (tmp_path / "cleaned").exists()
    assert await one.end() == 0


async def test_one_that_is_not_wanted_ends(tmp_path: Path, service: WorkerService) -> None:
    service.refusal = Code.FAILED_PRECONDITION
    async with (
        serving(service) as endpoint,
        replica(tmp_path, service, endpoint=endpoint) as made,
    ):
        assert await made.end() == 1
    assert "not wanted any more" in (tmp_path / "replica.log").read_text()


async def test_one_that_nobody_answers_and_that_has_nothing_to_do_ends(
    tmp_path: Path, service: WorkerService
) -> None:
    async with serving(service) as endpoint:
        made = replica(tmp_path, service, "--linger", "0.2", endpoint=endpoint)
        one = await made.__aenter__()
    try:
        assert await one.end() == 1
    finally:
        await made.__aexit__(None, None, None)


async def test_one_whose_record_is_gone_ends(tmp_path: Path, service: WorkerService) -> None:
    async with serving(service) as endpoint:
        made = replica(tmp_path, service, endpoint=endpoint)
        one = await made.__aenter__()
        name = await one.order("wait_for", folder=str(tmp_path), name="never")
        await eventually(lambda: name in service.started(), timeout_seconds=30)
    try:
        (tmp_path / "home" / "replicas" / "w-1.json").unlink()
        assert await one.end() == 1
    finally:
        await made.__aexit__(None, None, None)


async def test_large_outputs_and_many_attempts_leave_nothing_behind(four: Replica) -> None:
    await four.value(await four.order("add", x=1))
    for _ in range(2):
        names = [await four.order("add", x=n) for n in range(300)]
        await four.value(names[-1])
        used = _memory(four.process.pid)
        names = [await four.order("add", x=n) for n in range(700)]
        await four.value(names[-1])
    assert _memory(four.process.pid) - used < 6 * 1024 * 1024, "it grows with each attempt"


def _memory(pid: int) -> int:
    return psutil.Process(pid).memory_info().rss
