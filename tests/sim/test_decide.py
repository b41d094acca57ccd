"""decide() under every order of events: a small world with processes that start, end, vanish and
report late."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flyte_server.domain import limits
from flyte_server.domain.events import (
    AbortRequested,
    Claimed,
    Event,
    Failed,
    Lost,
    Parked,
    Resumed,
    Slept,
    Started,
    Succeeded,
    TimedOut,
)
from flyte_server.domain.phases import LIVE, Blame, CacheStatus, Kind, Phase
from flyte_server.domain.records import Action, AttemptKey, Failure, Policy
from flyte_server.domain.transitions import decide

failures = st.builds(
    Failure,
    code=st.sampled_from(["ValueError", "OOM"]),
    message=st.just("no"),
    blame=st.sampled_from(Blame),
    recoverable=st.booleans(),
)
policies = st.builds(
    Policy,
    retries=st.integers(0, 2),
    system_retries=st.integers(0, 2),
    backoff_base_seconds=st.sampled_from([0.0, 3.0]),
    backoff_factor=st.sampled_from([1.0, 2.0]),
    max_runtime_seconds=st.sampled_from([0.0, 5.0]),
    max_queued_seconds=st.sampled_from([0.0, 5.0]),
    deadline_seconds=st.sampled_from([0.0, 20.0]),
)


class World(RuleBasedStateMachine):
    """One action, its processes, and whatever anybody may report about them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000_000
        self.claims = 0
        self.parks = 0
        self.alive: set[AttemptKey] = set()
        self.ended: list[AttemptKey] = []
        self.past: list[Event] = []

    @initialize(policy=policies, cached=st.booleans())
    def start_with(self, policy: Policy, cached: bool) -> None:
        self.enqueue(policy, cached)

    def enqueue(self, policy: Policy, cached: bool) -> None:
        action = Action(1, "x", "a0", Kind.TASK, Phase.QUEUED, "e.f", self.now, policy=policy)
        status = CacheStatus.MISS if cached else CacheStatus.DISABLED
        key = "k" if cached else None
        action = replace(action, queued_at=self.now, due_at=self.now, cache_key=key)
        action = replace(action, cache_status=status)
        self.action = replace(action, limit_at=limits.next_at(action))

    def tell(self, event: Event) -> None:
        before = self.action
        decision = decide(before, event, self.now)
        self.past.append(event)
        self.action = decision.action
        if before.phase.terminal:
            assert decision.action is before
        assert (decision.ignored is None) == (decision.action is not before)
        if decision.ignored is not None:
            assert decision.attempt is None
            assert decision.publish is None
        if decision.publish is not None:
            assert decision.action.phase is Phase.SUCCEEDED

    @rule(seconds=st.integers(1, 8))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * 1_000_000

    @rule(patiently=st.booleans())
    def claim(self, patiently: bool) -> None:
        self.claims += 1
        before = self.action
        if patiently:
            self.now = max(self.now, before.due_at)
        self.tell(Claimed(before.key, f"t{self.claims}"))
        if self.action.attempt > before.attempt:
            self.alive.add(self.current())

    @rule()
    def start(self) -> None:
        for attempt in sorted(self.alive, key=lambda key: key.number):
            self.tell(Started(attempt, "host", 1, self.now))

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), failure=failures)
    def end(self, data: st.DataObject, failure: Failure) -> None:
        attempt = data.draw(st.sampled_from(sorted(self.alive, key=lambda key: key.number)))
        self.alive.remove(attempt)
        self.ended.append(attempt)
        how = data.draw(st.sampled_from(["well", "badly", "unknown", "parked"]))
        if how == "well":
            self.tell(Succeeded(attempt, self.now))
        elif how == "badly":
            self.tell(Failed(attempt, failure, self.now))
        elif how == "parked":
            self.parks += 1
            self.tell(Parked(attempt, self.now, ("c",), goes_on=data.draw(st.booleans())))
        else:
            self.tell(Lost(attempt, "gone", self.now))

    @rule()
    def resume(self) -> None:
        """A condition of it ends, whether it was parked or not."""
        was_parked = self.action.phase is Phase.PAUSED
        self.tell(Resumed(self.action.key))
        assert not was_parked or self.action.phase is Phase.QUEUED

    @rule(seldom=st.integers(0, 5))
    def abort(self, seldom: int) -> None:
        if seldom == 0:
            self.tell(AbortRequested(self.action.key, "enough"))

    @precondition(lambda self: self.action.phase.terminal)
    @rule(policy=policies, cached=st.booleans())
    def enqueue_another(self, policy: Policy, cached: bool) -> None:
        self.past.clear()
        self.parks = 0
        self.enqueue(policy, cached)

    @rule()
    def look_at_the_limits(self) -> None:
        event = limits.hit(self.action, self.now)
        if event is not None:
            self.tell(event)
            assert self.action.limit_at is None or self.action.limit_at > self.now

    @rule(hours=st.integers(1, 3))
    def sleep(self, hours: int) -> None:
        """The machine sleeps: what was not over before is not over afterwards, but for the deadline."""
        before = limits.hit(self.action, self.now)
        jump = hours * 3_600_000_000
        self.now += jump
        decision = decide(self.action, Slept(self.action.key, self.action.attempt, jump), self.now)
        assert decision.action.phase is self.action.phase
        self.action = decision.action
        after = limits.hit(self.action, self.now)
        assert before is not None or after is None or after.code == limits.DEADLINE

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def repeat_something_old(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(self.past))
        if isinstance(event, Claimed | AbortRequested | Resumed):
            return  # the scheduler and users do not repeat themselves with old tokens
        if isinstance(event, TimedOut) and event.attempt == self.action.attempt:
            return  # is a fact then, not an old report
        before = self.action
        self.tell(event)
        assert self.action is before, f"{event} counted twice"

    def current(self) -> AttemptKey:
        action = self.action
        return AttemptKey(action.run_id, action.name, action.attempt, action.token)

    @invariant()
    def a_living_process_is_never_forgotten(self) -> None:
        if hasattr(self, "action"):
            living = {self.current()} if self.action.phase in LIVE else set()
            assert self.alive == living

    @invariant()
    def budgets_are_kept(self) -> None:
        if hasattr(self, "action"):
            action, policy = self.action, self.action.policy
            assert action.attempt <= 1 + policy.retries + policy.system_retries + self.parks
            assert action.user_failures <= policy.retries + 1
            assert action.system_failures <= policy.system_retries + 1

    @invariant()
    def the_end_is_clean(self) -> None:
        if hasattr(self, "action") and self.action.phase.terminal:
            action = self.action
            assert action.limit_at is None
            assert action.aborting is None
            assert action.stopping is None
            assert action.ended_at is not None
            assert (action.failure is None) == (action.phase is Phase.SUCCEEDED)

    @invariant()
    def the_limit_is_always_up_to_date(self) -> None:
        if hasattr(self, "action"):
            assert self.action.limit_at == limits.next_at(self.action)


World.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestWorld = World.TestCase
