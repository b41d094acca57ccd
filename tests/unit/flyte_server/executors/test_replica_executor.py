"""What a pool of replicas does for attempts: places, sessions, deaths, restarts."""

import os
import signal
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from tests.support import eventually
from tests.unit.flyte_server.executors.replica_stage import BAD, NOW_US, POOL, ReplicaStage
from tests.unit.flyte_server.executors.stage import gone

from flyte_server.domain import errors
from flyte_server.domain.capacity import Standing
from flyte_server.domain.events import Failed, Lost, Started, Succeeded
from flyte_server.domain.needs import Bounds, Needs
from flyte_server.engine.ports import Happened
from flyte_server.executors.common.limits.watch import WatchOptions


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[ReplicaStage]:
    made = ReplicaStage(tmp_path / "home")
    yield made
    await made.strike()


async def test_an_attempt_is_assigned_started_and_ended(stage: ReplicaStage) -> None:
    executor = await stage.started()
    spec = stage.spec("a")
    await executor.launch(spec)
    replica = await stage.player()
    await replica.hear()
    work = replica.attempts["a"]
    assert work.spec is spec
    assert work.env["ACTION_NAME"] == "a"
    assert "COMMON" not in work.env, "the replica was started with it"
    await replica.end("a")
    assert stage.of(spec) == [
        Started(spec.attempt, replica.record.replica_id, replica.record.pid, NOW_US),
        Succeeded(spec.attempt, NOW_US),
    ]
    assert await executor.alive() == ()


async def test_a_start_and_an_end_that_come_together_are_one_event(stage: ReplicaStage) -> None:
    executor = await stage.started()
    spec = stage.spec("a")
    await executor.launch(spec)
    replica = await stage.player()
    end = Succeeded(spec.attempt, NOW_US + 1, started_at=NOW_US)
    await replica.report(Happened(started=[(spec.attempt, NOW_US)], ended=[end]))
    assert stage.events == [end]


async def test_a_replica_never_gets_more_than_it_takes_at_once(stage: ReplicaStage) -> None:
    stage.pool = replace(POOL, max_replicas=1)
    executor = await stage.started()
    specs = [stage.spec(name) for name in "abc"]
    for spec in specs:
        await executor.launch(spec)
    replica = await stage.player()
    await replica.hear()
    assert sorted(replica.attempts) == ["a", "b"]
    assert specs[2].attempt in await executor.alive(), "it waits for a place"
    await replica.end("b", BAD)
    await replica.hear()
    assert sorted(replica.attempts) == ["a", "c"]
    assert stage.of(specs[1])[-1] == Failed(specs[1].attempt, BAD, NOW_US)


async def test_replicas_start_until_there_is_a_place_for_all_or_the_most_are_there(
    stage: ReplicaStage,
) -> None:
    executor = await stage.started()
    for name in "ab":
        await executor.launch(stage.spec(name))
    await stage.replicas(1)
    for name in "cdefg":
        await executor.launch(stage.spec(name))
    await stage.replicas(2)
    first, second = await stage.player(0), await stage.player(1)
    await first.hear()
    await second.hear()
    assert len(first.attempts) == len(second.attempts) == 2


async def test_a_replica_starts_when_the_machine_has_room_and_the_first_one_always(
    stage: ReplicaStage,
) -> None:
    stage.room.most = 0
    executor = await stage.started(lease_seconds=0.5)
    for name in "abcd":
        await executor.launch(stage.spec(name, needs=Needs(cpu_milli=500)))
    [record] = await stage.replicas(1)
    assert stage.room.standing == {
        record.replica_id: Standing(record.replica_id, "pool", Needs(cpu_milli=500))
    }
    stage.room.most = 2
    await stage.replicas(2)


async def test_accelerators_are_the_replicas_own(stage: ReplicaStage) -> None:
    def shown(devices: Collection[str]) -> Mapping[str, str]:
        return {"CUDA_VISIBLE_DEVICES": ",".join(devices)}

    executor = await stage.started(lease_seconds=0.5, accelerators=shown)
    stage.room.most = 0
    await executor.launch(stage.spec("a", needs=Needs(devices=2)))
    await executor.launch(stage.spec("b", needs=Needs(devices=2)))
    await eventually(lambda: stage.room.asked > 1)
    assert stage.records() == [], "even the first one waits for accelerators"
    stage.room.most = 1
    [record] = await stage.replicas(1)
    assert record.devices == ("GPU-0", "GPU-1")
    assert psutil.Process(record.pid).environ()["CUDA_VISIBLE_DEVICES"] == "GPU-0,GPU-1"


