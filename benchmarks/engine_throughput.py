"""How much the engine and the store cost per action: enqueue, claim, started, succeeded.

Run: python benchmarks/engine_throughput.py [actions] [callers]
Prints one line of JSON; asserts nothing.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from flyte_server.clock import RealClock
from flyte_server.domain.capacity import Capacity
from flyte_server.domain.commands import NewAction, NewRun
from flyte_server.domain.events import Started, Succeeded
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Action, AttemptKey
from flyte_server.engine.bus import Bus, run_topic
from flyte_server.engine.engine import Engine
from flyte_server.store import actions
from flyte_server.store.database import Database

SLOTS = 16


def new_action(name: str, parent: str | None, cache_key: str | None = None) -> NewAction:
    return NewAction(
        name=name,
        parent=parent,
        task_name="env.task",
        spec=b"spec" * 400,
        input_uri=f"file:///data/r/{name}/inputs.pb",
        output_base="file:///data/r",
        cache_key=cache_key,
    )


async def execute(engine: Engine, action: Action, clock: RealClock) -> None:
    attempt = AttemptKey(action.run_id, action.name, action.attempt, action.token)
    await engine.apply(Started(attempt, "worker", 1, clock.now_us()))
    await engine.apply(Succeeded(attempt, clock.now_us()))


async def drain(engine: Engine, clock: RealClock, done: asyncio.Event) -> None:
    """A scheduler and an executor without processes."""
    running: set[asyncio.Task[None]] = set()
    while not (done.is_set() and not running):
        claims = await engine.claim(Capacity(SLOTS))
        running |= {asyncio.create_task(execute(engine, a, clock)) for a in claims.actions}
        if running:
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        elif not claims.actions:
            await asyncio.sleep(0.001)


async def succeeded(database: Database, run_id: int) -> int:
    counts = await database.read(actions.phase_counts, run_id, "a0")
    return counts.get(Phase.SUCCEEDED, 0)


async def measure(count: int, callers: int) -> dict[str, float]:
    clock = RealClock()
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(Path(folder) / "state.db")
        bus = Bus()
        engine = Engine(database, bus, clock)
        run, _ = await engine.create_run(NewRun("p", "d", b"run", new_action("a0", None)))
        claims = await engine.claim(Capacity(1))
        root = AttemptKey(run.id, "a0", 1, claims.actions[0].token)
        await engine.apply(Started(root, "worker", 1, clock.now_us()))
        begin, cpu = time.perf_counter(), time.process_time()
        done = asyncio.Event()
        consumer = asyncio.create_task(drain(engine, clock, done))
        numbers = iter(range(count))

        async def submit() -> None:
            for number in numbers:
                key = f"key-{number}" if number % 2 else None
                await engine.enqueue(run.id, new_action(f"child{number}", "a0", key))

        await asyncio.gather(*(submit() for _ in range(callers)))
        with bus.subscribe(run_topic(run.id)) as changes:
            while await succeeded(database, run.id) < count:
                await changes.wait(1.0)
        wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
        done.set()
        await consumer
        await engine.close()
        database.close()
    return {
        "actions": count,
        "callers": callers,
        "cpu_ms_per_action": round(cpu / count * 1e3, 3),
        "actions_per_second": round(count / wall, 1),
    }


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    callers = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    print(json.dumps(asyncio.run(measure(count, callers))))
