"""A task's calls as actions of a control plane; the control plane is in memory."""

import asyncio
import threading
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flyteidl2.common import phase_pb2
from flyteidl2.task import common_pb2
from flyteidl2.workflow.state_service_pb2 import ActionUpdate
from tests.fakes.backend import Answer, Backend, ended, performing
from tests.support import eventually

from flyte import errors, storage
from flyte._context import RawDataPath, Scope, TaskContext, entered
from flyte._group import custom_context, group
from flyte._ids import ActionID
from flyte._kit import aio
from flyte._runtime import results
from flyte._runtime.arguments import TaskArguments
from flyte._runtime.remote import RemoteRuntime
from flyte._task_environment import TaskEnvironment
from flyte._trace import trace
from flyte._wire import failures

env = TaskEnvironment("env")
PARENT = ActionID(name="a0", run_name="r1", project="p", domain="d", org="local")


class Pair(NamedTuple):
    first: int
    second: str


@env.task
async def add(x: int, y: int = 1) -> int:
    return x + y


@env.task
def plain(x: int) -> int:
    return 2 * x


@env.task
async def pair(x: int) -> Pair:
    return Pair(x, str(x))


@env.task
async def nothing() -> None:
    return


@env.task
async def fails(message: str) -> int:
    raise ValueError(message)


@env.task(cache="auto")
async def cached(x: int) -> int:
    return x


class Attempt:
    """One attempt of the parent: a new runtime on what the backend has committed."""

    def __init__(
        self, backend: Backend, base: Path, number: int = 0, *, disable_run_cache: bool = False
    ) -> None:
        self.arguments = TaskArguments(
            action=PARENT,
            inputs=f"{base}/a0/inputs.pb",
            outputs_path=f"{base}/a0/{number + 1}",
            version="v1",
            run_base=str(base),
            attempt_number=number,
            endpoint="http://unused",
        )
        self.runtime = RemoteRuntime(self.arguments, backend.connect)
        self.context = TaskContext(
            action=PARENT,
            version="v1",
            raw_data_path=RawDataPath(""),
            output_path=self.arguments.outputs_path,
            run_base_dir=str(base),
            disable_run_cache=disable_run_cache,
            attempt_number=number,
        )

    def __enter__(self) -> "Attempt":
        self._entered = entered(Scope(self.runtime, self.context))
        self._entered.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._entered.__exit__(None, None, None)
        self.runtime.close()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "r1"


def backend_of(answer: Answer | None = None) -> Backend:
    return Backend(answer or performing(add, plain, pair, nothing, fails, cached))


# --- children


async def test_a_child_gives_its_value(base: Path) -> None:
    with Attempt(backend_of(), base):
        assert await add(x=1) == 2
        assert await plain.aio(x=4) == 8
        assert await pair(x=3) == Pair(3, "3")
        assert await nothing() is None


def test_a_plain_parent_waits_in_its_thread(base: Path) -> None:
    with Attempt(backend_of(), base):
        assert plain(x=4) == 8


async def test_children_run_together(base: Path) -> None:
    backend = backend_of()
    with Attempt(backend, base):
        assert await asyncio.gather(*(add(x=i) for i in range(200))) == list(range(1, 201))
    assert backend.watches == 1
    assert len(backend.enqueued) == 200
    assert backend.closed == 1


async def test_what_the_control_plane_is_told(base: Path) -> None:
    backend = backend_of()
    with Attempt(backend, base), group("folds"), custom_context(tenant="acme"):
        await add(x=1)
    (action,) = backend.enqueued
    name = action.action_id.name
    assert action.action_id.run.name == "r1"
    assert action.parent_action_name == "a0"
    assert action.group == "folds"
    assert action.run_output_base == str(base)
    assert action.input_uri == f"{base}/{name}/inputs.pb"
    assert (action.task.id.name, action.task.id.version) == ("env.add", "v1")
    assert action.task.spec.task_template.id.name == "env.add"
    assert not action.task.HasField("cache_key")
    inputs = common_pb2.Inputs.FromString((base / name / "inputs.pb").read_bytes())
    assert [(pair.key, pair.value) for pair in inputs.context] == [("tenant", "acme")]


