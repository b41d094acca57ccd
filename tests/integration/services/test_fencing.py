"""A process that was given up, and thaws: what it asks for is refused, and it ends.

Real server, real clients of our own SDK; and once a real process that is really frozen.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
from flyteidl2.actions import actions_service_pb2
from flyteidl2.dataproxy import dataproxy_service_pb2
from flyteidl2.task import common_pb2
from flyteidl2.workflow import run_service_pb2
from pyqwest import HTTPTransport
from tests.fakes import messages
from tests.integration.services.conftest import Plane
from tests.support import eventually

from flyte import errors
from flyte._client import ControlPlane, fencing
from flyte._client.fencing import EXIT_CODE, Attempt, Fence
from flyte_protocol.actions.v1.batch_pb2 import EnqueueManyRequest
from flyte_server.domain.events import Lost
from flyte_server.domain.records import AttemptKey
from flyte_server.engine.ports import LaunchSpec

OVER = "attempt 1 of a0 is over: attempt 2 has taken its place; this process should end"
WATCH = actions_service_pb2.WatchForUpdatesRequest(parent_action_id=messages.action_id())
UPLOAD = dataproxy_service_pb2.CreateUploadLocationRequest(
    project="p", domain="development", filename="x"
)
ABORT = actions_service_pb2.AbortRequest(action_id=messages.action_id("c1"))


@dataclass
class Process:
    """The client that the process of an attempt has."""

    plane: ControlPlane
    told: list[str] = field(default_factory=list)
    """What it heard of its own end."""


async def launched(plane: Plane, number: int = 1, action: str = "a0") -> LaunchSpec:
    """What the control plane gives to the process of an attempt."""

    def found() -> LaunchSpec | None:
        held = plane.executor.held.values()
        key = (action, number)
        return next((s for s in held if (s.attempt.action, s.attempt.number) == key), None)

    return await eventually(found)


@contextlib.asynccontextmanager
async def process(plane: Plane, number: int) -> AsyncIterator[Process]:
    attempt = Attempt.of_environment((await launched(plane, number)).env)
    assert attempt is not None
    told: list[str] = []
    async with HTTPTransport() as http:
        fence = Fence(attempt, told.append)
        yield Process(ControlPlane(plane.endpoint, http, fence=fence), told)


async def lose(plane: Plane) -> None:
    """Give up the root's attempt, as for a worker that does not answer; the next one starts."""
    key = plane.executor.attempt("a0")
    await plane.executor.report(Lost(key, "its worker does not answer", 1))
    plane.executor.held.pop(key)
    await launched(plane, key.number + 1)


@pytest.fixture
async def base(plane: Plane) -> Path:
    """The run's directory; its root runs."""
    await plane.runs.create_run(messages.create())
    await launched(plane)
    return plane.settings.data / "p" / "development" / "r1"


def many(base: Path, *names: str) -> EnqueueManyRequest:
    requests = [messages.child(name, base).SerializeToString() for name in names]
    return EnqueueManyRequest(requests=requests)


async def test_many_children_in_one_request_are_taken_or_refused_each_for_itself(
    plane: Plane, base: Path
) -> None:
    async with process(plane, 1) as parent:
        await parent.plane.actions.enqueue(messages.child("c1", base))
        asked = many(base, "c1", "c2", "c3")
        asked.requests.append(actions_service_pb2.EnqueueRequest().SerializeToString())
        answer = await parent.plane.batches.enqueue_many(asked)
        assert [outcome.code for outcome in answer.outcomes] == [
            "already_exists",
            "",
            "",
            "invalid_argument",
        ]
        assert "'c1' of run 'r1' is already known" in answer.outcomes[0].message
        for name in ("c1", "c2", "c3"):
            await launched(plane, action=name)
        await lose(plane)
        await refused(parent.plane.batches.enqueue_many(many(base, "c4")))
        assert parent.told == [OVER]