async def test_what_a_replica_has_reserved_is_given_back_when_it_is_gone(
    stage: ReplicaStage,
) -> None:
    executor = await stage.started()
    await executor.launch(stage.spec("a"))
    replica = await stage.player()
    await replica.hear()
    await replica.end("a")
    os.kill(replica.record.pid, signal.SIGKILL)
    await eventually(lambda: not stage.room.standing)


async def test_what_the_disk_refuses_the_replica_says_again(stage: ReplicaStage) -> None:
    executor = await stage.started()
    spec = stage.spec("a")
    await executor.launch(spec)
    replica = await stage.player()
    await replica.hear()
    stage.refusal = errors.StoreFailing("the disk is full")
    with pytest.raises(errors.StoreFailing):
        await replica.end("a")
    assert spec.attempt in await executor.alive()
    stage.refusal = None
    await replica.end("a")
    assert await stage.end(spec) == Succeeded(spec.attempt, NOW_US)


async def test_a_result_that_the_disk_refused_outlives_its_replica(stage: ReplicaStage) -> None:
    executor = await stage.started()
    spec = stage.spec("a")
    await executor.launch(spec)
    replica = await stage.player()
    await replica.hear()
    stage.refusal = errors.StoreFailing("the disk is full")
    with pytest.raises(errors.StoreFailing):
        await replica.end("a")
    os.kill(replica.record.pid, signal.SIGKILL)
    stage.refusal = None
    assert await stage.end(spec) == Succeeded(spec.attempt, NOW_US)


async def test_a_replica_that_dies_costs_its_leases_and_no_others(stage: ReplicaStage) -> None:
    executor = await stage.started()
    specs = [stage.spec(name) for name in "abcd"]
    for spec in specs:
        await executor.launch(spec)
    first, second = await stage.player(0), await stage.player(1)
    await first.hear()
    await second.hear()
    os.kill(first.record.pid, signal.SIGKILL)
    for name in first.attempts:
        lost = await stage.end(next(spec for spec in specs if spec.attempt.action == name))
        assert isinstance(lost, Lost)
        assert first.record.replica_id in lost.reason
        assert "SIGKILL" in lost.reason
    assert len(second.attempts) == 2
    for name in list(second.attempts):
        await second.end(name)
    await eventually(lambda: stage.records() == [second.record])


async def test_a_silent_replica_is_ended(stage: ReplicaStage) -> None:
    executor = await stage.started(lease_seconds=0.3)
    spec = stage.spec("a")
    await executor.launch(spec)
    replica = await stage.player()
    await replica.hear()
    os.kill(replica.record.pid, signal.SIGSTOP)
    lost = await stage.end(spec)
    assert isinstance(lost, Lost)
    assert "no sign of life" in lost.reason
    assert gone(replica.record.pid)


async def test_a_replica_that_uses_too_much_is_ended_and_the_reason_is_told(
    stage: ReplicaStage,
) -> None:
    executor = await stage.started(watch=WatchOptions("off", sample_seconds=0.05))
    spec = stage.spec("a", bounds=Bounds(memory=1 << 20))
    await executor.launch(spec)
    await (await stage.player()).hear()
    lost = await stage.end(spec)
    assert isinstance(lost, Lost)
    assert "more than the 1 MiB that its environment may use" in lost.reason


async def test_living_replicas_go_on_when_no_more_can_be_started(stage: ReplicaStage) -> None:
    executor = await stage.started(failed_starts=1, start_seconds=0.3, lease_seconds=1.5)
    await executor.launch(stage.spec("a"))
    replica = await stage.player()
    for name in "bc":
        await executor.launch(stage.spec(name))
    await stage.replicas(2)

    async def only_one_left() -> bool:
        await replica.hear()
        return len(stage.records()) == 1

    await eventually(only_one_left)
    assert not [event for event in stage.events if isinstance(event, Failed)]
    await replica.end("a")
    await replica.hear()
    assert sorted(replica.attempts) == ["b", "c"]


async def test_a_session_that_is_unknown_is_not_found(stage: ReplicaStage) -> None:
    executor = await stage.started()
    await executor.launch(stage.spec("a"))
    replica = await stage.player()
    name = replica.record.replica_id
    with pytest.raises(errors.NotFound, match="register again"):
        await executor.desk.lease(name, "", after=0, wait_seconds=0)
    with pytest.raises(errors.NotFound, match="register again"):
        await executor.desk.report("w-nobody", replica.session, Happened())


