"""A user's program in a process: calls its children with the real submitter and informer of the SDK."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

from flyteidl2.actions.actions_service_pb2 import EnqueueRequest
from tests.sim.world.hosts import Host, Process
from tests.sim.world.journal import Journal
from tests.sim.world.loop import Being, never, running
from tests.sim.world.network import Network
from tests.sim.world.planes import Blobs, Plane
from tests.sim.world.programs import (
    ALWAYS,
    CAUGHT,
    Ask,
    Calls,
    Node,
    Outcome,
    Program,
    Question,
    Trace,
    answer_of,
    value_of,
)

from flyte import errors
from flyte._phases import ActionPhase
from flyte._runtime.informer import Informer
from flyte._runtime.submitter import Submitter
from flyte._wire import statuses
from flyte_server.services import faults

_CODES = {ConnectionError: "unavailable", TimeoutError: "deadline_exceeded"}


class World(Protocol):
    """What a program sees of the world."""

    journal: Journal
    network: Network
    blobs: Blobs

    def program(self, run: str) -> Program: ...
    def endpoint(self, host: Host) -> "Endpoint": ...


class Endpoint(Protocol):
    """An address at which one control plane after the other answers."""

    def now(self) -> tuple[Being, Plane]: ...


class ChildFailedError(Exception):
    """A child ended badly."""


class UserFaultError(Exception):
    """The user's own fault, by plan."""


