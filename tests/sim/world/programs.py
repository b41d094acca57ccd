"""What users run: small trees of tasks, made from a seed, and what each must come to if nothing disturbs it."""

import random
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flyte_server.domain.needs import Needs
from flyte_server.domain.records import Policy

ALWAYS = 1_000_000
_DEEPEST = 2
_SYSTEM_RETRIES = 30
"""More than any seed's trouble costs: what fails all the same, fails by the user's fault."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A traced call inside of a task."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of other tasks, one after the other or together."""

    children: tuple["Node", ...]
    together: bool
    caught: bool
    """Whether their failures are caught."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What somebody says to a question."""

    after: float
    """Seconds after it was seen."""
    value: int | str
    """A text is of the wrong type."""


@dataclass(frozen=True, slots=True)
class Question:
    """A condition."""

    name: str
    timeout: float = 0.0
    replies: tuple[Reply, ...] = ()
    aborted_after: float | None = None
    awaited: bool = True
    """Whether the task that asks waits for the answer."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Conditions, asked together."""

    questions: tuple[Question, ...]
    beside: Calls | None = None
    """What is called meanwhile."""
    counts: bool = True
    """Whether the value of the task depends on the answers."""


@dataclass(frozen=True, slots=True)
class Node:
    """One call of a task."""

    name: str
    """The action's name in its run."""
    label: int
    """What its value depends on."""
    seconds: float
    steps: tuple[Trace | Calls | Ask, ...] = ()
    parks_after: float = 0.0
    """How long it waits for nothing but conditions until it gives its process back; 0: it never does."""
    fails: int = 0
    """How many of its ends fail by the user's fault."""
    hangs: bool = False
    """It never ends; a time limit ends it."""
    cache_key: str | None = None
    policy: Policy = field(default_factory=Policy)

    def nodes(self) -> Iterator["Node"]:
        """It and all that it calls."""
        yield self
        for step in self.steps:
            called = step.beside if isinstance(step, Ask) else step
            if isinstance(called, Calls):
                for child in called.children:
                    yield from child.nodes()