async def test_a_cached_task_has_a_key_that_depends_on_its_inputs(base: Path) -> None:
    backend = backend_of()
    with Attempt(backend, base):
        await asyncio.gather(cached(x=1), cached(x=1), cached(x=2))
    keys = [action.task.cache_key.value for action in backend.enqueued]
    assert all(keys)
    assert len(set(keys)) == 2


async def test_a_run_without_a_cache_sends_no_key(base: Path) -> None:
    backend = backend_of()
    with Attempt(backend, base, disable_run_cache=True):
        await cached(x=1)
    (action,) = backend.enqueued
    assert not action.task.HasField("cache_key")
    assert not action.task.spec.task_template.metadata.discoverable
    assert "disable_run_cache" in action.task.spec.task_template.config["cache.problem"]


async def test_a_failure_arrives_by_the_class_name_of_its_exception(base: Path) -> None:
    expected = pytest.raises(errors.RuntimeUserError, match="no rows")
    with Attempt(backend_of(), base), expected as caught:
        await fails(message="no rows")
    assert caught.value.code == "ValueError"


@pytest.mark.parametrize(
    ("phase", "error"),
    [
        (phase_pb2.ACTION_PHASE_ABORTED, errors.ActionAbortedError),
        (phase_pb2.ACTION_PHASE_TIMED_OUT, errors.TaskTimeoutError),
        (phase_pb2.ACTION_PHASE_FAILED, errors.RuntimeUnknownError),
    ],
)
async def test_an_end_without_an_error_still_has_a_class(
    base: Path, phase: phase_pb2.ActionPhase, error: type[Exception]
) -> None:
    with Attempt(backend_of(lambda action: ended(action, phase)), base), pytest.raises(error):
        await add(x=1)


async def test_outputs_that_are_missing_are_named(base: Path) -> None:
    succeeded = phase_pb2.ACTION_PHASE_SUCCEEDED
    backend = backend_of(lambda action: ended(action, succeeded, f"{base}/gone"))
    with Attempt(backend, base), pytest.raises(errors.StorageError, match=r"gone/outputs\.pb"):
        await add(x=1)


async def test_a_wrong_input_is_refused_before_anything_is_sent(base: Path) -> None:
    backend = backend_of()
    with Attempt(backend, base), pytest.raises(errors.BaseRuntimeError, match=r"inputs\.x"):
        await add(x="three")
    assert backend.watches == 0


async def test_a_worker_without_a_run_base_says_so(base: Path) -> None:
    with Attempt(backend_of(), base) as attempt:
        bare = Scope(attempt.runtime, attempt.context.replace(run_base_dir=""))
        with entered(bare), pytest.raises(errors.RuntimeSystemError, match="_U_RUN_BASE"):
            await add(x=1)


# --- the parent is started again


async def test_finished_children_are_only_read(base: Path) -> None:
    backend = backend_of()
    with Attempt(backend, base):
        first = await asyncio.gather(add(x=1), add(x=1), add(x=2))
    with Attempt(backend, base, 1):
        assert await asyncio.gather(add(x=2), add(x=1), add(x=1)) == [3, 2, 2]
    assert first == [2, 2, 3]
    assert len(backend.enqueued) == 3


async def test_running_children_are_waited_for_and_not_submitted(base: Path) -> None:
    backend = backend_of(lambda action: None)
    first = Attempt(backend, base)
    with first, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await add(x=1)
    perform, (action,) = performing(add), backend.enqueued
    with Attempt(backend, base, 1):
        again = asyncio.create_task(add(x=1))
        await eventually(lambda: backend.watches == 2)
        _on_background(backend.tell, perform(action))
        assert await again == 2
    assert len(backend.enqueued) == 1


