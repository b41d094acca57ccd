"""The process executor with real hosts and real processes."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from tests import stored_logs
from tests.support import eventually
from tests.unit.flyte_server.executors.stage import Stage, gone, pids_in

from flyte_server.domain.events import Failed, Lost, Started, Succeeded
from flyte_server.executors.process import records


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path / "home")
    yield made
    await made.strike()


async def test_an_attempt_that_ends_well_is_reported_and_forgotten(stage: Stage) -> None:
    executor = await stage.started()
    spec = stage.spec("exit_with", 0)
    await executor.launch(spec)
    end = await stage.end(spec)
    assert isinstance(end, Succeeded)
    assert end.started_at is not None
    assert end.started_at <= end.at
    await eventually(lambda: not executor._held)


async def test_a_bad_exit_and_a_deadly_signal_are_failures(stage: Stage) -> None:
    executor = await stage.started()
    wrong = stage.spec("exit_with", 3, name="wrong")
    crash = stage.spec("die_of", int(signal.SIGSEGV), name="crash")
    for spec in (wrong, crash):
        await executor.launch(spec)
    assert isinstance(failed := await stage.end(wrong), Failed)
    assert failed.failure.message == "3 None"
    assert isinstance(failed := await stage.end(crash), Failed)
    assert failed.failure.message == f"None {int(signal.SIGSEGV)}"


async def test_a_verdict_that_cannot_be_read_ends_the_attempt_all_the_same(stage: Stage) -> None:
    executor = await stage.started()
    spec = stage.spec("exit_with", 0, output_prefix="unreadable")
    await executor.launch(spec)
    assert isinstance(end := await stage.end(spec), Failed)
    assert "unreadable" in end.failure.message


async def test_output_of_every_kind_is_in_the_log(stage: Stage) -> None:
    executor = await stage.started()
    spec = stage.spec("speak")
    await executor.launch(spec)
    await stage.end(spec)
    await stage.whole_log(spec)
    first, *said = stored_logs.lines(spec.log_path, "o")
    assert first == "imported", "what modules print is in the log of the first attempt"
    assert said == ["from print", "from os.write", "from a subprocess"]
    assert stored_logs.lines(spec.log_path, "e") == ["and its errors"]


async def test_attempts_share_a_host_and_nothing_else(stage: Stage, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    (bundle / "package").mkdir(parents=True)
    (bundle / "data.csv").write_text("1")
    executor = await stage.started()
    specs = [
        stage.spec("tell", tmp_path / name, name=name, PRELOAD=str(bundle), cpus=3) for name in "ab"
    ]
    for spec in specs:
        await executor.launch(spec)
        await stage.end(spec)
    assert len(stage.host_pids()) == 1
    a, b = ((tmp_path / name).read_text().splitlines() for name in "ab")
    directories, drawn = (a[0], b[0]), (a[2], b[2])
    assert len(set(directories)) == 2
    assert len(set(drawn)) == 2, "random numbers differ"
    assert a[1] == b[1] == "data.csv,package", "the bundle's files are in the working directory"
    assert a[3] == str(["a0", "tell", str(tmp_path / "a")])
    assert a[4:] == ["3", "a", "True", "/dev/null"]
    assert b[5] == "b"
    await eventually(lambda: not any(Path(directory).exists() for directory in directories))


async def test_kill_ends_the_group_after_the_grace(stage: Stage, tmp_path: Path) -> None:
    executor = await stage.started()
    spec = stage.spec("resist", tmp_path / "mark")
    await executor.launch(spec)
    leader, child = await pids_in(tmp_path / "mark")
    await executor.kill(spec.attempt, 0.3)
    await eventually(lambda: gone(child))
    assert not stage.end_of(spec) or gone(leader), "SIGTERM alone ends neither"
    assert isinstance(end := await stage.end(spec), Failed)
    assert end.failure.message == f"None {int(signal.SIGKILL)}"
    assert gone(leader)
    assert gone(child)


async def test_what_left_the_group_is_asked_to_end_before_it_is_killed(
    stage: Stage, tmp_path: Path
) -> None:
    executor = await stage.started()
    spec = stage.spec("keep_tidy", tmp_path / "mark")
    await executor.launch(spec)
    leader, outsider = await pids_in(tmp_path / "mark")
    await executor.kill(spec.attempt, 60)
    await stage.end(spec)
    assert gone(leader)
    assert gone(outsider)
    assert (tmp_path / "mark.tidied").read_text() == "SIGTERM"


async def test_a_killed_attempt_has_ended_when_nothing_of_it_is_alive(
    stage: Stage, tmp_path: Path
) -> None:
    executor = await stage.started()
    spec = stage.spec("keep_daemon", tmp_path / "mark")
    await executor.launch(spec)
    pids = await pids_in(tmp_path / "mark")
    await executor.kill(spec.attempt, 0.2)
    await stage.end(spec)
    assert all(map(gone, pids)), "at the moment of the report"


async def test_a_kill_that_comes_while_the_host_starts_is_obeyed(
    stage: Stage, tmp_path: Path
) -> None:
    executor = await stage.started()
    spec = stage.spec("sleep", tmp_path / "mark")
    await executor.launch(spec)
    await executor.kill(spec.attempt, 60)
    assert isinstance(await stage.end(spec), Lost | Failed)
    late = stage.spec("exit_with", 0, name="late")
    await executor.launch(late)
    await stage.end(late)
    assert not (tmp_path / "mark").exists(), "its process never came to its work"


@pytest.mark.skipif(sys.platform != "linux", reason="the scan needs /proc")
async def test_a_daemon_does_not_outlive_its_host(stage: Stage, tmp_path: Path) -> None:
    executor = await stage.started()
    spec = stage.spec("keep_daemon", tmp_path / "mark")
    await executor.launch(spec)
    await stage.start_of(spec)
    pids = await pids_in(tmp_path / "mark")
    (host,) = stage.host_pids()
    os.kill(host, signal.SIGKILL)
    assert isinstance(await stage.end(spec), Lost)
    assert all(map(gone, pids)), "before the next attempt may start"


@pytest.mark.skipif(sys.platform != "linux", reason="the scan needs /proc")
async def test_what_is_left_of_an_attempt_that_nobody_holds_is_ended(
    stage: Stage, tmp_path: Path
) -> None:
    """Host and control plane died together: only the processes themselves know whose they are."""
    first = await stage.started()
    spec = stage.spec("keep_daemon", tmp_path / "mark")
    await first.launch(spec)
    await stage.start_of(spec)
    leader, daemon = await pids_in(tmp_path / "mark")
    await first.close()
    (host,) = stage.host_pids()
    os.kill(host, signal.SIGKILL)
    await eventually(lambda: gone(leader))
    assert not gone(daemon)
    second = await stage.started()
    await second.kill(spec.attempt, 0)
    assert spec.attempt in await second.alive(), "nobody takes it for lost meanwhile"
    assert isinstance(await stage.end(spec), Lost)
    assert gone(daemon)


async def test_kill_lets_a_process_end_by_itself(stage: Stage, tmp_path: Path) -> None:
    executor = await stage.started()
    spec = stage.spec("sleep", tmp_path / "mark")
    await executor.launch(spec)
    await pids_in(tmp_path / "mark")
    await executor.kill(spec.attempt, 60)
    assert isinstance(end := await stage.end(spec), Failed)
    assert end.failure.message == f"None {int(signal.SIGTERM)}"


async def test_what_a_task_leaves_running_is_ended_and_mentioned(
    stage: Stage, tmp_path: Path
) -> None:
    executor = await stage.started()
    spec = stage.spec("leave_behind", tmp_path / "mark")
    await executor.launch(spec)
    assert isinstance(await stage.end(spec), Succeeded)
    left = await pids_in(tmp_path / "mark")
    assert all(gone(pid) for pid in left)
    said = stage.log(spec)
    assert "ended what the task had left running" in said
    assert all(str(pid) in said for pid in left)


async def test_a_daemon_of_a_running_attempt_is_left_alone(stage: Stage, tmp_path: Path) -> None:
    """Its parent, a shell, is gone; the attempt that wanted it is not."""
    executor = await stage.started()
    keeper = stage.spec("keep_daemon", tmp_path / "mark", name="keeper")
    await executor.launch(keeper)
    leader, daemon = await pids_in(tmp_path / "mark")
    other = stage.spec("exit_with", 0, name="other")
    await executor.launch(other)
    await stage.end(other)
    assert not gone(daemon)
    await executor.kill(keeper.attempt, 0.1)
    await stage.end(keeper)
    assert gone(daemon)
    assert gone(leader)


async def test_launching_twice_starts_once(stage: Stage, tmp_path: Path) -> None:
    executor = await stage.started()
    spec = stage.spec("sleep", tmp_path / "mark")
    await executor.launch(spec)
    await executor.launch(spec)
    await stage.start_of(spec)
    await executor.launch(spec)
    await executor.kill(spec.attempt, 0)
    await stage.end(spec)
    assert len([e for e in stage.events if isinstance(e, Started)]) == 1


async def test_an_attempt_that_nobody_holds_is_lost(stage: Stage) -> None:
    executor = await stage.started()
    spec = stage.spec("exit_with", 0)
    await executor.kill(spec.attempt, 1)
    assert isinstance(await stage.end(spec), Lost)


async def test_an_end_is_reported_until_it_is_taken(stage: Stage) -> None:
    stage.report_fails = 1
    executor = await stage.started()
    spec = stage.spec("exit_with", 0)
    await executor.launch(spec)
    assert isinstance(await stage.end(spec), Succeeded)


async def test_a_preload_that_fails_is_left_to_the_child(stage: Stage) -> None:
    executor = await stage.started()
    spec = stage.spec("exit_with", 0, PRELOAD="fail")
    await executor.launch(spec)
    assert isinstance(await stage.end(spec), Succeeded)


async def test_a_preload_that_crashes_loses_the_attempt_and_says_why(stage: Stage) -> None:
    executor = await stage.started()
    spec = stage.spec("exit_with", 0, PRELOAD="die")
    await executor.launch(spec)
    assert isinstance(end := await stage.end(spec), Lost)
    assert "was killed by SIGSEGV" in end.reason
    again = stage.spec("exit_with", 0, name="again")
    await executor.launch(again)
    assert isinstance(await stage.end(again), Succeeded), "the next attempt gets a new host"


async def test_modules_that_start_threads_are_executed_not_forked(
    stage: Stage, tmp_path: Path
) -> None:
    """What `a0` is, is not said here: it only has to be executed, and by another host."""
    prefix = fake_prefix(tmp_path)
    executor = await stage.started()
    spec = stage.spec("one", "two", PRELOAD="threads", VIRTUAL_ENV=str(prefix))
    await executor.launch(spec)
    assert isinstance(await stage.end(spec), Succeeded)
    log = await stage.whole_log(spec)
    assert "executed with one two" in log
    assert "starts in a fresh process, which takes about a second: importing the task's" in log
    again = stage.spec("one", "two", name="again", PRELOAD="threads", VIRTUAL_ENV=str(prefix))
    await executor.launch(again)
    assert isinstance(await stage.end(again), Succeeded)
    assert "fresh process" not in await stage.whole_log(again), "it is said once"


async def test_a_foreign_interpreter_gets_its_own_command(stage: Stage, tmp_path: Path) -> None:
    prefix = fake_prefix(tmp_path, can_host=False)
    executor = await stage.started()
    spec = stage.spec("one", "two", VIRTUAL_ENV=str(prefix))
    await executor.launch(spec)
    assert isinstance(await stage.end(spec), Succeeded)
    assert "executed with one two" in await stage.whole_log(spec)


async def test_any_command_can_be_executed_and_killed(stage: Stage, tmp_path: Path) -> None:
    executor = await stage.started()
    script = f"echo $$ > {tmp_path / 'mark'}; sleep 600"
    spec = stage.spec("-c", script, command=("sh",))
    await executor.launch(spec)
    [pid] = await pids_in(tmp_path / "mark")
    started = await stage.start_of(spec)
    assert started.pid == pid
    await executor.kill(spec.attempt, 5)
    assert isinstance(await stage.end(spec), Failed)
    assert gone(pid)


@pytest.mark.parametrize(
    ("command", "prefix", "said"),
    [
        (("no-such-program",), sys.prefix, "no-such-program"),
        (("a0",), "/no/such/environment", "/no/such/environment/bin/python does not exist"),
        ((), sys.prefix, "has no command"),
    ],
)
async def test_what_cannot_run_here_fails_at_once(
    stage: Stage, command: tuple[str, ...], prefix: str, said: str
) -> None:
    executor = await stage.started()
    spec = stage.spec("x", command=command, VIRTUAL_ENV=prefix)
    await executor.launch(spec)
    assert isinstance(end := await stage.end(spec), Failed)
    assert said in end.failure.message
    assert not end.failure.recoverable


async def test_a_host_that_dies_takes_its_attempts_with_it(stage: Stage, tmp_path: Path) -> None:
    executor = await stage.started()
    spec = stage.spec("resist", tmp_path / "mark")
    await executor.launch(spec)
    leader, child = await pids_in(tmp_path / "mark")
    await stage.start_of(spec)
    [host] = stage.host_pids()
    os.kill(host, signal.SIGKILL)
    assert isinstance(end := await stage.end(spec), Lost)
    assert f"(process {host}) was killed by SIGKILL" in end.reason
    assert gone(leader)
    assert gone(child)
    assert stage.host_pids() == []


async def test_nothing_more_goes_to_a_host_that_the_machine_told_to_end(
    stage: Stage, tmp_path: Path
) -> None:
    executor = await stage.started()
    spec = stage.spec("resist", tmp_path / "mark")
    await executor.launch(spec)
    await pids_in(tmp_path / "mark")
    [host] = stage.host_pids()
    os.kill(host, signal.SIGTERM)
    late = stage.spec("exit_with", 0, name="late")
    await executor.launch(late)
    end = await stage.end(late)
    assert isinstance(end, Succeeded), str(end)
    assert host in stage.host_pids(), "the other one still has its grace"


async def test_a_host_that_does_not_answer_a_kill_is_ended(stage: Stage) -> None:
    executor = await stage.started(answer_seconds=0.2)
    spec = stage.spec("exit_with", 0, PRELOAD="hang")
    await executor.launch(spec)
    await eventually(lambda: stage.log(spec))
    await executor.kill(spec.attempt, 0.1)
    assert isinstance(end := await stage.end(spec), Lost)
    assert "SIGKILL" in end.reason


async def test_a_new_control_plane_adopts_what_runs_and_hears_what_ended(
    stage: Stage, tmp_path: Path
) -> None:
    first = await stage.started()
    running = stage.spec("sleep", tmp_path / "running", name="running")
    ending = stage.spec("sleep", tmp_path / "ending", name="ending")
    for spec in (running, ending):
        await first.launch(spec)
        await stage.start_of(spec)
    [pid] = await pids_in(tmp_path / "running")
    [other] = await pids_in(tmp_path / "ending")
    hosts = stage.host_pids()
    await first.close()
    os.kill(other, signal.SIGTERM)
    await eventually(lambda: not psutil.pid_exists(other))

    second = await stage.started()
    assert running.attempt in await second.alive()
    assert stage.host_pids() == hosts
    assert isinstance(await stage.end(ending), Failed)
    assert not gone(pid)
    assert not stage.end_of(running)
    joining = stage.spec("exit_with", 0, name="joining")
    await second.launch(joining)
    assert isinstance(await stage.end(joining), Succeeded)
    assert stage.host_pids() == hosts, "the adopted host serves on"
    await second.kill(running.attempt, 1)
    assert isinstance(await stage.end(running), Failed)
    await eventually(lambda: not second._held)


async def test_a_host_that_ends_alone_leaves_its_results(stage: Stage, tmp_path: Path) -> None:
    first = await stage.started()
    spec = stage.spec("sleep", tmp_path / "mark")
    await first.launch(spec)
    [pid] = await pids_in(tmp_path / "mark")
    await stage.start_of(spec)
    [host] = stage.host_pids()
    await first.close()
    os.kill(host, signal.SIGTERM)  # ends its children, then itself
    await eventually(lambda: gone(host))
    assert gone(pid)

    second = await stage.started()
    assert isinstance(await stage.end(spec), Failed)
    await eventually(lambda: not second._held)
    await eventually(lambda: stage.host_pids() == [])


async def test_a_removed_home_ends_hosts_that_are_alone(stage: Stage, tmp_path: Path) -> None:
    executor = await stage.started()
    spec = stage.spec("sleep", tmp_path / "mark")
    await executor.launch(spec)
    [pid] = await pids_in(tmp_path / "mark")
    [record] = records.found(stage.home)
    await executor.close()
    record.path.unlink()
    await eventually(lambda: gone(record.pid) and gone(pid))


async def test_a_record_of_a_dead_host_is_cleared_away(stage: Stage) -> None:
    hosts = records.directory(stage.home)
    (hosts / "h-old.json").write_text(
        json.dumps(
            {"protocol": 1, "pid": os.getpid(), "start_ticks": 1, "socket": "/nowhere", "ended": []}
        )
    )
    (hosts / "h-torn.json").write_text("{")
    await stage.started()
    assert list(hosts.glob("*.json")) == [], "and this process, which has the number now, lives"


async def test_a_deep_home_works_too(tmp_path: Path) -> None:
    stage = Stage(tmp_path / ("deep" * 20))
    executor = await stage.started()
    spec = stage.spec("sleep", tmp_path / "mark")
    await executor.launch(spec)
    await stage.start_of(spec)
    [record] = records.found(stage.home)
    await executor.close()
    assert not record.socket.startswith(str(stage.home))
    second = await stage.started()
    assert spec.attempt in await second.alive()
    await second.kill(spec.attempt, 0)
    await stage.end(spec)
    await eventually(lambda: not second._held)
    await stage.strike()
    assert not Path(record.socket).parent.exists()


async def test_the_spare_host_serves_first(stage: Stage, tmp_path: Path) -> None:
    executor = await stage.started(keep_warm=True)
    [spare] = await eventually(lambda: list(records.found(stage.home)))
    spec = stage.spec("wait_for", tmp_path / "go")
    await executor.launch(spec)
    assert (await stage.start_of(spec)).worker == spare.host_id
    (tmp_path / "go").write_text("0")
    await stage.end(spec)


async def test_too_many_idle_hosts_are_let_go(stage: Stage) -> None:
    executor = await stage.started(idle_hosts=1)
    specs = [stage.spec("exit_with", 0, name=key, host_key=key) for key in "abc"]
    for spec in specs:
        await executor.launch(spec)
        await stage.end(spec)
    await eventually(lambda: not executor._held)
    executor._hosts.trim()
    await eventually(lambda: len(stage.host_pids()) == 1)


def fake_prefix(tmp_path: Path, *, can_host: bool = True) -> Path:
    """A Python environment with an `a0` that tells what it was given; it has our SDK, or
    nothing."""
    prefix = tmp_path / "environment"
    (prefix / "bin").mkdir(parents=True)
    isolated = "" if can_host else "-I -S"
    write_script(prefix / "bin" / "python", f'exec {sys.executable} {isolated} "$@"')
    write_script(prefix / "bin" / "a0", 'echo "executed with $@"')
    return prefix


def write_script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
