"""Hosts that are silent: ended without an excuse, waited for with one; and found again, whatever some of them do."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from tests.support import eventually
from tests.unit.flyte_server.executors.stage import Stage, gone, pids_in

from flyte_server.domain.events import Failed, Lost, Succeeded
from flyte_server.executors.process import records
from flyte_server.executors.process.connection import wire_key
from flyte_server.executors.process.executor import ProcessExecutor

LEASE_SECONDS = 1.0


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path / "home")
    yield made
    await made.strike()


async def until_asked(executor: ProcessExecutor, times: int) -> None:
    """Wait for so many looks at the hosts."""
    silence = executor._hosts._vigil._silence
    begin = silence._awake
    tick = executor._hosts.tick_seconds
    await eventually(lambda: silence._awake >= begin + times * tick, timeout_seconds=60)


async def test_a_stopped_host_is_ended_and_says_nothing_any_more(
    stage: Stage, tmp_path: Path
) -> None:
    executor = await stage.started(lease_seconds=LEASE_SECONDS)
    spec = stage.spec("sleep", tmp_path / "mark")
    await executor.launch(spec)
    [pid] = await pids_in(tmp_path / "mark")
    await stage.start_of(spec)
    [record] = records.found(stage.home)
    os.kill(record.pid, signal.SIGSTOP)

    async def is_doubted() -> bool:
        return record.host_id not in await executor.beating()

    await eventually(is_doubted)
    assert isinstance(end := await stage.end(spec), Lost)
    assert end.reason.startswith(
        f"host {record.host_id} (process {record.pid}) gave no sign of life for "
    )
    assert gone(record.pid)
    assert gone(pid), "the attempt is lost when nothing of it is left"
    assert stage.host_pids() == []


async def test_a_host_that_only_works_beats(stage: Stage, tmp_path: Path) -> None:
    executor = await stage.started(lease_seconds=LEASE_SECONDS)
    spec = stage.spec("resist", tmp_path / "mark")
    await executor.launch(spec)
    await stage.start_of(spec)
    await until_asked(executor, 10)
    assert list(await executor.beating()) == [
        record.host_id for record in records.found(stage.home)
    ]
    assert not stage.end_of(spec)


async def test_an_import_may_take_longer_than_the_lease(stage: Stage, tmp_path: Path) -> None:
    executor = await stage.started(lease_seconds=LEASE_SECONDS)
    spec = stage.spec("exit_with", 0, PRELOAD=f"until {tmp_path / 'imported'}")
    await executor.launch(spec)
    await eventually(lambda: "imported" in stage.log(spec))
    await until_asked(executor, 15)
    assert len(list(await executor.beating())) == 1
    (tmp_path / "imported").touch()
    assert isinstance(await stage.end(spec), Succeeded)


async def test_a_host_that_is_stopped_while_it_imports_is_ended(
    stage: Stage, tmp_path: Path
) -> None:
    executor = await stage.started(lease_seconds=LEASE_SECONDS)
    spec = stage.spec("exit_with", 0, PRELOAD="hang")
    await executor.launch(spec)
    await eventually(lambda: "imported" in stage.log(spec))
    [host] = stage.host_pids()
    os.kill(host, signal.SIGSTOP)
    assert isinstance(end := await stage.end(spec), Lost)
    assert "gave no sign of life" in end.reason


async def test_a_host_that_hangs_does_not_delay_the_adoption_of_others(
    stage: Stage, tmp_path: Path
) -> None:
    first = await stage.started()
    stuck = stage.spec("sleep", tmp_path / "stuck", name="stuck", host_key="one")
    good = stage.spec("sleep", tmp_path / "good", name="good", host_key="another")
    for spec in (stuck, good):
        await first.launch(spec)
        await stage.start_of(spec)
    [pid] = await pids_in(tmp_path / "stuck")
    await first.close()
    parent = psutil.Process(pid).parent()
    assert parent is not None
    parent.suspend()

    second = await stage.started(adopt_seconds=2, lease_seconds=LEASE_SECONDS)
    assert set(await second.alive()) == {good.attempt}
    assert not await second.settled(), "it may hold anything"
    await eventually(second.settled)
    await eventually(lambda: gone(parent.pid) and gone(pid))
    assert not stage.end_of(good)
    for spec in (stuck, good):
        await second.kill(spec.attempt, 0)
        await stage.end(spec)


async def test_a_host_that_imports_is_adopted_when_it_can_speak(
    stage: Stage, tmp_path: Path
) -> None:
    first = await stage.started()
    specs = [
        stage.spec("exit_with", 0, name=name, PRELOAD=f"until {tmp_path / 'imported'}")
        for name in ("a", "b")
    ]
    for spec in specs:
        await first.launch(spec)
    await eventually(lambda: "imported" in stage.log(specs[0]))
    hosts = stage.host_pids()
    await first.close()

    second = await stage.started(adopt_seconds=0.1, lease_seconds=LEASE_SECONDS)
    await until_asked(second, 15)
    assert not await second.settled()
    assert len(list(await second.beating())) == 1
    (tmp_path / "imported").touch()
    for spec in specs:
        assert isinstance(await stage.end(spec), Succeeded)
    assert await second.settled()
    assert len(hosts) == 1
    joining = stage.spec("exit_with", 0, name="joining", PRELOAD=f"until {tmp_path / 'imported'}")
    await eventually(lambda: not second._held)
    await second.launch(joining)
    assert isinstance(await stage.end(joining), Succeeded)
    await eventually(lambda: stage.host_pids() == hosts)


async def test_a_record_that_cannot_be_read_is_set_aside(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are adopted; the host itself misses its record and ends, with all it has."""
    first = await stage.started()
    torn = stage.spec("sleep", tmp_path / "torn", name="torn", host_key="one")
    good = stage.spec("sleep", tmp_path / "good", name="good", host_key="another")
    for spec in (torn, good):
        await first.launch(spec)
    [pid] = await pids_in(tmp_path / "torn")
    await pids_in(tmp_path / "good")
    started = await stage.start_of(torn)
    await first.close()
    path = records.path_of(stage.home, started.worker)
    path.write_text(path.read_text()[:20])

    second = await stage.started()
    assert set(await second.alive()) == {good.attempt}
    assert f"the record of host {started.worker} cannot be read" in caplog.text
    assert path.with_suffix(".json.unreadable").exists()
    await eventually(lambda: gone(pid))
    await second.kill(good.attempt, 0)
    await stage.end(good)


