"""A replica in a process of its own, and a control plane of few words that a test lets speak."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from flyteidl2.task import common_pb2
from tests.fakes.worker_service import WorkerService
from tests.support import eventually

from flyte._interface import NativeInterface
from flyte._wire import values
from flyte_protocol.worker.v1.worker_pb2 import Assignment, AttemptRef, Failure

TASKS = Path(__file__).parents[1] / "unit" / "flyte" / "entrypoints" / "replica_tasks.py"


@dataclass
class Replica:
    """A process, and what it is told."""

    service: WorkerService
    process: "subprocess.Popen[bytes]"
    folder: Path

    def __post_init__(self) -> None:
        self._names = count(1)

    async def order(self, task: str, /, _env: dict[str, str] | None = None, **given: Any) -> str:
        """Assign an attempt; its action's name."""
        name = f"n{next(self._names)}"
        hints = {key: (type(value), NativeInterface.no_default) for key, value in given.items()}
        message = await values.inputs(NativeInterface(hints, {}), given)
        inputs = self.folder / name / "inputs.pb"
        inputs.parent.mkdir(parents=True)
        inputs.write_bytes(message.SerializeToString())
        self.service.assign(
            Assignment(
                attempt=self.ref(name),
                args=[
                    *("--inputs", str(inputs), "--outputs-path", str(self.outputs(name))),
                    *("--raw-data-path", str(self.folder / name / "raw"), "--version", "v1"),
                    *("mod", TASKS.stem, "instance", task),
                ],
                env={
                    "RUN_NAME": "r1",
                    "ACTION_NAME": name,
                    "FLYTE_INTERNAL_EXECUTION_PROJECT": "p",
                    "FLYTE_INTERNAL_EXECUTION_DOMAIN": "d",
                    "FLYTE_ATTEMPT_NUMBER": "0",
                    "FLYTE_ATTEMPT_TOKEN": f"token-{name}",
                    "_U_RUN_BASE": str(self.folder),
                    **(_env or {}),
                },
                output_prefix=str(self.outputs(name)),
                log_path=str(self.log(name)),
                hidden_env={"API_KEY": b"hunter2-and-more"},
            )
        )
        return name

    def ref(self, name: str) -> AttemptRef:
        return AttemptRef(run_id=1, action=name, number=1, token=f"token-{name}")

    def outputs(self, name: str) -> Path:
        return self.folder / name / "1"

    def log(self, name: str) -> Path:
        return self.folder / "logs" / name / "1.log"

    def said(self, name: str) -> list[str]:
        """Stream and text of each record of an attempt's log."""
        lines = self.log(name).read_bytes().decode().splitlines()
        return [line[16] + line[19:] for line in lines if line[17] == " "]

    async def value(self, name: str, kind: Any = int) -> Any:
        """What an attempt has given, after its end was told."""
        ended = await self.service.end_of(name)
        assert not ended.HasField("failure"), ended.failure
        outputs = common_pb2.Outputs.FromString((self.outputs(name) / "outputs.pb").read_bytes())
        return await values.returned(NativeInterface({}, {"o0": kind}, returns=kind), outputs)

    async def failure(self, name: str) -> Failure:
        ended = await self.service.end_of(name)
        assert ended.HasField("failure"), "it succeeded"
        return ended.failure

    async def end(self) -> int:
        await eventually(lambda: self.process.poll() is not None, timeout_seconds=30)
        return self.process.wait()


@asynccontextmanager
async def replica(
    tmp_path: Path, service: WorkerService, *options: str, endpoint: str, home: bool = True
) -> AsyncIterator[Replica]:
    record = tmp_path / "home" / "replicas" / "w-1.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.touch()
    located = ("--home", str(tmp_path / "home")) if home else ()
    with (tmp_path / "replica.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - begins at once
            [
                *(sys.executable, "-P", "-m", "flyte._entrypoints.replica", "--id", "w-1"),
                *("--pool", "pool-1", "--endpoint", endpoint, *located, *options),
            ],
            env={**os.environ, "PYTHONPATH": str(TASKS.parent), "_U_EP_OVERRIDE": endpoint},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        made = Replica(service, process, tmp_path / "data")
        await eventually(lambda: service.registered or process.poll(), timeout_seconds=30)
        yield made
    except BaseException:
        print((tmp_path / "replica.log").read_text())
        raise
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
