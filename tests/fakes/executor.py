"""An executor without processes: it holds attempts, and a test says what becomes of them."""

from collections.abc import Collection

from flyte_server.clock import Clock
from flyte_server.domain.events import Failed, Lost, Started, Succeeded
from flyte_server.domain.phases import Blame
from flyte_server.domain.records import Action, AttemptKey, Failure
from flyte_server.engine.ports import LaunchSpec, Report


class FakeExecutor:
    """Implements `engine.ports.Executor`.

    Attempts start at once and stay until the test ends them.  `refuse` makes launches of a task
    raise; `deaf` makes kills of a task have no effect, as a process in an uninterruptible state.
    """

    def __init__(self, clock: Clock, worker: str = "fake") -> None:
        self._clock = clock
        self.worker = worker
        """Its one host; control planes that share a store need different ones."""
        self.is_settled = True
        self.report: Report = _unplugged
        self.held: dict[AttemptKey, LaunchSpec] = {}
        self.launched: list[str] = []
        """Names of actions in the order of their launches."""
        self.killed: list[str] = []
        self.refuse: set[str] = set()
        self.deaf: set[str] = set()
        self.most_at_once = 0

    async def start(self) -> None:
        return

    async def launch(self, spec: LaunchSpec) -> None:
        if spec.attempt in self.held:
            return
        name = spec.attempt.action
        if name in self.refuse:
            raise OSError(f"no process for {name}")
        self.launched.append(name)
        self.held[spec.attempt] = spec
        self.most_at_once = max(self.most_at_once, len(self.held))
        await self.report(
            Started(
                spec.attempt, worker=self.worker, pid=len(self.launched), at=self._clock.now_us()
            )
        )

    async def kill(self, attempt: AttemptKey, grace_seconds: float) -> None:
        self.killed.append(attempt.action)
        if attempt.action in self.deaf:
            return
        if self.held.pop(attempt, None) is None:
            await self.report(Lost(attempt, "not held here", self._clock.now_us()))
            return
        failure = Failure("Killed", f"signal 15, {grace_seconds:g} s of grace", Blame.SYSTEM)
        await self.report(Failed(attempt, failure, self._clock.now_us()))

    async def alive(self) -> Collection[AttemptKey]:
        return frozenset(self.held)

    async def settled(self) -> bool:
        return self.is_settled

    async def beating(self) -> Collection[str]:
        return (self.worker,)

    async def close(self) -> None:
        return

    def attempt(self, name: str) -> AttemptKey:
        """The attempt that is held for an action."""
        return next(attempt for attempt in self.held if attempt.action == name)

    async def succeed(self, name: str) -> None:
        """End the action's attempt well."""
        attempt = self.attempt(name)
        await self.report(Succeeded(attempt, self._clock.now_us()))
        self.held.pop(attempt, None)

    async def fail(self, name: str, failure: Failure) -> None:
        """End the action's attempt badly."""
        attempt = self.attempt(name)
        await self.report(Failed(attempt, failure, self._clock.now_us()))
        self.held.pop(attempt, None)

    def lose(self, name: str) -> None:
        """The process vanishes without a word."""
        del self.held[self.attempt(name)]


class FakeLaunchSpecs:
    """Implements `engine.ports.LaunchSpecs` without a stored task spec."""

    async def of(self, action: Action) -> LaunchSpec:
        return LaunchSpec(
            attempt=AttemptKey(action.run_id, action.name, action.attempt, action.token),
            task_name=action.task_name,
            environment=action.environment,
            run_name="r",
            command=("a0",),
            args=(),
            env={},
            output_prefix=action.output_uri,
            log_path="",
            host_key="h",
        )


async def _unplugged(_event: object) -> None:
    raise AssertionError("give the executor a report first")