async def test_a_replica_that_nobody_knows_should_end(stage: ReplicaStage) -> None:
    executor = await stage.started()
    await executor.launch(stage.spec("a"))
    replica = await stage.unregistered()
    replica.record = replace(replica.record, replica_id="w-nobody")
    with pytest.raises(errors.Conflict, match="should end"):
        await replica.register()


async def test_a_replica_of_another_version_is_ended(stage: ReplicaStage) -> None:
    executor = await stage.started(failed_starts=1)
    spec = stage.spec("a")
    await executor.launch(spec)
    replica = await stage.unregistered()
    with pytest.raises(errors.Conflict, match="version 99"):
        await replica.register(protocol=99)
    failed = await stage.end(spec)
    assert isinstance(failed, Failed)
    assert "version 99" in failed.failure.message


async def test_what_a_replica_never_heard_is_said_again_in_the_next_session(
    stage: ReplicaStage,
) -> None:
    executor = await stage.started()
    heard, unheard = stage.spec("heard"), stage.spec("unheard")
    await executor.launch(heard)
    replica = await stage.player()
    await replica.hear()
    await replica.hear()  # the number of the first order arrives
    await executor.launch(unheard)
    await replica.register([heard.attempt])
    await replica.hear()
    assert sorted(replica.attempts) == ["heard", "unheard"]
    assert not [event for event in stage.events if isinstance(event, Lost)]


async def test_what_a_replica_heard_and_does_not_hold_is_lost(stage: ReplicaStage) -> None:
    executor = await stage.started()
    spec = stage.spec("a")
    await executor.launch(spec)
    replica = await stage.player()
    await replica.hear()
    await replica.hear()
    await replica.register([])
    assert isinstance(await stage.end(spec), Lost)


async def test_an_end_of_what_nobody_knows_is_passed_on(stage: ReplicaStage) -> None:
    executor = await stage.started()
    await executor.launch(stage.spec("a"))
    replica = await stage.player()
    old = stage.spec("old")
    await replica.report(Happened(ended=[Succeeded(old.attempt, NOW_US)]))
    await replica.report(Happened(ended=[Succeeded(old.attempt, NOW_US)]))
    assert stage.of(old) == 2 * [Succeeded(old.attempt, NOW_US)], "the rows know what it means"


async def test_a_kill_is_a_cancellation_first(stage: ReplicaStage) -> None:
    executor = await stage.started()
    spec, other = stage.spec("a"), stage.spec("b")
    await executor.launch(spec)
    await executor.launch(other)
    replica = await stage.player()
    await replica.hear()
    await executor.kill(spec.attempt, 5)
    await executor.kill(spec.attempt, 5)
    await replica.hear()
    assert replica.cancelled == ["a"], "once"
    assert isinstance(await stage.end(spec), Failed)
    assert set(await executor.alive()) == {other.attempt}


async def test_who_does_not_end_is_ended_with_its_replica(stage: ReplicaStage) -> None:
    executor = await stage.started()
    spec, other = stage.spec("a"), stage.spec("b")
    await executor.launch(spec)
    await executor.launch(other)
    replica = await stage.player()
    replica.obeys = False
    await replica.hear()
    await executor.kill(spec.attempt, 0.1)
    await replica.hear()
    assert replica.cancelled == ["a"]
    for lost in (await stage.end(spec), await stage.end(other)):
        assert isinstance(lost, Lost)
        assert "did not end attempt 1 of a when it was told to" in lost.reason
    assert gone(replica.record.pid)


async def test_who_waits_for_a_place_is_killed_at_once(stage: ReplicaStage) -> None:
    executor = await stage.started()
    spec = stage.spec("a")
    await executor.launch(spec)
    await executor.kill(spec.attempt, 60)
    assert isinstance(await stage.end(spec), Lost)
    replica = await stage.player()
    await replica.hear()
    assert not replica.attempts


async def test_replicas_that_do_not_start_are_given_up_with_their_last_words(
    stage: ReplicaStage,
) -> None:
    crash = ("-c", "import sys; sys.exit('no module named torch')")
    executor = await stage.started(words=crash)
    spec = stage.spec("a")
    await executor.launch(spec)
    failed = await stage.end(spec)
    assert isinstance(failed, Failed)
    assert not failed.failure.recoverable
    assert "environment 'env' do not start, tried 3 times" in failed.failure.message
    assert "ended with exit code 1" in failed.failure.message
    assert "no module named torch" in failed.failure.message


