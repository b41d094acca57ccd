"""A runtime that runs everything in place and remembers what it was asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flyte import _context
from flyte._ids import ActionID


def task_context(**changes: Any) -> _context.TaskContext:
    """The context of a task that runs nowhere."""
    return _context.TaskContext(
        action=ActionID(name="a0", run_name="r1"),
        version="v",
        raw_data_path=_context.RawDataPath("/nowhere"),
        output_path="/nowhere",
        run_base_dir="/nowhere",
    ).replace(**changes)


@dataclass
class FakeRuntime:
    """Runs calls in place; the records of traces outlive it, as they outlive an attempt."""

    records: dict[str, _context.Outcome] = field(default_factory=dict)
    calls: list[_context.Call] = field(default_factory=list)
    seen: list[_context.TaskContext] = field(default_factory=list)

    async def call(self, call: _context.Call) -> Any:
        self.calls.append(call)
        here = _context.ctx()
        assert here is not None
        self.seen.append(here)
        task: Any = call.callee
        return await task.execute(**call.arguments)

    async def recall(self, call: _context.Call) -> _context.Outcome | None:
        self.calls.append(call)
        return self.records.get(self._key(call))

    async def record(self, call: _context.Call, outcome: _context.Outcome) -> None:
        self.records[self._key(call)] = outcome

    @property
    def outcomes(self) -> list[_context.Outcome]:
        return list(self.records.values())

    @contextmanager
    def task(self, **context: Any) -> Iterator[None]:
        """Be inside a task."""
        with _context.entered(_context.Scope(self, task_context(**context))):
            yield

    def _key(self, call: _context.Call) -> str:
        return f"{call.callee.name}({dict(call.arguments)!r})"