async def refused(asked: object) -> errors.UnionRpcError:
    with pytest.raises(errors.UnionRpcError, match="attempt 1 of a0 is over") as caught:
        await asked  # pyright: ignore[reportGeneralTypeIssues]
    return caught.value


async def test_an_attempt_that_was_given_up_changes_nothing(plane: Plane, base: Path) -> None:
    async with process(plane, 1) as old:
        await old.plane.actions.enqueue(messages.child("c1", base))
        await lose(plane)
        error = await refused(old.plane.actions.enqueue(messages.child("c2", base)))
        assert error.code == "aborted"
        assert OVER in str(error)
        await refused(old.plane.actions.enqueue(messages.child("c1", base)))  # known by now
        await refused(old.plane.actions.enqueue(messages.trace("t1", base)))
        await refused(old.plane.actions.abort(ABORT))
        await refused(old.plane.dataproxy.create_upload_location(UPLOAD))
        await refused(old.plane.own("DataService", "Whereabouts", {}))
        await refused(old.plane.runs.create_run(messages.create("r2")))
        assert old.told == [OVER] * 7
    with pytest.raises(Exception, match="no run 'r2'"):
        await plane.runs.get_run_details(
            run_service_pb2.GetRunDetailsRequest(run_id=messages.run_id("r2"))
        )
    listed = await plane.runs.list_actions(
        run_service_pb2.ListActionsRequest(run_id=messages.run_id())
    )
    assert {action.id.name for action in listed.actions} == {"a0", "c1"}


async def test_the_attempt_in_its_place_may_do_all_that(plane: Plane, base: Path) -> None:
    await lose(plane)
    async with process(plane, 2) as new:
        await new.plane.actions.enqueue(messages.child("c1", base))
        await new.plane.actions.enqueue(messages.trace("t1", base))
        await new.plane.actions.abort(ABORT)
        await new.plane.dataproxy.create_upload_location(UPLOAD)
        await new.plane.own("DataService", "Whereabouts", {})
        assert new.told == []


async def test_a_stream_of_updates_ends_with_its_attempt(plane: Plane, base: Path) -> None:
    async with process(plane, 1) as old:
        async with aclosing(old.plane.actions.watch_for_updates(WATCH)) as stream:
            await anext(stream)
            await lose(plane)
            with pytest.raises(errors.UnionRpcError, match="attempt 1 of a0 is over"):
                async for _ in stream:
                    pass
        with pytest.raises(errors.UnionRpcError, match="attempt 1 of a0 is over"):
            await anext(old.plane.actions.watch_for_updates(WATCH))
        assert len(old.told) == 2
    async with (
        process(plane, 2) as new,
        aclosing(new.plane.actions.watch_for_updates(WATCH)) as stream,
    ):
        assert (await anext(stream)).control_message.sentinel


async def test_nothing_starts_between_two_attempts_and_after_the_end(
    plane: Plane, base: Path
) -> None:
    async with process(plane, 1) as old:
        await plane.executor.succeed("a0")
        with pytest.raises(errors.UnionRpcError, match="over: a0 is succeeded"):
            await old.plane.actions.enqueue(messages.trace("t1", base))
        assert len(old.told) == 1


async def test_who_does_not_say_which_attempt_it_is_is_taken_as_ever(
    plane: Plane, base: Path
) -> None:
    await lose(plane)
    await plane.actions.enqueue(messages.child("c1", base))
    await launched(plane, action="c1")


async def test_a_foreign_token_is_no_key(plane: Plane, base: Path) -> None:
    attempt = Attempt.of_environment((await launched(plane)).env)
    assert attempt is not None
    told: list[str] = []
    async with HTTPTransport() as http:
        forged = Fence(replace(attempt, token="guessed"), told.append)
        asked = ControlPlane(plane.endpoint, http, fence=forged)
        with pytest.raises(errors.UnionRpcError, match="was not started by this control plane"):
            await asked.actions.enqueue(messages.child("c1", base))
    assert len(told) == 1


