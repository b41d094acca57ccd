"""The one writer of runs and actions.

Whoever learns or wants something calls a method and gets the answer after the commit (see `committer`).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from flyte_server.clock import Clock
from flyte_server.domain import errors, ids, records
from flyte_server.domain.admission.lanes import LIMITABLE, Gate
from flyte_server.domain.capacity import Capacity, Standing
from flyte_server.domain.commands import NewAction, NewCondition, NewRun, NewTrace
from flyte_server.domain.events import (
    Event,
)
from flyte_server.domain.records import Action, ActionKey, AttemptKey, Run
from flyte_server.domain.schedules.records import Tick
from flyte_server.engine import changes, conditions
from flyte_server.engine.admission.standing import Processes
from flyte_server.engine.bus import Bus
from flyte_server.engine.changes import Claims
from flyte_server.engine.committer import Committer
from flyte_server.engine.ports import Outputs
from flyte_server.engine.pulse import Pulse
from flyte_server.store.database import Database

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """By what this control plane takes work in."""

    capacity: Capacity = field(default_factory=lambda: Capacity(1000))
    """What its machine has: a task that asks for more fails at once."""
    system_retries: int | None = None
    """Failures that are not the user's and are forgiven; None: as many as each task says."""


class _TrustedOutputs:
    """Implements `Outputs` where nobody can look: what was written is there."""

    def problem(self, output_uri: str, count: int | None) -> str | None:
        return None