async def test_a_child_that_has_failed_for_good_fails_again(base: Path) -> None:
    backend = backend_of()
    for number in range(2):
        with Attempt(backend, base, number), pytest.raises(errors.RuntimeUserError):
            await fails(message="no")
    assert len(backend.enqueued) == 1


# --- cancellation


async def test_a_cancelled_call_aborts_its_child(base: Path) -> None:
    backend = backend_of(lambda action: None)
    with Attempt(backend, base):
        calls = asyncio.gather(*(add(x=i) for i in range(3)))
        await eventually(lambda: len(backend.enqueued) == 3)
        calls.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls
    assert sorted(backend.aborted) == sorted(a.action_id.name for a in backend.enqueued)


async def test_calls_that_nobody_waits_for_end_with_their_parent(base: Path) -> None:
    backend = backend_of(lambda action: None)
    with Attempt(backend, base):
        forgotten = asyncio.create_task(add(x=1))
        await eventually(lambda: backend.enqueued)
    assert backend.aborted == [action.action_id.name for action in backend.enqueued]
    with pytest.raises(asyncio.CancelledError):
        await forgotten


async def test_a_finished_child_is_not_aborted(base: Path) -> None:
    backend = backend_of()
    with Attempt(backend, base):
        await add(x=1)
    assert backend.aborted == []


# --- traces


class Steps:
    """Traced functions that count their runs."""

    def __init__(self) -> None:
        self.runs: list[Any] = []

        @trace
        async def step(x: int) -> int:
            self.runs.append(x)
            return x * 10

        @trace
        def plain_step(x: int) -> int:
            self.runs.append(x)
            return x * 10

        @trace
        async def items(n: int):
            self.runs.append(n)
            for i in range(n):
                yield i

        @trace
        async def broken(message: str, final: bool) -> int:
            self.runs.append(message)
            raise errors.NonRecoverableError(message) if final else ValueError(message)

        self.step, self.plain_step, self.items, self.broken = step, plain_step, items, broken


async def test_a_recorded_step_is_not_run_again(base: Path) -> None:
    backend, steps = backend_of(), Steps()
    for number in range(2):
        with Attempt(backend, base, number):
            assert await asyncio.gather(steps.step(1), steps.step(1), steps.step(2)) == [10, 10, 20]
            assert steps.plain_step(3) == 30
            assert [item async for item in steps.items(4)] == [0, 1, 2, 3]
    assert sorted(steps.runs) == [1, 1, 2, 3, 4]
    assert len(backend.enqueued) == 5


async def test_what_the_control_plane_is_told_of_a_step(base: Path) -> None:
    backend = backend_of()
    with Attempt(backend, base):
        await Steps().step(1)
    (action,) = backend.enqueued
    directory = base / action.action_id.name
    assert action.parent_action_name == "a0"
    assert action.trace.name.endswith("step")
    assert action.trace.phase == phase_pb2.ACTION_PHASE_SUCCEEDED
    assert action.trace.outputs.output_uri == str(directory / "1" / "outputs.pb")
    assert action.trace.HasField("end_time")
    assert action.trace.end_time.ToNanoseconds() >= action.trace.start_time.ToNanoseconds()
    assert (directory / "inputs.pb").is_file()
    assert (directory / "1" / "outputs.pb").is_file()


async def test_an_attempt_that_was_given_up_writes_over_nothing_that_a_later_one_has_recorded(
    base: Path,
) -> None:
    backend = backend_of()
    with Attempt(backend, base, 1):
        await Steps().step(1)
    recorded = backend.enqueued[0].trace.outputs.output_uri
    before = await storage.stat(recorded)
    with Attempt(backend_of(), base, 0):  # it thaws, and knows nothing of the other one
        await Steps().step(1)
    assert await storage.stat(recorded) == before
    trace = storage.join(str(base), backend.enqueued[0].action_id.name)
    names = [entry.uri.removeprefix(f"{trace}/") async for entry in storage.walk(trace)]
    assert names == ["1/outputs.pb", "2/outputs.pb", "inputs.pb"]


