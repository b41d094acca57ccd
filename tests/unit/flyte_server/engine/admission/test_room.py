"""What the machine has is reserved: who starts, who waits and why, who comes back, and that nobody starves."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.clock import ManualClock
from tests.fakes.control_plane import ControlPlane, new_action, new_run

from flyte_server.domain.admission.accelerators import Device
from flyte_server.domain.admission.lanes import Gate
from flyte_server.domain.capacity import Capacity, Standing
from flyte_server.domain.events import Started, Succeeded
from flyte_server.domain.needs import Needs, Pool
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action, AttemptKey, Policy
from flyte_server.engine.admission import waiting
from flyte_server.engine.engine import Engine, Rules
from flyte_server.store import actions

GIB = 1 << 30
T4 = Device("GPU-a", "Tesla T4"), Device("GPU-b", "Tesla T4")
MACHINE = Capacity(100, cpu_milli=2000, memory=4 * GIB, disk=10 * GIB, devices=T4)
DEPTH = 50


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    made = ControlPlane(ManualClock())
    made.engine = Engine(made.database, made.bus, made.clock, rules=Rules(MACHINE))
    yield made
    made.database.close()


def asks(cpus: float = 0, *, gib: float = 0, gpus: int = 0, **fields: Any) -> Policy:
    needs = Needs(
        int(cpus * 1000), int(gib * GIB), devices=gpus, device_class="NVIDIA_GPU" if gpus else ""
    )
    return Policy(needs=needs, **fields)


async def claim(plane: ControlPlane, machine: Capacity = MACHINE) -> list[Action]:
    return (await plane.engine.claim(machine)).actions


async def names(plane: ControlPlane, machine: Capacity = MACHINE) -> list[str]:
    return [action.name for action in await claim(plane, machine)]


async def begin(plane: ControlPlane, name: str = "r", policy: Policy | None = None) -> int:
    """A run whose root has started; gives its number."""
    run, _ = await plane.engine.create_run(new_run(name, policy=policy or Policy()))
    for action in await claim(plane):
        await plane.engine.apply(Started(key(action), "host", 1, plane.clock.now_us()))
    return run.id


async def call(plane: ControlPlane, run: int, name: str, policy: Policy, **fields: Any) -> None:
    await plane.engine.enqueue(run, new_action(name, policy=policy, **fields))


async def end(plane: ControlPlane, run: int, name: str) -> None:
    await plane.engine.apply(Succeeded(key(await plane.action(name, run)), 9))


async def why(plane: ControlPlane, name: str, run: int = 1) -> waiting.Wait:
    action, processes = await plane.action(name, run), plane.engine.processes.all
    now = plane.clock.now_us()
    found = await plane.database.read(waiting.why, action, MACHINE, now, processes)
    assert found is not None
    return found


def key(action: Action) -> AttemptKey:
    return AttemptKey(action.run_id, action.name, action.attempt, action.token)


# who starts


async def test_what_is_asked_for_is_reserved_until_the_end(plane: ControlPlane) -> None:
    run = await begin(plane)
    for name, cpus in (("a", 1.5), ("b", 1.0), ("c", 0.5), ("none", 0)):
        await call(plane, run, name, asks(cpus))
    assert await names(plane) == ["a", "c", "none"], "b does not fit beside a; c does"
    await end(plane, run, "a")
    assert await names(plane) == ["b"]


async def test_memory_and_disk_are_reserved_too(plane: ControlPlane) -> None:
    run = await begin(plane)
    await call(plane, run, "m1", asks(gib=3))
    await call(plane, run, "m2", asks(gib=2))
    await call(plane, run, "d1", Policy(needs=Needs(disk=6 * GIB)))
    await call(plane, run, "d2", Policy(needs=Needs(disk=6 * GIB)))
    assert await names(plane) == ["m1", "d1"]
    await end(plane, run, "d1")
    assert await names(plane) == ["d2"]


async def test_nested_runs_on_one_cpu_end(plane: ControlPlane) -> None:
    """Fifty parents that wait, each with the only CPU while it computed."""
    one = replace(MACHINE, slots=1, cpu_milli=1000)
    await plane.engine.create_run(new_run(policy=asks(1)))
    running: list[AttemptKey] = []
    for level in range(DEPTH):
        (action,) = await claim(plane, one)
        await plane.engine.apply(Started(key(action), "host", 1, 1))
        running.append(key(action))
        if level < DEPTH - 1:
            await call(plane, 1, f"c{level}", asks(1), parent=action.name)
    for attempt in reversed(running):
        await plane.engine.apply(Succeeded(attempt, 2))
    assert (await plane.action("a0")).phase is Phase.SUCCEEDED


async def test_a_parent_that_returns_takes_its_cpu_again_without_waiting(
    plane: ControlPlane,
) -> None:
    run = await begin(plane, policy=asks(2, gib=3))
    await call(plane, run, "child", asks(1))
    await call(plane, run, "large", asks(gib=1))
    assert await names(plane) == ["child", "large"], "its CPUs are free while it waits"
    await end(plane, run, "large")
    await call(plane, run, "later", asks(gib=1.5), parent="child")
    (refused,) = (await why_failed(plane, "later"),)
    assert "the tasks that called it keep 3 GiB of memory" in refused, "its memory is not"
    other = await begin(plane, "other")
    await end(plane, run, "child")
    await call(plane, other, "waits", asks(0.5))
    assert await names(plane) == [], "it computes again, on both CPUs"


async def why_failed(plane: ControlPlane, name: str, run: int = 1) -> str:
    action = await plane.action(name, run)
    assert action.phase is Phase.FAILED
    assert action.failure is not None
    assert action.failure.code == "CannotSchedule"
    assert not action.failure.recoverable
    assert action.attempt == 0
    return action.failure.message


# who is refused


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        (Needs(cpu_milli=8000), "asks for 8 CPUs, this machine has 2 CPUs.\n\nnext: ask for less cpu"),
        (Needs(memory=64 * GIB), "asks for 64 GiB of memory, this machine has 4 GiB of memory.\n\nnext: "),
        (Needs(disk=1 << 40), "asks for 1 TiB of disk, this machine has 10 GiB of disk.\n\nnext: "),
        (Needs(devices=3, device_class="NVIDIA_GPU"), "asks for 3 GPUs, this machine has 2 x Tesla T4"),
        (
            Needs(devices=1, device="nvidia-tesla-a100", device_class="NVIDIA_GPU"),
            "asks for 1 A100, this machine has 2 x Tesla T4.\n\nnext: ask for what there is",
        ),
        (
            Needs(devices=1, device="nvidia-tesla-t4", device_class="NVIDIA_GPU", partition="1g.5gb"),
            "asks for 1 T4 partition 1g.5gb, this machine has 2 x Tesla T4.\n\nnext: ask for what there is",
        ),
        (Needs(devices=1, device_class="GOOGLE_TPU"), "asks for 1 GOOGLE_TPU, this machine has 2 x"),
    ],
)  # fmt: skip
async def test_more_than_the_machine_has_fails_at_once(
    plane: ControlPlane, needs: Needs, said: str
) -> None:
    run = await begin(plane)
    await call(plane, run, "large", Policy(needs=needs, retries=3))
    assert (await why_failed(plane, "large")).startswith(f"env.task {said}")
    assert await names(plane) == []


async def test_a_machine_without_accelerators_says_so(plane: ControlPlane) -> None:
    bare = Rules(replace(MACHINE, devices=()))
    plane.engine = Engine(plane.database, plane.bus, plane.clock, rules=bare)
    needs = Needs(devices=1, device="nvidia-tesla-t4", device_class="NVIDIA_GPU")
    _, root = await plane.engine.create_run(new_run(policy=Policy(needs=needs)))
    assert root.phase is Phase.FAILED
    assert "asks for 1 T4, this machine has none.\n\nnext: run it where there is one" in (
        await why_failed(plane, "a0")
    )


async def test_what_callers_keep_for_ever_is_not_waited_for(plane: ControlPlane) -> None:
    run = await begin(plane, policy=asks(gpus=2))
    await call(plane, run, "child", asks(gpus=1))
    assert "the tasks that called it keep 2 until it has ended" in await why_failed(plane, "child")


async def test_a_machine_that_became_smaller_refuses_what_waits(plane: ControlPlane) -> None:
    run = await begin(plane)
    await call(plane, run, "large", asks(2))
    smaller = replace(MACHINE, cpu_milli=1000)
    assert await names(plane, smaller) == []
    assert "asks for 2 CPUs, this machine has 1 CPU." in await why_failed(plane, "large", run)


# devices


async def test_devices_belong_to_one_attempt_each(plane: ControlPlane) -> None:
    run = await begin(plane)
    for name in ("g1", "g2", "g3"):
        await call(plane, run, name, asks(gpus=1))
    assert await names(plane) == ["g1", "g2"]
    assert (await devices(plane, "g1"), await devices(plane, "g2")) == (("GPU-a",), ("GPU-b",))
    told = await why(plane, "g3")
    assert [full.said for full in told.full] == ["1 GPU: 2 of 2 x Tesla T4 are taken"]
    assert [holder.action for holder in told.full[0].holders] == ["g1", "g2"]
    await end(plane, run, "g1")
    assert await names(plane) == ["g3"]
    assert await devices(plane, "g3") == ("GPU-a",)


async def devices(plane: ControlPlane, name: str, run: int = 1) -> tuple[str, ...]:
    return (await plane.database.read(actions.attempts, run, name))[-1].devices


# fair


async def test_a_run_with_very_many_does_not_keep_a_later_one_waiting(plane: ControlPlane) -> None:
    machine = replace(MACHINE, slots=4)
    first = await begin(plane, "first")
    for number in range(50):
        await call(plane, first, f"c{number}", Policy())
    assert len(await claim(plane, machine)) == 4
    clock(plane).advance(60)
    run, _ = await plane.engine.create_run(new_run("later"))
    await end(plane, first, "c0")
    assert await names(plane, machine) == ["a0"], "a run of which nothing is alive is next"
    for number in range(50):
        await call(plane, run.id, f"d{number}", Policy())
    for number in (1, 2):
        await end(plane, first, f"c{number}")
    assert await names(plane, machine) == ["d0", "c4", "d1"], "its root waits: two of each"


@pytest.mark.parametrize("queued", [20, 200])
async def test_a_claim_costs_by_runs_and_not_by_what_waits(
    plane: ControlPlane, queued: int
) -> None:
    machine = replace(MACHINE, slots=2)
    runs = [await begin(plane, f"r{number}") for number in range(20)]
    policies = (Policy(), asks(1))
    commands = [
        (run, new_action(f"c{number}", policy=policies[number % 2]))
        for run in runs
        for number in range(queued)
    ]
    await asyncio.gather(*(plane.engine.enqueue(run, command) for run, command in commands))
    steps: list[int] = []
    plane.database._connection().set_progress_handler(lambda: steps.append(1), 10)
    assert len(await claim(plane, machine)) == 2
    plane.database._connection().set_progress_handler(None, 0)
    assert len(steps) < 1000


async def test_among_equals_what_has_begun_is_finished_first(plane: ControlPlane) -> None:
    one = replace(MACHINE, slots=1)
    first = await begin(plane, "first")
    await plane.engine.create_run(new_run("second"))
    clock(plane).advance(1.9)
    await call(plane, first, "soon", Policy())
    clock(plane).advance(0.2)
    await call(plane, first, "late", Policy())
    assert await names(plane, one) == ["soon"]
    await end(plane, first, "soon")
    assert await names(plane, one) == ["a0"]


async def test_who_asks_for_much_is_not_overtaken_for_ever(plane: ControlPlane) -> None:
    run = await begin(plane)
    await call(plane, run, "s0", asks(1))
    await call(plane, run, "s1", asks(1))
    assert await names(plane) == ["s0", "s1"]
    await call(plane, run, "large", asks(2))
    clock(plane).advance(1)
    await call(plane, run, "s2", asks(1))
    await end(plane, run, "s0")
    assert await names(plane) == ["s2"], "at first small ones pass"
    clock(plane).advance(4)
    await call(plane, run, "s3", asks(1))
    await call(plane, run, "free", Policy())
    await call(plane, run, "memory", asks(gib=1))
    await end(plane, run, "s1")
    assert await names(plane) == ["free", "memory"], "who wants no CPU passes"
    (full,) = (await why(plane, "s3")).full
    assert full.said == "1 CPU: what becomes free is waited for longer"
    assert [holder.action for holder in full.holders] == ["large"]
    await end(plane, run, "s2")
    assert await names(plane) == ["large"]
    await end(plane, run, "large")
    assert await names(plane) == ["s3"]


async def test_who_is_waited_for_may_pass(plane: ControlPlane) -> None:
    """A parent keeps its memory until its children have ended: they must not wait behind who wants that memory."""
    first = await begin(plane, "first", asks(gib=3))
    await plane.engine.create_run(new_run("large", policy=asks(gib=4)))
    clock(plane).advance(60)
    await call(plane, first, "child", asks(gib=0.5))
    third = await begin(plane, "third", asks(gib=0.5))
    assert (await plane.action("a0", third)).phase is Phase.QUEUED
    assert (await plane.action("child", first)).phase is Phase.RUNNING


async def test_runs_that_keep_memory_do_not_wait_for_each_other_for_ever(
    plane: ControlPlane,
) -> None:
    one, two = await begin(plane, "one", asks(gib=2)), await begin(plane, "two", asks(gib=2))
    await call(plane, one, "c1", asks(gib=1))
    await call(plane, two, "c2", asks(gib=1))
    assert await names(plane) == [], "both keep a half, and each wants some of the other's"
    clock(plane).advance(5)
    assert await names(plane) == ["c1"], "one starts above the capacity"
    assert await names(plane) == [], "which will free something"
    await end(plane, one, "c1")
    await end(plane, one, "a0")
    assert await names(plane) == ["c2"]


# pools


def pooled(*, replicas: int = 1, concurrency: int = 1) -> Policy:
    pool = Pool("k", "warm", 1, replicas, concurrency, 10, 10)
    return Policy(pool=pool, needs=Needs(cpu_milli=1000))


async def test_a_pool_lets_as_many_in_as_it_has_places(plane: ControlPlane) -> None:
    busy = replace(MACHINE, slots=1, cpu_milli=1000)
    run = await begin(plane)
    await call(plane, run, "cold", asks(1))
    assert await names(plane, busy) == ["cold"]
    for number in range(5):
        await call(plane, run, f"w{number}", pooled(replicas=2, concurrency=2), environment="warm")
    assert await names(plane, busy) == ["w0", "w1", "w2", "w3"], "they hold no slot and no CPU"
    told = await why(plane, "w4")
    assert [full.said for full in told.full] == ["pool warm: all 4 taken"]
    assert [holder.action for holder in told.full[0].holders] == ["w0", "w1", "w2", "w3"]
    await end(plane, run, "w2")
    assert await names(plane, busy) == ["w4"]


async def test_callers_that_fill_their_pool_call_nobody_in_it(plane: ControlPlane) -> None:
    run = await begin(plane, policy=pooled())
    await call(plane, run, "inner", pooled(), environment="warm")
    assert "keep the only one until it has ended" in await why_failed(plane, "inner")


async def test_replicas_reserve_what_they_need(plane: ControlPlane) -> None:
    needs = Needs(cpu_milli=1500, memory=3 * GIB, devices=1, device_class="NVIDIA_GPU")
    assert await plane.engine.reserve(Standing("w-1", "k", needs)) == ("GPU-a",)
    assert await plane.engine.reserve(Standing("w-1", "k", needs)) == ("GPU-a",), "asked again"
    assert await plane.engine.reserve(Standing("w-2", "k", needs)) is None, "too little memory"
    run = await begin(plane)
    await call(plane, run, "large", asks(gib=2))
    await call(plane, run, "quick", asks(2))
    assert await names(plane) == ["quick"], "a pool without work holds no CPU"
    told = await why(plane, "large")
    assert [full.said for full in told.full] == [
        "2 GiB of memory: 3 GiB of memory of 4 GiB of memory are reserved"
    ]
    assert [holder.action for holder in told.full[0].holders] == ["w-1"]
    await end(plane, run, "quick")
    await call(plane, run, "warm", pooled())
    await call(plane, run, "other", asks(1))
    assert await names(plane) == ["warm", "other"]
    await call(plane, run, "third", asks(0.6))
    assert await names(plane) == [], "the replica computes"
    await plane.engine.release("w-1")
    assert await names(plane) == ["large", "third"]


async def test_replicas_that_stand_already_are_counted(plane: ControlPlane) -> None:
    await plane.engine.keep(Standing("w-1", "k", Needs(devices=2), ("GPU-a", "GPU-b")))
    run = await begin(plane)
    await call(plane, run, "g", asks(gpus=1))
    assert await names(plane) == []
    assert [holder.action for holder in (await why(plane, "g")).full[0].holders] == ["w-1"]


# why one waits


async def test_who_waits_for_cpus_is_told_whose(plane: ControlPlane) -> None:
    run = await begin(plane)
    await call(plane, run, "a", asks(1.5))
    assert await names(plane) == ["a"]
    await call(plane, run, "b", asks(2))
    clock(plane).advance(1)
    await call(plane, run, "c", asks(2))
    told = await why(plane, "c")
    assert (told.reason, told.ahead, told.since) == (waiting.LIMIT, 1, plane.clock.now_us())
    (full,) = told.full
    assert (full.gate, full.most) == (Gate("machine", "cpu"), 2000)
    assert full.said == "2 CPUs: 1.5 CPUs of 2 CPUs are reserved"
    assert [(each.run, each.action) for each in full.holders] == [("r", "a")]


def clock(plane: ControlPlane) -> ManualClock:
    assert isinstance(plane.clock, ManualClock)
    return plane.clock
