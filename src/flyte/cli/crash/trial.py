"""One process of a trial: a local run that watches itself, and kills itself where it is told to."""

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyteidl2.task import common_pb2

import flyte
from flyte import errors
from flyte._context import scope
from flyte._runtime.calls import NamedCall
from flyte._runtime.inprocess import journal
from flyte._runtime.inprocess.journal import Begun, Called, Ended, Journal, Record
from flyte._runtime.inprocess.recovery import Earlier
from flyte._runtime.inprocess.steps import Steps
from flyte._runtime.local import LocalRuntime
from flyte._task import TaskTemplate
from flyte._wire import identities
from flyte.cli.crash.effects import watch_effects
from flyte.cli.crash.notes import Asked, Finished, Killed, Moment, Notebook, Written

if TYPE_CHECKING:
    from types import FrameType

_OURS = f"{Path(flyte.__file__).parent}{os.sep}"
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a process of a trial is to do."""

    run: str
    notes: str
    """The file for its notes."""
    root: str
    """Where the user's code lies."""
    recovers: str | None = None
    """The killed run that it takes up again."""
    at: int | None = None
    """The record of the journal at which it kills itself."""
    moment: Moment = "before"

    @classmethod
    def read(cls, path: str) -> "Orders":
        return cls(**json.loads(Path(path).read_text()))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


def perform(orders: Orders, task: TaskTemplate[..., Any, Any], inputs: Mapping[str, Any]) -> None:
    """Run the task as ordered and note how it ended; or never return."""
    notes = Notebook(Path(orders.notes))
    user = UserCode(orders.root)
    watch_effects(notes, user.place)
    earlier = Earlier(journal.load(orders.recovers)) if orders.recovers else None
    kept = CrashingJournal(journal.path_of(orders.run), notes, orders)
    steps = WatchedSteps(kept, earlier, notes, user)
    arguments = task.interface.bind((), inputs, what=f"task {task.name!r}")
    try:
        value = LocalRuntime(steps=steps).run_root(
            task, arguments, name=orders.run, disable_run_cache=True
        )
    except errors.BaseRuntimeError as error:
        notes.add(Finished(f"{error.code}: {error}", f"{error.code}: {error}", failed=True))
    else:
        notes.add(Finished(kept.result, _text(value)))


class UserCode:
    """Finds the line of the user's own code that is being executed."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip(os.sep) + os.sep

    def place(self) -> str:
        """`file:line`, the file relative to the root; empty if none of the callers is the user's."""
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - how `inspect` does it, without its cost
        while frame is not None:
            file = frame.f_code.co_filename
            if self._owns(file):
                return f"{file.removeprefix(self._root)}:{frame.f_lineno}"
            frame = frame.f_back
        return ""

    def _owns(self, file: str) -> bool:
        return (
            file.startswith(self._root)
            and not file.startswith(_OURS)
            and "site-packages" not in file
            and not file.endswith(f"{os.sep}bin{os.sep}flyte")
        )


class CrashingJournal(Journal):
    """A journal that kills its process right before or right after one of its records is durable."""

    def __init__(self, path: Path, notes: Notebook, orders: Orders) -> None:
        super().__init__(path)
        self._notes = notes
        self._orders = orders
        self._lock = threading.Lock()
        self._count = 0
        self.result = ""
        """Identity of the root's outputs."""

    def write(self, record: Record) -> None:
        with self._lock:  # records are counted, so they come one by one
            number, self._count = self._count, self._count + 1
            self._crash(number, "before")
            super().write(record)
            if not isinstance(record, Begun):
                self._notes.add(_written(number, record))
            if isinstance(record, Ended) and not record.parent:
                self.result = _identity(record.outputs)
            self._crash(number, "after")

    def _crash(self, number: int, moment: Moment) -> None:
        if (number, moment) == (self._orders.at, self._orders.moment):
            self._notes.add(Killed(number, moment))
            os.kill(os.getpid(), signal.SIGKILL)


class WatchedSteps(Steps):
    """Notes every call with its inputs and its place."""

    def __init__(
        self, kept: Journal, earlier: Earlier | None, notes: Notebook, user: UserCode
    ) -> None:
        super().__init__(kept, earlier)
        self._notes = notes
        self._user = user

    def asked(self, call: NamedCall) -> None:
        here = scope()
        known = identities.by_name(call.inputs)
        given = call.call.arguments
        self._notes.add(
            Asked(
                name=call.action.name,
                parent=here.task.action.name if here else "",
                task=call.call.callee.name,
                group=call.call.group or "",
                inputs={name: (known[name], _text(given.get(name))) for name in known},
                where=self._user.place(),
            )
        )


def _written(number: int, record: Called | Ended) -> Written:
    if isinstance(record, Called):
        return Written(number, "begins", record.name, record.task, "task")
    what = "is taken over" if record.phase == "recovered" else "ends"
    kept = record.outputs is not None
    return Written(number, what, record.name, record.task, record.kind, record.phase, kept)


def _identity(outputs: bytes | None) -> str:
    literals = common_pb2.Outputs.FromString(outputs or b"").literals
    return identities.input_hash(common_pb2.Inputs(literals=literals))


def _text(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"