async def test_a_step_that_failed_for_good_fails_again_without_running(base: Path) -> None:
    backend, steps = backend_of(), Steps()
    for number in range(2):
        expected = pytest.raises(errors.RuntimeUserError, match="bad data")
        with Attempt(backend, base, number), expected:
            await steps.broken("bad data", final=True)
    assert steps.runs == ["bad data"]


async def test_a_step_that_may_work_next_time_is_run_again(base: Path) -> None:
    backend, steps = backend_of(), Steps()
    with Attempt(backend, base), pytest.raises(ValueError, match="flaky"):
        await steps.broken("flaky", final=False)
    with Attempt(backend, base, 1), pytest.raises(ValueError, match="flaky"):
        await steps.broken("flaky", final=False)
    assert steps.runs == ["flaky", "flaky"]


# --- threads


@pytest.fixture
def threads_before() -> set[threading.Thread]:
    return set(threading.enumerate())


async def test_a_task_that_calls_nothing_connects_to_nothing(
    base: Path, threads_before: set[threading.Thread]
) -> None:
    backend = backend_of()
    with Attempt(backend, base):
        pass
    assert (backend.watches, backend.closed) == (0, 0)
    assert set(threading.enumerate()) <= threads_before


def test_calls_from_many_threads_have_names_of_their_own(base: Path) -> None:
    backend = backend_of()
    with Attempt(backend, base) as attempt:

        def call() -> None:
            with entered(Scope(attempt.runtime, attempt.context)):
                assert plain(x=1) == 2

        callers = [threading.Thread(target=call) for _ in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert len({action.action_id.name for action in backend.enqueued}) == 8


def _on_background(function: Any, *args: Any) -> None:
    async def run() -> None:
        function(*args)

    aio.background().wait(run())


# --- large values and errors


@env.task
async def turned(data: bytes) -> bytes:
    return data[::-1]


@trace
async def turned_here(data: bytes) -> bytes:
    return data[::-1]


LARGE = bytes(range(250)) * 20_000


async def test_large_values_travel_beside_the_messages(base: Path) -> None:
    backend = backend_of(performing(turned))
    with Attempt(backend, base):
        assert await turned(data=LARGE) == LARGE[::-1]
        assert await turned(data=LARGE[::-1]) == LARGE  # both are there already
    assert len(list((base / "large").iterdir())) == 2
    for action in backend.enqueued:
        assert action.ByteSize() < 4096
        assert len(await storage.read(action.input_uri)) < 1024


async def test_a_recorded_large_value_is_replayed(base: Path) -> None:
    backend = backend_of()
    with Attempt(backend, base):
        assert await turned_here(LARGE) == LARGE[::-1]
    assert all(action.ByteSize() < 4096 for action in backend.enqueued)
    with Attempt(backend, base, number=1):
        assert await turned_here(LARGE) == LARGE[::-1]
    assert len(backend.enqueued) == 1


async def test_the_middle_of_a_long_error_is_in_its_file(base: Path) -> None:
    whole = failures.error_document(ValueError("begin " + "x" * 5_000_000 + " end"))
    directory = base / "c1" / "1"
    directory.mkdir(parents=True)
    (directory / "error.pb").write_bytes(whole.SerializeToString())
    told = ActionUpdate(phase=phase_pb2.ACTION_PHASE_FAILED, output_uri=str(directory))
    told.error.code = "ValueError"
    told.error.message = "begin xx\n… 4999000 bytes of this message were cut …\nxx end"

    error = await results.failure(told, {})
    assert str(error) == whole.error.message
    assert error.code == "ValueError"

    told.output_uri = f"{directory}/error.pb"  # as of a trace
    assert str(await results.failure(told, {})) == whole.error.message
    told.output_uri = str(base / "nowhere")
    assert str(await results.failure(told, {})) == told.error.message
