"""How a call in a local run uses the cache: looked up, executed, kept, as a control plane does it."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from flyteidl2.core import tasks_pb2
from flyteidl2.task import common_pb2

from flyte import _cache, errors
from flyte._context import TaskContext
from flyte._runtime.caching import shelf, turns
from flyte._runtime.caching.shelf import Kept, Scope, Shelf
from flyte._runtime.caching.turns import Turn
from flyte._task import TaskTemplate
from flyte._wire import values
from flyte._wire.caching import decisions, keys
from flyte._wire.caching.decisions import CacheDecision
from flyte._wire.carriers import Carrier
from flyte.config import _read

logger = logging.getLogger("flyte.cache")


@dataclass(frozen=True, slots=True)
class LocalCall:
    """A call of a task in a local run."""

    task: TaskTemplate
    inputs: common_pb2.Inputs
    context: TaskContext
    carrier: Carrier | None
    blocking: bool

    @property
    def source(self) -> str:
        """How others name it."""
        return f"{self.context.action.run_name}/{self.context.action.name}"

    async def value(self, outputs: common_pb2.Outputs) -> Any:
        """What its caller gets."""
        return await values.returned(self.task.interface, outputs, carrier=self.carrier)


@dataclass(frozen=True, slots=True)
class _Question:
    """What a call asks the cache."""

    call: LocalCall
    template: tasks_pb2.TaskTemplate
    key: str
    results: Shelf
    overwritten_by: str
    """Why a new result is wanted in any case; empty: it is not."""

    @property
    def max_age(self) -> timedelta | None:
        metadata = self.template.metadata
        return metadata.cache_max_age.ToTimedelta() if metadata.HasField("cache_max_age") else None

    def parts(self) -> dict[str, Any]:
        return keys.parts(self.template, self.call.inputs)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the cache said: outputs and their value, or why there are none."""

    decision: CacheDecision
    outputs: common_pb2.Outputs | None = None
    """Those of a hit."""
    value: Any = None
    replaces: bool = True
    """Whether the new result takes the place of one that is there."""


Perform = Callable[["LocalCache"], Awaitable[common_pb2.Outputs]]


@dataclass(frozen=True)
class LocalCache:
    """The cache as the calls of one action of a local run see it."""

    overwrite: bool = False
    disabled: bool = False
    scope: Scope = "global"
    home: Path = field(default_factory=_read.flyte_home)
    above: tuple[Turn, ...] = ()
    """Turns that are held by the actions above."""
    templates: dict[int, tuple[TaskTemplate, tasks_pb2.TaskTemplate]] = field(
        default_factory=dict[int, tuple[TaskTemplate, tasks_pb2.TaskTemplate]], repr=False
    )
    """By identity of the task, which is kept beside it; made once in a run."""

    async def result(self, call: LocalCall, perform: Perform) -> tuple[common_pb2.Outputs, Any]:
        """The outputs of a call, and its value: of an earlier one if the cache has it, else by `perform`, which gets
        the cache for the calls below."""
        question = self._question(call)
        if question is None:
            outputs = await perform(self)
            return outputs, await call.value(outputs)
        answer = await _ask(question)
        turn = None if answer.decision.is_hit else await self._turn(question)
        try:
            if turn is not None:
                answer = await _ask(question)  # somebody may have been faster
            _tell(call, answer.decision)
            if answer.outputs is not None:
                return answer.outputs, answer.value
            below = self if turn is None else replace(self, above=(*self.above, turn))
            outputs = await perform(below)
            await _keep(question, outputs, replaces=answer.replaces)
        finally:
            if turn is not None:
                turn.release()
        return outputs, await call.value(outputs)

    async def _turn(self, question: _Question) -> Turn | None:
        if not question.template.metadata.cache_serializable or question.overwritten_by:
            return None
        lock = question.results.own(question.key).with_suffix(".lock")
        try:
            return await turns.take(lock, above=self.above, blocking=question.call.blocking)
        except OSError as error:
            logger.warning("%s is executed without waiting for equal calls: %s", lock, error)
            return None

    def _question(self, call: LocalCall) -> _Question | None:
        if self.disabled or not _cache.cache(call.task.cache).is_enabled():
            return None
        template = self._template(call.task)
        key = keys.key(template, call.inputs)
        if key is None:
            return None
        action = call.context.action
        results = Shelf(self.home, action.project, action.domain, call.task.name, self.scope)
        wanted = "the run overwrites the cache" if self.overwrite else ""
        if template.config.get(keys.BEHAVIOR, "") == "override":
            wanted = "its cache behavior is override"
        return _Question(call, template, key, results, wanted)

    def _template(self, task: TaskTemplate) -> tasks_pb2.TaskTemplate:
        known = self.templates.get(id(task))
        if known is None:
            known = self.templates[id(task)] = (task, keys.template(task))
        return known[1]


async def _ask(question: _Question) -> _Answer:
    if question.overwritten_by:
        return _Answer(CacheDecision(decisions.OVERWRITTEN, detail=question.overwritten_by))
    stale: CacheDecision | None = None
    for path in question.results.files(question.key):
        kept = await shelf.load(path, home=question.results.home)
        if kept is None:
            stale = stale or CacheDecision(decisions.DAMAGED, source=path.name)
        elif question.max_age is not None and kept.age() > question.max_age:
            stale = CacheDecision(decisions.EXPIRED, source=kept.source, age=kept.age())
        elif (answer := await _hit(question.call, kept)) is not None:
            return answer
        else:
            stale = CacheDecision(decisions.DAMAGED, source=kept.source)
    if stale is not None:
        return _Answer(stale)
    decision = CacheDecision(decisions.FIRST_TIME)
    if logger.isEnabledFor(logging.INFO):
        decision = await shelf.explain_miss(question.results, question.parts())
    return _Answer(decision, replaces=False)


async def _hit(call: LocalCall, kept: Kept) -> _Answer | None:
    """The value of a result; None, with a warning, if it is no value of the task any more."""
    try:
        value = await call.value(kept.outputs)
    except errors.BaseRuntimeError as error:
        logger.warning(
            "the cached result of %s cannot be used and is made again: %s", kept.source, error
        )
        return None
    decision = CacheDecision(decisions.HIT, source=kept.source, age=kept.age())
    return _Answer(decision, kept.outputs, value)


async def _keep(question: _Question, outputs: common_pb2.Outputs, *, replaces: bool) -> None:
    path = question.results.own(question.key)
    if replaces or not path.exists():
        await shelf.save(path, outputs, source=question.call.source, parts=question.parts())


def _tell(call: LocalCall, decision: CacheDecision) -> None:
    logger.info("%s (%s) %s", call.task.name, call.source, decision)
