"""What a parent with very many children waits for when it is started again: the whole snapshot, up to the sentinel.

    python -m benchmarks.snapshot [children]

The official runtime waits five seconds for it and then does everything anew.  One control plane in a process of its
own, a parent that sleeps, and its children as traces, which need no process.  Prints one line of JSON.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import cast

from flyteidl2.actions import actions_service_pb2
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from flyteidl2.common import identifier_pb2, phase_pb2
from flyteidl2.core import identifier_pb2 as core_pb2
from flyteidl2.core import tasks_pb2
from flyteidl2.task import common_pb2, task_definition_pb2
from flyteidl2.workflow import run_service_pb2
from flyteidl2.workflow.run_service_connect import RunServiceClient
from pyqwest import Client, HTTPTransport

from flyte_protocol.actions.v1 import batch_pb2
from flyte_protocol.actions.v1.batch_connect import BatchServiceClient

CHILDREN = 10_000
Update = actions_service_pb2.WatchForUpdatesResponse
_BATCH = 500
_REPEAT = 5
_START_SECONDS = 20.0
_RUN = identifier_pb2.RunIdentifier(org="", project="p", domain="development", name="wide")


def measure(children: int = CHILDREN) -> dict[str, object]:
    """Seconds until the sentinel, for a parent with so many children."""
    with (
        tempfile.TemporaryDirectory(prefix="flyte-bench-") as home,
        _server(Path(home)) as endpoint,
    ):
        seconds = asyncio.run(_measured(endpoint, children))
    return {
        "snapshot_children": children,
        "snapshot_seconds": round(statistics.median(seconds), 3),
        "snapshot_seconds_max": round(max(seconds), 3),
    }


async def _measured(endpoint: str, children: int) -> list[float]:
    async with HTTPTransport() as transport:
        client = Client(transport)
        await _begun(RunServiceClient(endpoint, http_client=client))
        batches = BatchServiceClient(endpoint, http_client=client)
        for first in range(0, children, _BATCH):
            names = range(first, min(first + _BATCH, children))
            requests = [_trace(f"t{number}").SerializeToString() for number in names]
            await batches.enqueue_many(batch_pb2.EnqueueManyRequest(requests=requests))
        actions = ActionsServiceClient(endpoint, http_client=client)
        return [await _snapshot(actions, children) for _ in range(_REPEAT)]


async def _begun(runs: RunServiceClient) -> None:
    template = tasks_pb2.TaskTemplate(
        id=core_pb2.Identifier(name="bench.parent", version="1"),
        container=tasks_pb2.Container(image="any", command=["sleep"], args=["3600"]),
    )
    spec = task_definition_pb2.TaskSpec(task_template=template)
    await runs.create_run(
        run_service_pb2.CreateRunRequest(run_id=_RUN, task_spec=spec, inputs=common_pb2.Inputs())
    )


def _trace(name: str) -> actions_service_pb2.EnqueueRequest:
    action = actions_service_pb2.Action(
        action_id=identifier_pb2.ActionIdentifier(run=_RUN, name=name),
        parent_action_name="a0",
        input_uri=f"/data/{name}/inputs.pb",
        run_output_base="/data",
    )
    action.trace.name = "step"
    action.trace.phase = phase_pb2.ACTION_PHASE_SUCCEEDED
    action.trace.start_time.GetCurrentTime()
    action.trace.end_time.GetCurrentTime()
    action.trace.outputs.output_uri = f"/data/{name}/outputs.pb"
    return actions_service_pb2.EnqueueRequest(action=action)


async def _snapshot(actions: ActionsServiceClient, children: int) -> float:
    parent = identifier_pb2.ActionIdentifier(run=_RUN, name="a0")
    request = actions_service_pb2.WatchForUpdatesRequest(parent_action_id=parent)
    found = 0
    started = time.perf_counter()
    watch = cast("AsyncGenerator[Update]", actions.watch_for_updates(request))
    async with aclosing(watch) as stream:
        async for message in stream:
            if message.HasField("control_message"):
                break
            found += 1
    elapsed = time.perf_counter() - started
    if found != children:
        raise SystemExit(f"the snapshot has {found} of {children} children")
    return elapsed


@contextmanager
def _server(home: Path) -> Generator[str]:
    command = [sys.executable, "-m", "flyte_server", "--home", str(home), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--foreground", "--auth", "none"],
        env={**os.environ, "FLYTE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        record = home / "server.json"
        while not record.exists():
            if time.monotonic() > deadline:
                raise SystemExit("the control plane did not start")
            time.sleep(0.02)
        yield json.loads(record.read_text())["endpoint"]
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:2]))))