@pytest.mark.parametrize("header", ["", "nonsense", "p/development/r1/a0/one/token"])
async def test_a_header_that_cannot_be_read_is_refused(
    plane: Plane, base: Path, header: str
) -> None:
    with pytest.raises(Exception, match="project/domain/run/action/number/token"):
        await plane.actions.enqueue(messages.child("c1", base), headers={fencing.HEADER: header})


async def test_aborts_and_watches_of_what_does_not_exist_are_refused(
    plane: Plane, base: Path
) -> None:
    nobody = messages.action_id("nobody")
    with pytest.raises(Exception, match="no action nobody"):
        await plane.actions.abort(actions_service_pb2.AbortRequest(action_id=nobody))
    with pytest.raises(Exception, match="no action 'nobody'"):
        await anext(
            plane.actions.watch_for_updates(
                actions_service_pb2.WatchForUpdatesRequest(parent_action_id=nobody)
            )
        )


# --- a process that is really frozen


PROGRAM = """
import pathlib
import time

import flyte

env = flyte.TaskEnvironment("frozen")


@env.task
def child() -> None:
    pass


@env.task
def main(folder: str) -> None:
    here = pathlib.Path(folder)
    number = flyte.ctx().attempt_number + 1
    (here / f"ready{number}").touch()
    while not (here / f"go{number}").exists():
        time.sleep(0.01)
    child()
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "code" / "frozen_program.py"
    path.parent.mkdir()
    path.write_text(PROGRAM)
    return path


@contextlib.contextmanager
def a0(spec: LaunchSpec, program: Path, inputs: Path) -> Iterator[psutil.Popen]:
    """The process of an attempt, with its log."""
    options = ["--inputs", str(inputs), "--outputs-path", spec.output_prefix, "--name", "a0"]
    loader = ["mod", program.stem, "instance", "main"]
    with Path(inputs.parent / f"{spec.attempt.number}.log").open("wb") as log:
        started = psutil.Popen(
            [sys.executable, "-m", "flyte._entrypoints.a0", *options, *loader],
            env={**os.environ, **spec.env},
            cwd=program.parent,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield started
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                started.kill()
            started.wait()


def written(spec: LaunchSpec) -> list[str]:
    """Documents that the process of an attempt has left for the control plane."""
    return [path.name for path in Path(spec.output_prefix).glob("*.pb")]


async def ended(running: psutil.Popen) -> int:
    return await asyncio.to_thread(running.wait, 30)


async def test_a_frozen_process_thaws_and_ends_itself(
    plane: Plane, base: Path, program: Path, tmp_path: Path
) -> None:
    inputs = tmp_path / "inputs.pb"
    folder = common_pb2.NamedLiteral(name="folder")
    folder.value.scalar.primitive.string_value = str(tmp_path)
    inputs.write_bytes(common_pb2.Inputs(literals=[folder]).SerializeToString())

    first = await launched(plane, 1)
    with a0(first, program, inputs) as old:
        await eventually((tmp_path / "ready1").exists, timeout_seconds=30)
        old.send_signal(signal.SIGSTOP)
        await lose(plane)
        second = await launched(plane, 2)
        (tmp_path / "go1").touch()
        old.send_signal(signal.SIGCONT)
        assert await ended(old) == EXIT_CODE
        with a0(second, program, inputs) as new:
            (tmp_path / "go2").touch()
            child = await eventually(lambda: _child(plane), timeout_seconds=30)
            assert len(plane.executor.held) == 2, "the root and the one child of its second attempt"
            await plane.executor.succeed(child.action)
            assert await ended(new) == 0

    assert f"flyte: {OVER}" in (tmp_path / "1.log").read_text()
    assert OVER not in (tmp_path / "2.log").read_text()
    assert written(first) == [], "no result, and no error either"
    assert written(second) == ["outputs.pb"]


def _child(plane: Plane) -> AttemptKey | None:
    return next((key for key in plane.executor.held if key.action != "a0"), None)
