"""One attempt from its arguments to its outputs or its error, in this process."""

import asyncio
import io
import signal
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from flyteidl2.core.execution_pb2 import ContainerError, ErrorDocument, ExecutionError
from flyteidl2.task import common_pb2

from flyte import errors
from flyte._context import CodeBundle, ctx
from flyte._ids import ActionID
from flyte._interface import NativeInterface
from flyte._runtime import runner
from flyte._runtime.arguments import TaskArguments
from flyte._task_environment import TaskEnvironment
from flyte._wire import values

SOURCE = """
import asyncio
import os
import signal
import time
import flyte.errors as errors
from flyte._context import ctx
from flyte._task_environment import TaskEnvironment

env = TaskEnvironment("env")

@env.task
async def add(x: int, y: int = 1) -> int:
    await asyncio.sleep(0)
    return x + y

@env.task
def own_loop(x: int) -> int:
    return asyncio.run(_inner(x))

async def _inner(x):
    return x * 2

@env.task
def describe(x: int) -> dict[str, str]:
    here = ctx()
    return {
        "action": here.action.unique_id_str(),
        "mode": here.mode,
        "attempt": str(here.attempt_number),
        "task": here.task_name,
        "tenant": here.custom_context["tenant"],
        "base": here.run_base_dir,
        "version": here.version,
        "prev": str(here.checkpoint_paths.prev_checkpoint_path),
    }

@env.task
async def nothing() -> None:
    pass

@env.task
async def fails(x: int) -> int:
    raise KeyError("rows")

@env.task
async def final(x: int) -> int:
    raise errors.NonRecoverableError("bad data")

@env.task
def exits(x: int) -> int:
    raise SystemExit(3)

@env.task
async def exits_in_loop(x: int) -> int:
    raise SystemExit(3)

@env.task
def interrupted(x: int) -> int:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
    return x

@env.task
def interrupts_itself(x: int) -> int:
    raise KeyboardInterrupt

@env.task
async def ended(x: int) -> int:
    os.kill(os.getpid(), signal.SIGTERM)
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)
        print("cleaned up")
    return x

@env.task
def ended_plain(x: int) -> int:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    finally:
        print("cleaned up")
    return x

@env.task
def ended_and_failing(x: int) -> int:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    finally:
        raise ValueError("while it cleaned up")

@env.task
async def ended_and_done(x: int) -> int:
    os.kill(os.getpid(), signal.SIGTERM)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return x

@env.task
async def wrong(x: int) -> int:
    return "three"

@env.task
async def leaves_tasks_behind(x: int) -> int:
    asyncio.create_task(asyncio.Event().wait())
    return x
"""


@dataclass
class Attempts:
    """A module with tasks, and attempts on it."""

    base: Path
    home: Path
    bundle: CodeBundle | None = None

    def arguments(self, name: str, given: dict[str, Any], **changes: Any) -> TaskArguments:
        hints = {key: (type(value), NativeInterface.no_default) for key, value in given.items()}
        message = asyncio.run(
            values.inputs(NativeInterface(hints, {}), given, context={"tenant": "acme"})
        )
        (self.base / "a0").mkdir(parents=True, exist_ok=True)
        (self.base / "a0" / "inputs.pb").write_bytes(message.SerializeToString())
        return TaskArguments(
            **{
                "action": ActionID(name="a0", run_name="r1", project="p", domain="d"),
                "inputs": str(self.base / "a0" / "inputs.pb"),
                "outputs_path": str(self.base / "a0" / "1"),
                "version": "v1",
                "run_base": str(self.base),
                "loader_args": ("mod", f"tasks_of_{self.base.parent.name}", "instance", name),
                "code_bundle": self.bundle,
                "home": str(self.home),
                **changes,
            }
        )

    def run(self, name: str, given: dict[str, Any] | None = None, **changes: Any) -> int:
        return runner.run(self.arguments(name, {"x": 2} if given is None else given, **changes))

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in (self.base / "a0" / "1").iterdir())

    def output(self, hint: Any = int) -> Any:
        message = common_pb2.Outputs.FromString(
            (self.base / "a0" / "1" / "outputs.pb").read_bytes()
        )
        interface = NativeInterface({}, {"o0": hint})
        return asyncio.run(values.named(interface, message))["o0"]

    @property
    def error(self) -> ContainerError:
        data = (self.base / "a0" / "1" / "error.pb").read_bytes()
        return ErrorDocument.FromString(data).error