@dataclass(frozen=True, slots=True)
class Program:
    """One run that a user starts."""

    run: str
    root: Node
    starts_at: float
    most: int = 0
    """How many of its actions may be alive at once; 0: no limit of its own."""
    aborts: tuple[tuple[float, str], ...] = ()
    """When somebody aborts which action."""

    def node(self, name: str) -> Node:
        """The node of an action."""
        return next(node for node in self.root.nodes() if node.name == name)

    def question(self, name: str) -> Question:
        """The question of a condition's action."""
        asked = (step for node in self.root.nodes() for step in node.steps if isinstance(step, Ask))
        return next(each for step in asked for each in step.questions if each.name == name)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ends when nothing but its own faults disturbs it."""

    phase: str
    value: int | None = None


def expected(node: Node, ends: Mapping[str, Outcome]) -> Outcome:
    """The outcome of an undisturbed execution.

    Args:
        node: the call.
        ends: how conditions, and tasks with a deadline, have ended in this world.
    """
    is_late = node.policy.deadline_seconds and ends.get(node.name) == Outcome("timed_out")
    if node.hangs or is_late:
        return Outcome("timed_out")
    values: list[int] = []
    for step in node.steps:
        found = _expected_of(step, ends)
        if found is None:
            return Outcome("failed")
        values += found
    if node.fails > node.policy.retries:
        return Outcome("failed")
    return Outcome("succeeded", value_of(node, values))


def _expected_of(step: Trace | Calls | Ask, ends: Mapping[str, Outcome]) -> list[int] | None:
    """The values of a step; None when it fails."""
    if isinstance(step, Trace):
        return [step.value]
    if isinstance(step, Ask):
        called = [] if step.beside is None else _expected_of(step.beside, ends)
        if called is None:
            return None
        answers = [answer_of(ends.get(each.name)) for each in step.questions if each.awaited]
        return (answers if step.counts else []) + called
    outcomes = [expected(child, ends) for child in step.children]
    if not step.caught and any(outcome.value is None for outcome in outcomes):
        return None
    return [CAUGHT if outcome.value is None else outcome.value for outcome in outcomes]


_UNANSWERED = {"timed_out": -2, "aborted": -3}


def answer_of(end: Outcome | None) -> int:
    """What stands for the end of a condition."""
    if end is None:
        return -4
    return _UNANSWERED[end.phase] if end.value is None else end.value


CAUGHT = -1
"""What stands for the value of a child whose failure was caught."""


def value_of(node: Node, values: list[int]) -> int:
    """What a task returns, from what it got."""
    return zlib.crc32(repr((node.label, values)).encode())


def of_tick(run: str) -> Program:
    """What a trigger starts."""
    policy = Policy(system_retries=_SYSTEM_RETRIES)
    return Program(run, Node("a0", zlib.crc32(run.encode()), 0.05, policy=policy), 0.0)


def make(seed: int) -> list[Program]:
    """The programs of a seed: a few runs; the first is neither aborted nor does it fail."""
    dice = random.Random(f"programs {seed}")
    count = dice.choice([1, 2, 2, 3, 4])
    programs: list[Program] = []
    for number in range(count):
        root = _Maker(dice, seed, healthy=number == 0).node("a0", 0)
        starts_at = round(dice.uniform(0, 20) if number else 0.1, 3)
        program = Program(f"run{number}", root, starts_at, most=dice.choice([0, 0, 1, 2]))
        if number and dice.random() < 0.4:
            names = [node.name for node in root.nodes()]
            victim = "a0" if dice.random() < 0.5 else dice.choice(names)
            program = replace(program, aborts=((dice.uniform(0, 40), victim),))
        programs.append(program)
    return programs


class _Maker:
    def __init__(self, dice: random.Random, seed: int, *, healthy: bool) -> None:
        self._dice = dice
        self._seed = seed
        self._healthy = healthy
        self._asks = random.Random(f"conditions {seed}").random() < 0.6
        self._left = 12
        """How many more nodes there may be."""

    def node(self, name: str, depth: int) -> Node:
        dice = self._dice
        self._left -= 1
        if depth and dice.random() < 0.25:
            return self._cached(name)
        steps = () if depth > _DEEPEST else self._steps(name, depth)
        retries = dice.choice([0, 1, 2])
        fails = dice.choice([0, 0, 0, 1]) if retries else 0
        hangs = False
        if not self._healthy and depth:
            fails = ALWAYS if dice.random() < 0.15 else fails
            hangs = not steps and dice.random() < 0.08
        asks = any(isinstance(step, Ask) for step in steps)
        is_limited = asks and depth and not self._healthy and dice.random() < 0.2
        deadline = {"deadline_seconds": 20.0} if is_limited else {}
        return Node(
            name, dice.getrandbits(30), round(dice.uniform(0.01, 6), 3), steps,
            parks_after=dice.choice([0.0, 0.05, 1.0, 1.0, 4.0]) if asks else 0.0,
            fails=fails, hangs=hangs, policy=self._policy(retries, hangs=hangs, **deadline),
        )  # fmt: skip

    def _policy(self, retries: int, *, hangs: bool, **fields: Any) -> Policy:
        needs = Needs(
            cpu_milli=self._dice.choice([0, 0, 500, 1000]), memory=self._dice.choice([0, 0, 1])
        )
        return Policy(
            needs=needs,
            retries=min(retries, 1) if hangs else retries,
            system_retries=_SYSTEM_RETRIES,
            backoff_base_seconds=self._dice.choice([0.0, 0.5, 3.0]),
            max_runtime_seconds=8.0 if hangs else 0.0,
            **fields,
        )

    def _cached(self, name: str) -> Node:
        """A leaf that other runs have too; equal keys mean equal values."""
        dice = self._dice
        number = dice.randrange(3)
        policy = self._policy(1, hangs=False, cache_serialize=number > 0)
        asked: tuple[Ask, ...] = ()
        if self._asks and dice.random() < 0.2:
            asked = (Ask((self._question(f"{name}-q0a"),), counts=False),)
        return Node(
            name, number, round(dice.uniform(0.1, 4), 3), asked, parks_after=1.0 if asked else 0.0,
            fails=dice.choice([0, 0, 1]), cache_key=f"key{number}", policy=policy,
        )  # fmt: skip

    def _steps(self, name: str, depth: int) -> tuple[Trace | Calls | Ask, ...]:
        steps: list[Trace | Calls | Ask] = []
        for number in range(
            self._dice.choice([0, 1, 1, 2]) if depth else self._dice.choice([1, 2])
        ):
            if self._dice.random() < 0.2:
                steps.append(Trace(f"{name}-t{number}", self._dice.getrandbits(20)))
            elif self._asks and self._dice.random() < 0.4:
                steps.append(self._asked(name, number, depth))
            elif self._left > 0:
                steps.append(self._calls(f"{name}-{number}", depth))
        return tuple(steps)

    def _asked(self, name: str, number: int, depth: int) -> Ask:
        count = self._dice.choice([1, 1, 2, 3])
        questions = tuple(
            self._question(f"{name}-q{number}{'abc'[which]}", awaited=self._dice.random() < 0.9)
            for which in range(count)
        )
        has_calls = self._left > 0 and self._dice.random() < 0.25
        return Ask(questions, self._calls(f"{name}-{number}", depth) if has_calls else None)

    def _question(self, name: str, *, awaited: bool = True) -> Question:
        """Answered, if it has no timeout: somebody answers in the end."""
        dice = self._dice
        timeout = dice.choice([0.0, 0.0, 2.0, 6.0, 15.0])
        count = dice.choice([0, 1, 2, 3]) if timeout else dice.choice([1, 1, 2, 3])
        at_once = round(dice.uniform(0, 20), 3)
        replies = [
            Reply(
                at_once if dice.random() < 0.5 else round(dice.uniform(0, 25), 3),
                dice.getrandbits(20),
            )
            for _ in range(count)
        ]
        if dice.random() < 0.2:
            replies.append(Reply(round(dice.uniform(0, 20), 3), "a text"))
        aborted = round(dice.uniform(0, 20), 3) if dice.random() < 0.1 else None
        return Question(name, timeout, tuple(replies), aborted, awaited)

    def _calls(self, prefix: str, depth: int) -> Calls:
        width = min(self._dice.choice([1, 1, 2, 3]), max(1, self._left))
        children = tuple(self.node(f"{prefix}{'abc'[which]}", depth + 1) for which in range(width))
        return Calls(children, self._dice.random() < 0.7, self._dice.random() < 0.3)