class Engine:
    """Takes work in and moves actions, one transaction after the other.

    Example:
        engine = Engine(database, Bus(), clock=RealClock())
        run, root = await engine.create_run(command)
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        clock: Clock,
        *,
        outputs: Outputs | None = None,
        plane: str | None = None,
        rules: Rules | None = None,
        new_token: Callable[[], str] = ids.random_token,
        new_run_name: Callable[[], str] = ids.random_run_name,
    ) -> None:
        self._committer = Committer(database, bus, clock, outputs or _TrustedOutputs())
        self.plane = plane or ids.random_plane()
        """Who claims: the worker of attempts that no host has yet."""
        self._rules = rules or Rules()
        self.processes = Processes()
        """Of pools, with what they reserve."""
        self._new_token = new_token
        self._new_run_name = new_run_name

    @property
    def capacity(self) -> Capacity:
        """What its machine has."""
        return self._rules.capacity

    @property
    def pulse(self) -> Pulse:
        """How its store is doing."""
        return self._committer.pulse

    async def create_run(self, command: NewRun) -> tuple[Run, Action]:
        """Take a new run in.

        Returns:
            The run and its root action: queued, or succeeded when the cache has its outputs.

        Raises:
            errors.AlreadyExists: when the project and domain have a run of that name.
            errors.Invalid: when the root action is not one.
        """
        return await self._committer.do(
            partial(
                changes.create_run,
                command=replace(command, root=self._ruled(command.root)),
                new_name=self._new_run_name,
                machine=self.capacity,
            )
        )

    async def fire(self, tick: Tick, command: NewRun) -> bool:
        """Take the run of a trigger's tick in, and let the trigger wait for the following one, in one transaction.

        Returns:
            False when the tick has its run already, or the trigger was changed meanwhile.

        Raises:
            errors.Invalid: when the root action is not one.
        """
        ruled = replace(command, root=self._ruled(command.root))
        work = partial(changes.fire, tick=tick, command=ruled, machine=self.capacity)
        return await self._committer.do(work)

    async def enqueue(
        self, run_id: int, command: NewAction, *, caller: AttemptKey | None = None
    ) -> bool:
        """Take a child in; False when an action of that name exists (a parent that replays asks
        again).

        Args:
            run_id: its run.
            command: the child.
            caller: the attempt that asks; None when it did not say.

        Raises:
            errors.NotFound: when there is no such run or parent.
            errors.Aborted: when the parent or the run has ended or is being stopped.
            errors.AttemptOver: when the caller is not the current attempt any more.
        """
        work = partial(
            changes.enqueue, run_id=run_id, command=self._ruled(command), machine=self.capacity
        )
        return await self._committer.do(changes.fenced(work, caller))

    async def record_trace(
        self, run_id: int, command: NewTrace, *, caller: AttemptKey | None = None
    ) -> bool:
        """Record a traced call; False when an action of that name exists.

        Raises:
            errors.NotFound: when there is no such run or parent.
            errors.Invalid: when the trace has not ended.
            errors.Aborted: when the parent has ended.
            errors.AttemptOver: when the caller is not the current attempt any more.
        """
        work = partial(changes.record_trace, run_id=run_id, command=command)
        return await self._committer.do(changes.fenced(work, caller))

    async def ask(
        self, run_id: int, command: NewCondition, *, caller: AttemptKey | None = None
    ) -> bool:
        """Take a condition in; False when an action of that name exists (a parent that replays asks again).

        Raises:
            errors.NotFound: when there is no such run or parent.
            errors.Aborted: when the parent or the run has ended or is being stopped.
            errors.AttemptOver: when the caller is not the current attempt any more.
        """
        work = partial(changes.ask, run_id=run_id, command=command)
        return await self._committer.do(changes.fenced(work, caller))

    async def answer(
        self, key: ActionKey, answer: records.Answer, *, caller: AttemptKey | None = None
    ) -> None:
        """Answer a condition: the first answer counts, and stays.

        Raises:
            errors.NotFound: when there is no such action.
            errors.Invalid: when it is no condition, or the value is not of its type.
            errors.Conflict: when it has ended; the message says who answered, and when.
            errors.AttemptOver: when the caller is not the current attempt any more.
        """
        work = partial(changes.answer, key=key, answer=answer)
        await self._committer.do(changes.fenced(work, caller))

    async def told(self, key: ActionKey) -> None:
        """Nobody is to be told of a condition any more."""
        await self._committer.do(partial(conditions.told, key=key))

    async def not_told(self, key: ActionKey, *, failures: int, due_at: int) -> None:
        """Who is to be told of a condition could not be reached; tried again at `due_at`."""
        await self._committer.do(
            partial(conditions.not_told, key=key, failures=failures, due_at=due_at)
        )

    async def apply(self, event: Event) -> Action | None:
        """Tell what happened.  A late or foreign report changes nothing, which is no error.

        Returns:
            The action afterwards; None when there is no such action.
        """
        return await self._committer.do(partial(changes.apply, event=event))

    async def abort_run(
        self, run_id: int, reason: str, *, caller: AttemptKey | None = None
    ) -> None:
        """Abort every action of a run; after the answer nothing of it starts any more.

        Raises:
            errors.NotFound: when there is no such run.
            errors.AttemptOver: when the caller is not the current attempt any more.
        """
        await self.abort_action(ActionKey(run_id, ids.ROOT_ACTION), reason, caller=caller)

    async def abort_action(
        self, key: ActionKey, reason: str, *, caller: AttemptKey | None = None
    ) -> None:
        """Abort an action and all that it called; after the answer nothing of it starts any more.

        Processes that run are killed by the reconciler; their actions are `ABORTED` when they are
        gone.

        Raises:
            errors.NotFound: when there is no such action.
            errors.AttemptOver: when the caller is not the current attempt any more.
        """
        work = partial(changes.abort, key=key, reason=reason, must_last=True)
        await self._committer.do(changes.fenced(work, caller))

    async def abort_children(self, key: ActionKey, reason: str) -> None:
        """Abort all that an action called, but not the action.

        Raises:
            errors.NotFound: when there is no such action.
        """
        await self._committer.do(partial(changes.abort, key=key, reason=reason, spare=key))

    async def claim(self, capacity: Capacity) -> Claims:
        """Start new attempts for the actions that are due, as many as have a place under every limit and fit into the
        machine.

        One that cannot be moved is set aside with its error; the others start.
        """
        work = partial(
            changes.claim,
            capacity=capacity,
            plane=self.plane,
            new_token=self._new_token,
            processes=self.processes,
        )
        try:
            return await self._committer.do(work)
        except errors.Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to one of the rows
            _logger.warning("actions are claimed one by one, together they failed: %s", error)
            return await self._committer.do(partial(work, apart=True))

    async def set_aside(self, subject: str, key: ActionKey | None, error: str) -> None:
        """Note that something failed and is left alone for a while, longer with every failure.

        Args:
            subject: what failed; the same text for the same thing.
            key: the action that it is about.
            error: why.
        """
        await self._committer.do(partial(changes.set_aside, subject=subject, key=key, error=error))

    async def heal(self, subject: str, key: ActionKey | None = None) -> None:
        """Note that something that was set aside works again.

        An action that an abort could not reach meanwhile is aborted first.
        """
        await self._committer.do(partial(changes.heal, subject=subject, key=key))

    def _ruled(self, command: NewAction) -> NewAction:
        """With this control plane's budget for failures that are not the user's, if it has one."""
        retries = self._rules.system_retries
        if retries is None:
            return command
        return replace(command, policy=replace(command.policy, system_retries=retries))

    async def reserve(self, process: Standing) -> tuple[str, ...] | None:
        """Reserve a part of the machine for a process of a pool; the same answer when it has one already.

        Returns:
            Ids of its accelerators; None when there is no room now.
        """
        return await self._committer.do(partial(self.processes.reserve, process, self.capacity))

    async def keep(self, process: Standing) -> None:
        """Count a process of a pool that stands already, whether there is room or not."""
        await self._committer.do(partial(self.processes.keep, process))

    async def release(self, name: str) -> None:
        """Give back what a process of a pool had reserved; it is gone."""
        await self._committer.do(partial(self.processes.release, name))

    async def set_limit(self, gate: Gate, most: int) -> None:
        """Let at most so many actions of an environment or a queue be alive at once; what runs goes on.

        Raises:
            errors.Invalid: for something else, or a limit below 1.
        """
        if gate.kind not in LIMITABLE or not gate.name or most < 1:
            raise errors.Invalid(
                f"a limit of {most} for the {gate.kind} {gate.name!r} cannot be set;"
                " give the name of an environment or a queue, and at least 1"
            )
        await self._committer.do(partial(changes.set_limit, gate=gate, most=most))

    async def delete_limit(self, gate: Gate) -> None:
        """Take the limit of an environment or a queue away.

        Raises:
            errors.NotFound: when it has none.
        """
        await self._committer.do(partial(changes.delete_limit, gate=gate))

    async def close(self) -> None:
        """Finish what was accepted and refuse what comes later."""
        await self._committer.close()