@pytest.fixture
def attempts(tmp_path: Path) -> Iterator[Attempts]:
    name = f"tasks_of_{tmp_path.name}"
    before, path = set(sys.modules), list(sys.path)
    with tarfile.open(tmp_path / "code.tgz", "w:gz") as archive:
        member = tarfile.TarInfo(f"{name}.py")
        member.size = len(SOURCE)
        archive.addfile(member, io.BytesIO(SOURCE.encode()))
    bundle = CodeBundle("v1", tgz=str(tmp_path / "code.tgz"))
    yield Attempts(tmp_path / "r1", tmp_path / "home", bundle)
    sys.path[:] = path
    for module in set(sys.modules) - before:
        del sys.modules[module]


# --- success


def test_outputs_are_written(attempts: Attempts) -> None:
    assert attempts.run("add") == 0
    assert attempts.files == ["outputs.pb"]
    assert attempts.output() == 3


def test_a_plain_task_may_run_a_loop_of_its_own(attempts: Attempts) -> None:
    assert attempts.run("own_loop") == 0
    assert attempts.output() == 4


def test_a_task_without_outputs_succeeds(attempts: Attempts) -> None:
    assert attempts.run("nothing", {}) == 0
    assert attempts.files == ["outputs.pb"]


def test_the_context_says_what_the_control_plane_said(attempts: Attempts) -> None:
    attempts.run("describe", attempt_number=2, prev_checkpoint="/c/1")
    assert attempts.output(dict[str, str]) == {
        "action": "p-d-r1-a0",
        "mode": "remote",
        "attempt": "2",
        "task": "env.describe",
        "tenant": "acme",
        "base": str(attempts.base),
        "version": "v1",
        "prev": "/c/1",
    }
    assert ctx() is None


def test_what_a_task_leaves_on_its_loop_is_cancelled(attempts: Attempts) -> None:
    assert attempts.run("leaves_tasks_behind") == 0


def test_a_leaf_task_starts_no_thread(attempts: Attempts) -> None:
    before = set(threading.enumerate())
    attempts.run("add")
    assert set(threading.enumerate()) <= before


def test_preloading_starts_no_thread_and_loads_the_task(attempts: Attempts) -> None:
    before = set(threading.enumerate())
    arguments = attempts.arguments("add", {"x": 1})
    folder = runner.preload(arguments)
    assert folder is not None
    assert folder.is_relative_to(attempts.home)
    assert arguments.loader_args[1] in sys.modules
    assert set(threading.enumerate()) <= before
    assert not (attempts.base / "a0" / "1").exists(), "nothing has run"


def test_a_pickled_task_runs(attempts: Attempts, tmp_path: Path) -> None:
    env = TaskEnvironment("pickled")

    @env.task
    def triple(x: int) -> int:
        return 3 * x

    (tmp_path / "task.pkl").write_bytes(cloudpickle.dumps(triple))
    bundle = CodeBundle("v1", pkl=str(tmp_path / "task.pkl"))
    assert attempts.run("", code_bundle=bundle) == 0
    assert attempts.output() == 6


def test_modules_of_other_folders_are_found_as_the_client_found_them(
    attempts: Attempts, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "src.tgz", "w:gz") as archive:
        member = tarfile.TarInfo(f"src/below_{tmp_path.name}.py")
        member.size = len(SOURCE)
        archive.addfile(member, io.BytesIO(SOURCE.encode()))
    bundle = CodeBundle("v2", tgz=str(tmp_path / "src.tgz"))
    args = ("mod", f"below_{tmp_path.name}", "instance", "add")
    assert attempts.run("", code_bundle=bundle, loader_args=args, sys_path=(".", "./src")) == 0
    assert attempts.output() == 3


