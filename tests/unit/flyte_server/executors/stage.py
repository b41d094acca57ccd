"""A process executor with hosts that perform `fake_host.py`, and everything that it reports."""

import os
import secrets
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from tests import stored_logs
from tests.support import eventually

from flyte_server.clock import RealClock
from flyte_server.domain.events import Event, Failed, Lost, Started, Succeeded
from flyte_server.domain.records import AttemptKey, Failure
from flyte_server.engine.ports import Exit, LaunchSpec
from flyte_server.executors.common.kin import TOKEN_VARIABLE
from flyte_server.executors.process import records
from flyte_server.executors.process.executor import ProcessExecutor
from flyte_server.executors.process.options import Options

FAKE_HOST = ("-P", str(Path(__file__).with_name("fake_host.py")))


class ExitVerdicts:
    """Implements `engine.ports.Verdicts` by the exit alone."""

    async def of(self, output_prefix: str, exit: Exit) -> Failure | None:  # noqa: A002
        if output_prefix == "unreadable":
            raise ValueError("damaged")
        return None if exit.code == 0 else Failure("Exit", f"{exit.code} {exit.signal}")


@dataclass(slots=True)
class Stage:
    """What a test of the executor stands on."""

    home: Path
    events: list[Event] = field(default_factory=list[Event])
    executors: list[ProcessExecutor] = field(default_factory=list[ProcessExecutor])
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    """Begins every token: processes are looked for on the whole machine, where other tests may run."""
    report_fails: int = 0
    """How many reports are refused before one is taken."""

    def executor(self, **options: object) -> ProcessExecutor:
        """A new one on the same home, as after a restart of the control plane; start it
        yourself."""
        chosen = Options(**{"host_words": FAKE_HOST, "keep_warm": False, **options})
        made = ProcessExecutor(
            self.home, self.report, ExitVerdicts(), RealClock(), base_env=os.environ, options=chosen
        )
        self.executors.append(made)
        return made

    async def started(self, **options: object) -> ProcessExecutor:
        executor = self.executor(**options)
        await executor.start()
        return executor

    async def report(self, event: Event) -> None:
        if self.report_fails:
            self.report_fails -= 1
            raise ConnectionError("the store is away")
        self.events.append(event)

    def spec(
        self,
        verb: str,
        argument: object = "",
        *,
        name: str = "a",
        command: tuple[str, ...] = ("a0",),
        host_key: str = "bundle",
        cpus: int = 1,
        output_prefix: str = "prefix",
        **env: str,
    ) -> LaunchSpec:
        return LaunchSpec(
            attempt=AttemptKey(1, name, 1, f"{self.token}-{name}"),
            task_name="env.task",
            environment="env",
            run_name="r1",
            command=command,
            args=(verb, str(argument)),
            env={"ACTION_NAME": name, TOKEN_VARIABLE: f"{self.token}-{name}", **env},
            output_prefix=output_prefix,
            log_path=str(self.home / "logs" / "r1" / f"{name}.log"),
            host_key=host_key,
            cpus=cpus,
        )

    def write(self, path: str, text: str) -> None:
        Path(path).write_text(text)

    def log(self, spec: LaunchSpec) -> str:
        return stored_logs.said(spec.log_path)

    async def whole_log(self, spec: LaunchSpec) -> str:
        """When all of it is written."""
        await eventually(lambda: stored_logs.is_whole(spec.log_path))
        return self.log(spec)

    def of(self, spec: LaunchSpec) -> list[Event]:
        return [event for event in self.events if event.attempt == spec.attempt]

    def end_of(self, spec: LaunchSpec) -> Event | None:
        ends = [e for e in self.of(spec) if isinstance(e, Succeeded | Failed | Lost)]
        assert len(ends) <= 1, "an attempt ends once"
        return ends[0] if ends else None

    async def end(self, spec: LaunchSpec) -> Event:
        return await eventually(lambda: self.end_of(spec))

    async def start_of(self, spec: LaunchSpec) -> Started:
        return await eventually(
            lambda: next((e for e in self.of(spec) if isinstance(e, Started)), None)
        )

    def host_pids(self) -> list[int]:
        return [record.pid for record in records.found(self.home)]

    async def strike(self) -> None:
        """End everything that a test started."""
        for executor in self.executors:
            await executor.close()
        for pid in self.host_pids():
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                family = [process, *process.children(recursive=True)]
                for member in family:
                    with suppress(psutil.NoSuchProcess):
                        member.send_signal(signal.SIGKILL)
                psutil.wait_procs(family, timeout=5)


async def pids_in(mark: Path) -> list[int]:
    """Process numbers that an attempt writes down once it is as far."""
    text = await eventually(lambda: mark.exists() and mark.read_text())
    return [int(word) for word in text.split()]


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