async def test_a_replica_that_never_registers_is_given_up(stage: ReplicaStage) -> None:
    executor = await stage.started(start_seconds=0.2, lease_seconds=0.5, failed_starts=1)
    spec = stage.spec("a")
    await executor.launch(spec)
    failed = await stage.end(spec)
    assert isinstance(failed, Failed)
    assert "did not register within" in failed.failure.message


async def test_an_interpreter_that_is_not_there_is_named(stage: ReplicaStage) -> None:
    executor = await stage.started()
    spec = stage.spec("a", env={"VIRTUAL_ENV": "/nowhere/venv"})
    assert await executor.takes(spec)
    await executor.launch(spec)
    failed = await stage.end(spec)
    assert isinstance(failed, Failed)
    assert "/nowhere/venv/bin/python does not exist" in failed.failure.message


async def test_other_code_or_other_variables_are_another_pool(stage: ReplicaStage) -> None:
    executor = await stage.started()
    await executor.launch(stage.spec("a"))
    await executor.launch(stage.spec("b", host_key="other code"))
    assert len({record.pool_key for record in await stage.replicas(2)}) == 2


async def test_what_is_no_task_of_ours_is_not_taken(stage: ReplicaStage) -> None:
    executor = await stage.started()
    assert await executor.takes(stage.spec("a"))
    assert not await executor.takes(stage.spec("a", command=("sh", "-c", "true")))
    assert not await executor.takes(stage.spec("a", pool=None))


async def test_an_idle_replica_goes_and_then_the_whole_pool(stage: ReplicaStage) -> None:
    stage.pool = replace(POOL, min_replicas=1, scaledown_seconds=0.3, idle_seconds=1.5)
    executor = await stage.started(lease_seconds=0.5)
    stage.play()
    specs = [stage.spec(name) for name in "abcd"]
    for spec in specs:
        await executor.launch(spec)
    await eventually(lambda: sum(len(each.attempts) for each in stage.players.values()) == 4)
    assert len(stage.records()) == 2
    for player in list(stage.players.values()):
        for name in list(player.attempts):
            await player.end(name)
    await eventually(lambda: len(stage.records()) == 1)
    await eventually(lambda: len(stage.records()) == 0)


async def test_a_replica_that_does_not_leave_is_ended(stage: ReplicaStage) -> None:
    stage.pool = replace(POOL, scaledown_seconds=0.1, idle_seconds=0.1)
    executor = await stage.started(lease_seconds=1, drain_seconds=0.2)
    await executor.launch(stage.spec("a"))
    replica = await stage.player()
    await replica.hear()
    await replica.end("a")
    await eventually(lambda: gone(replica.record.pid))
    await eventually(lambda: not stage.records())


async def test_the_next_control_plane_finds_what_runs(stage: ReplicaStage) -> None:
    first = await stage.started()
    spec, ended = stage.spec("a"), stage.spec("b")
    await first.launch(spec)
    await first.launch(ended)
    before = await stage.player()
    await before.hear()
    await first.close()
    second = await stage.started()
    assert not await second.settled(), "the replica has not said what it holds"
    after = await stage.unregistered()
    assert after.record == before.record
    await after.register([spec.attempt, ended.attempt])
    assert await second.settled()
    assert set(await second.alive()) == {spec.attempt, ended.attempt}
    assert await second.beating() == [after.record.replica_id]
    await after.end("b")
    third = stage.spec("c")
    await second.launch(third)
    await after.hear()
    assert sorted(after.attempts) == ["a", "c"], "it serves the pool as before"
    assert len(stage.records()) == 1


async def test_a_replica_that_died_meanwhile_is_buried_by_the_next_control_plane(
    stage: ReplicaStage,
) -> None:
    first = await stage.started()
    await first.launch(stage.spec("a"))
    replica = await stage.player()
    await replica.hear()
    await first.close()
    os.kill(replica.record.pid, signal.SIGKILL)
    second = await stage.started()
    await eventually(second.settled)
    assert await second.alive() == (), "the reconciler finds the row that nobody holds"
    assert stage.records() == []


async def test_a_close_ends_who_idles(stage: ReplicaStage) -> None:
    executor = await stage.started()
    await executor.launch(stage.spec("a"))
    replica = await stage.player()
    await replica.hear()
    await replica.end("a")
    await executor.close()
    assert gone(replica.record.pid)
    assert stage.records() == []


async def test_a_stopping_control_plane_answers_who_waits(stage: ReplicaStage) -> None:
    executor = await stage.started()
    await executor.launch(stage.spec("a"))
    replica = await stage.player()
    await replica.hear()
    executor.desk.rest()
    with pytest.raises(errors.Unavailable):
        await replica.hear(60)