# --- failure


def test_a_failure_is_an_answer(attempts: Attempts, capsys: pytest.CaptureFixture[str]) -> None:
    assert attempts.run("fails") == 0
    assert attempts.files == ["error.pb"]
    error = attempts.error
    assert (error.code, error.kind) == ("KeyError", ContainerError.RECOVERABLE)
    assert error.origin == ExecutionError.USER
    assert "rows" in error.message
    log = capsys.readouterr().err
    assert 'raise KeyError("rows")' in log
    assert "runner" not in log, "the log begins with the user's own code"
    assert "runner" not in error.message


def test_a_final_failure_says_so(attempts: Attempts) -> None:
    attempts.run("final")
    assert attempts.error.kind == ContainerError.NON_RECOVERABLE


@pytest.mark.parametrize("name", ["exits", "exits_in_loop"])
def test_leaving_the_interpreter_is_a_failure_and_not_a_success(
    attempts: Attempts, name: str
) -> None:
    assert attempts.run(name) == 0
    assert attempts.error.code == "SystemExit"


def test_an_interruption_of_its_own_is_the_tasks_failure(attempts: Attempts) -> None:
    assert attempts.run("interrupts_itself") == 0
    assert attempts.error.code == "KeyboardInterrupt"


def test_an_interruption_is_no_verdict(attempts: Attempts) -> None:
    assert attempts.run("interrupted") == 130
    assert not (attempts.base / "a0" / "1").exists()


@pytest.mark.usefixtures("own_ctrl_c")
@pytest.mark.parametrize("name", ["ended", "ended_plain"])
def test_who_is_asked_to_end_cleans_up_and_leaves_no_verdict(
    attempts: Attempts, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert attempts.run(name) == 128 + signal.SIGTERM, "as a shell says that SIGTERM ended it"
    assert "cleaned up" in capsys.readouterr().out
    assert not (attempts.base / "a0" / "1").exists()


@pytest.mark.usefixtures("own_ctrl_c")
def test_what_goes_wrong_while_a_task_is_ended_is_told_and_is_not_its_failure(
    attempts: Attempts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert attempts.run("ended_and_failing") == 128 + signal.SIGTERM
    assert "ValueError: while it cleaned up" in capsys.readouterr().err
    assert not (attempts.base / "a0" / "1").exists()


@pytest.mark.usefixtures("own_ctrl_c")
def test_who_is_asked_to_end_may_bring_its_work_to_an_end(attempts: Attempts) -> None:
    assert attempts.run("ended_and_done") == 0
    assert attempts.output() == 2


def test_an_output_of_the_wrong_type_is_named_by_its_path(attempts: Attempts) -> None:
    attempts.run("wrong")
    assert "outputs.o0" in attempts.error.message


def test_an_input_of_the_wrong_type_is_named_by_its_path(attempts: Attempts) -> None:
    attempts.run("add", {"x": "two"})
    assert "inputs.x" in attempts.error.message


def test_a_module_that_does_not_import_is_the_tasks_failure(attempts: Attempts) -> None:
    attempts.run("add", loader_args=("mod", "nowhere_at_all", "instance", "add"))
    assert attempts.error.code == "ModuleLoadError"
    assert "nowhere_at_all" in attempts.error.message
    with pytest.raises(errors.ModuleLoadError):
        runner.preload(attempts.arguments("gone", {}))


def test_missing_inputs_are_the_platforms_failure(attempts: Attempts) -> None:
    attempts.run("add", inputs=str(attempts.base / "gone.pb"))
    assert attempts.error.origin == ExecutionError.SYSTEM
    assert "gone.pb" in attempts.error.message


def test_a_result_that_cannot_be_written_is_no_answer(attempts: Attempts) -> None:
    attempts.base.mkdir(parents=True)
    (attempts.base / "full").touch()
    assert attempts.run("add", outputs_path=str(attempts.base / "full" / "1")) == 1
