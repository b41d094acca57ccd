"""What the engine relies on in every `engine.ports.Executor`; run on all of them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest
from tests.fakes.executor import FakeExecutor
from tests.support import eventually
from tests.unit.flyte_server.executors.replica_stage import BAD, ReplicaStage
from tests.unit.flyte_server.executors.stage import Stage

from flyte_server.clock import RealClock
from flyte_server.domain.events import Event, Failed, Lost, Started, Succeeded
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import AttemptKey, Failure
from flyte_server.engine.ports import Executor, LaunchSpec


class Harness(Protocol):
    """One executor, and a hand on what its attempts do."""

    events: list[Event]

    async def begin(self) -> Executor:
        """A started executor; again: one that takes the place of the first, as after a restart."""
        ...

    def spec(self, name: str) -> LaunchSpec:
        """An attempt that goes on until `finish` or a kill."""
        ...

    async def finish(self, spec: LaunchSpec, *, well: bool) -> None:
        """Let a running attempt end."""
        ...

    async def strike(self) -> None:
        """End everything."""
        ...


class ProcessHarness(Stage):
    """Attempts are processes that wait for a file which holds their exit code."""

    async def begin(self) -> Executor:
        for executor in self.executors:
            await executor.close()
        return await self.started()

    def spec(self, name: str) -> LaunchSpec:  # type: ignore[override]
        return super().spec("wait_for", self.home / f"{name}.exit", name=name)

    async def finish(self, spec: LaunchSpec, *, well: bool) -> None:
        self.write(spec.args[1], "0" if well else "1")


class ReplicaHarness(ReplicaStage):
    """Attempts go to processes that stay; what those would say is said for them."""

    async def begin(self) -> Executor:
        for executor in self.executors:
            await executor.close()
        self.play()
        executor = await self.started()
        await eventually(executor.settled)  # the replicas register by themselves, sooner or later
        return executor

    async def finish(self, spec: LaunchSpec, *, well: bool) -> None:
        name = spec.attempt.action
        player = await eventually(
            lambda: next(
                (each for each in self.players.values() if each.session and name in each.attempts),
                None,
            )
        )
        await player.end(name, None if well else BAD)


class FakeHarness:
    """The fake that the engine's tests use must keep the same promises."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._executor = FakeExecutor(RealClock())
        self._executor.report = self._report

    async def _report(self, event: Event) -> None:
        self.events.append(event)

    async def begin(self) -> Executor:
        await self._executor.close()
        await self._executor.start()
        return self._executor

    def spec(self, name: str) -> LaunchSpec:
        return LaunchSpec(
            attempt=AttemptKey(1, name, 1, "token"),
            task_name="env.task",
            environment="env",
            run_name="r1",
            command=("a0",),
            args=(),
            env={},
            output_prefix="",
            log_path="",
            host_key="",
        )

    async def finish(self, spec: LaunchSpec, *, well: bool) -> None:
        if well:
            await self._executor.succeed(spec.attempt.action)
        else:
            await self._executor.fail(
                spec.attempt.action, Failure("Exit", "exit code 1", Blame.SYSTEM)
            )

    async def strike(self) -> None:
        await self._executor.close()


@pytest.fixture(params=["process", "replicas", "fake"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    made: Harness = FakeHarness()
    if request.param == "process":
        made = ProcessHarness(tmp_path / "home")
    elif request.param == "replicas":
        made = ReplicaHarness(tmp_path / "home")
    yield made
    await made.strike()


def of(harness: Harness, spec: LaunchSpec) -> list[type[Event]]:
    """Kinds of the events of one attempt, in order."""
    return [type(event) for event in harness.events if event.attempt == spec.attempt]


@pytest.mark.parametrize(("well", "end"), [(True, Succeeded), (False, Failed)])
async def test_a_start_then_one_end(harness: Harness, well: bool, end: type[Event]) -> None:
    executor = await harness.begin()
    spec = harness.spec("a")
    await executor.launch(spec)
    await eventually(lambda: of(harness, spec) == [Started])
    await harness.finish(spec, well=well)
    await eventually(lambda: of(harness, spec) == [Started, end])


async def test_alive_is_what_has_no_end_yet(harness: Harness) -> None:
    executor = await harness.begin()
    ending, staying = harness.spec("ending"), harness.spec("staying")
    for spec in (ending, staying):
        await executor.launch(spec)
        assert spec.attempt in await executor.alive(), "from the launch on"
    await eventually(lambda: of(harness, ending))
    await harness.finish(ending, well=True)

    async def only_one_left() -> bool:
        return set(await executor.alive()) == {staying.attempt}

    await eventually(only_one_left)
    assert of(harness, ending) == [Started, Succeeded], "it is told before it is forgotten"
    await executor.kill(staying.attempt, 0)
    await eventually(lambda: Failed in of(harness, staying))


async def test_a_launch_may_be_repeated(harness: Harness) -> None:
    executor = await harness.begin()
    spec = harness.spec("a")
    await executor.launch(spec)
    await executor.launch(spec)
    await eventually(lambda: of(harness, spec))
    await executor.launch(spec)
    await harness.finish(spec, well=True)
    await eventually(lambda: of(harness, spec) == [Started, Succeeded])


async def test_a_kill_is_reported_as_an_end(harness: Harness) -> None:
    executor = await harness.begin()
    spec = harness.spec("a")
    await executor.launch(spec)
    await eventually(lambda: of(harness, spec))
    await executor.kill(spec.attempt, 1)
    await eventually(lambda: of(harness, spec) == [Started, Failed])


async def test_a_kill_of_the_unknown_is_a_loss(harness: Harness) -> None:
    executor = await harness.begin()
    spec = harness.spec("never launched")
    await executor.kill(spec.attempt, 1)
    await eventually(lambda: of(harness, spec) == [Lost])


async def test_a_close_ends_nothing(harness: Harness) -> None:
    first = await harness.begin()
    spec = harness.spec("a")
    await first.launch(spec)
    await eventually(lambda: of(harness, spec))
    second = await harness.begin()
    assert set(await second.alive()) == {spec.attempt}
    await harness.finish(spec, well=True)
    await eventually(lambda: of(harness, spec)[-1] is Succeeded)


async def test_workers_of_attempts_beat(harness: Harness) -> None:
    executor = await harness.begin()
    spec = harness.spec("a")
    await executor.launch(spec)
    await eventually(lambda: of(harness, spec))
    [started] = [event for event in harness.events if isinstance(event, Started)]
    assert started.worker in await executor.beating()
    assert await executor.settled()
    second = await harness.begin()
    assert started.worker in await second.beating(), "it is the same one after a restart"
    assert await second.settled()
    await harness.finish(spec, well=True)
    await eventually(lambda: of(harness, spec)[-1] is Succeeded)