async def test_an_abort_during_an_import_spares_the_attempts_that_wait_for_it_too(
    stage: Stage, tmp_path: Path
) -> None:
    """A host that imports cannot answer the kill; it is not ended for that while others need it."""
    executor = await stage.started(answer_seconds=1)
    imported = f"until {tmp_path / 'imported'}"
    aborted = stage.spec("exit_with", 0, name="aborted", PRELOAD=imported)
    wanted = stage.spec("exit_with", 0, name="wanted", PRELOAD=imported)
    for spec in (aborted, wanted):
        await executor.launch(spec)
    await eventually(lambda: "imported" in stage.log(aborted))
    [host] = stage.host_pids()
    await executor.kill(aborted.attempt, 0.1)
    await until_asked(executor, 1)
    assert not gone(host)
    (tmp_path / "imported").touch()
    assert isinstance(await stage.end(wanted), Succeeded)
    assert await stage.end(aborted)


LEAVING_HOST = """
import json, os, socket, sys
from pathlib import Path
record, content = Path(sys.argv[1]), json.loads(sys.argv[2])
listener = socket.socket(socket.AF_UNIX)
listener.bind(content["socket"])
listener.listen()
content["pid"] = os.getpid()
record.write_text(json.dumps({**content, "ended": []}))
listener.accept()
record.write_text(json.dumps(content))
"""


async def test_a_testament_that_is_left_during_the_adoption_is_executed(stage: Stage) -> None:
    """The host takes the connection, but has nothing to say any more."""
    spec = stage.spec("exit_with", 3)
    path = records.directory(stage.home) / "h-leaving.json"
    ended = {
        "op": "exited",
        "key": wire_key(spec.attempt),
        "output_prefix": "prefix",
        "pid": 1,
        "code": 3,
        "signal": None,
        "detail": "",
        "started_at": 1,
        "at": 2,
    }
    socket = str(stage.home / "s")
    content = {"protocol": 2, "start_ticks": 0, "socket": socket, "ended": [ended]}
    leaving = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LEAVING_HOST, str(path), json.dumps(content))
    )
    await eventually(lambda: records.read(path))
    await stage.started()
    assert isinstance(end := await stage.end(spec), Failed)
    assert end.failure.message == "3 None"
    await eventually(lambda: not path.exists())
    await leaving.wait()