class Task:
    """One attempt's program."""

    def __init__(self, world: World, host: Host, process: Process) -> None:
        self._world = world
        self._host = host
        self._process = process
        self._spec = process.spec
        self._program = world.program(self._spec.run_name)
        self._node = self._program.node(self._spec.attempt.action)
        self._informer: Informer | None = None
        self._submitter = Submitter(self._enqueue)
        self._under_way = 0
        """Calls, and requests, on which it waits."""
        self._waits: set[str] = set()
        """Conditions for which it waits."""

    async def run(self) -> None:
        """Execute; the end is written and the process gone."""
        try:
            value = await self._execute()
        except UserFaultError:
            self._failed()
        except ChildFailedError:
            self._failed()
        except errors.BaseRuntimeError as error:
            # What the SDK reports as a failure of the system: here it fails the attempt all the same.
            self._world.journal.note("gives up", self._spec.attempt.action, error)
            self._host.ends(self._process, "system")
        else:
            self._world.blobs.values[self._spec.output_prefix] = value
            self._host.ends(self._process, "value")

    def _failed(self) -> None:
        self._world.journal.failures[self._spec.run_name, self._node.name] += 1
        self._host.ends(self._process, "failed")

    async def _execute(self) -> int:
        node = self._node
        if node.hangs:
            await asyncio.sleep(1_000_000)
        values: list[int] = []
        await asyncio.sleep(node.seconds / 2)
        for step in node.steps:
            values += await self._step(step)
        await asyncio.sleep(node.seconds / 2)
        failed = self._world.journal.failures[self._spec.run_name, node.name]
        if node.fails == ALWAYS or failed < node.fails:
            raise UserFaultError
        return value_of(node, values)

    async def _step(self, step: Trace | Calls | Ask) -> list[int]:
        if isinstance(step, Ask):
            return await self._ask(step)
        self._under_way += 1
        try:
            return await self._done(step)
        finally:
            self._under_way -= 1

    async def _done(self, step: Trace | Calls) -> list[int]:
        if isinstance(step, Trace):
            return [await self._trace(step)]
        if not step.together:
            return [await self._call(child, step) for child in step.children]
        results = await asyncio.gather(
            *(self._call(child, step) for child in step.children), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return list(results)

    async def _ask(self, step: Ask) -> list[int]:
        self._under_way += 1
        try:
            for question in step.questions:
                await self._put(question)
        finally:
            self._under_way -= 1
        answers = [self._answer(each) for each in step.questions if each.awaited]
        beside = [] if step.beside is None else [self._step(step.beside)]
        values, *called = await asyncio.gather(asyncio.gather(*answers), *beside)
        return [*(values if step.counts else []), *(value for each in called for value in each)]

    async def _put(self, question: Question) -> None:
        informer = await self._ready()
        if informer.known(question.name) is None:
            request = EnqueueRequest()
            request.action.action_id.name = question.name
            request.action.condition.name = question.name
            await self._submitter.submit(request)

    async def _answer(self, question: Question) -> int:
        informer = await self._ready()
        self._waits.add(question.name)
        end = asyncio.create_task(informer.terminal(question.name))
        pause = self._node.parks_after or None
        while not (await asyncio.wait([end], timeout=pause))[0]:
            if not self._under_way:
                await self._park()
        self._waits.remove(question.name)
        update = await end
        phase = statuses.phase(update.phase)
        if phase is ActionPhase.SUCCEEDED:
            return answer_of(Outcome("", update.value.scalar.primitive.integer))
        return answer_of(Outcome(phase.value))

    async def _park(self) -> None:
        """Give the process back; nothing of it goes on."""
        journal, attempt = self._world.journal, self._spec.attempt
        self._process.awaits = tuple(sorted(self._waits))
        journal.parked[self._spec.run_name, self._node.name, attempt.number] = set(self._waits)
        journal.deed("park", f"{self._spec.run_name}/{self._node.name}")
        self._host.ends(self._process, "parked")
        await never()

    async def _call(self, child: Node, step: Calls) -> int:
        name = child.name
        informer = await self._ready()
        if informer.known(name) is None:
            request = EnqueueRequest()
            request.action.action_id.name = name
            await self._submitter.submit(request)
        update = await informer.terminal(name)
        if statuses.phase(update.phase) is ActionPhase.SUCCEEDED:
            return self._world.blobs.values[update.output_uri]
        if step.caught:
            return CAUGHT
        raise ChildFailedError(name)

    async def _trace(self, step: Trace) -> int:
        informer = await self._ready()
        known = informer.known(step.name)
        if known is not None:
            return int(known.output_uri)
        self._world.journal.trace_begins(self._spec.run_name, step.name)
        await asyncio.sleep(0.05)
        request = EnqueueRequest()
        request.action.action_id.name = step.name
        request.action.trace.name = str(step.value)
        await self._submitter.submit(request)
        self._world.journal.recorded[self._spec.run_name, step.name] = running().time()
        return step.value

    async def _ready(self) -> Informer:
        if self._informer is None:
            self._informer = Informer(self._watch)
        await self._informer.ready()
        return self._informer

    # -- across the network

    async def _enqueue(self, request: EnqueueRequest) -> None:
        attempt, run = self._spec.attempt, self._spec.run_name
        name = request.action.action_id.name
        being, plane = self._world.endpoint(self._host).now()
        if request.action.HasField("trace"):
            value = int(request.action.trace.name)

            async def serve() -> None:
                await plane.record(attempt.action, name, value, attempt)
        elif request.action.HasField("condition"):
            question = self._program.question(name)

            async def serve() -> None:
                await plane.question(run, attempt.action, question, attempt)
        else:
            node = self._program.node(name)

            async def serve() -> None:
                await plane.enqueue(run, attempt.action, node, attempt)

        try:
            await self._world.network.ask(being, serve)
        except Exception as error:  # noqa: BLE001 - as the SDK's interceptor: everything becomes its own error
            raise _as_client(error) from None
        self._world.journal.deed("enqueue", name)

    async def _watch(self) -> AsyncIterator[Any]:
        attempt, run = self._spec.attempt, self._spec.run_name
        being, plane = self._world.endpoint(self._host).now()
        messages = self._world.network.stream(
            being, lambda: plane.watch(run, attempt.action, attempt)
        )
        try:
            async for message in messages:
                yield message
        except Exception as error:  # noqa: BLE001 - as above
            raise _as_client(error) from None


def _as_client(error: Exception) -> errors.UnionRpcError:
    """What the SDK's client makes of it."""
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return errors.UnionRpcError(code, str(error))
    refusal = faults.connect_error(error, where="the simulation")
    return errors.UnionRpcError(refusal.code.value, str(error))
