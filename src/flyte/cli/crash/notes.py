"""What the process of one trial tells: a line of JSON for each event, which survives that the process is killed."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

Moment = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A task or a traced function was called."""

    name: str
    """The action's name, by which a run that is taken up again finds it."""
    parent: str
    task: str
    group: str
    inputs: Mapping[str, tuple[str, str]]
    """Identity and text of every input."""
    where: str
    """`file:line` of the call; empty where the stack does not tell (a call that somebody else awaits)."""


@dataclass(frozen=True, slots=True)
class Written:
    """A record of the run's journal; two crashes belong to each: right before and right after it is durable."""

    number: int
    what: Literal["begins", "ends", "is taken over"]
    name: str
    task: str
    kind: str
    """`task` or `trace`."""
    phase: str = ""
    """How it ended."""
    kept: bool = True
    """Whether the outputs are in the journal; large ones are not."""

    @property
    def title(self) -> str:
        """As it stands in a table: `main begins`."""
        trace = "trace " if self.kind == "trace" else ""
        bad = f" ({self.phase})" if self.what == "ends" and self.phase != "succeeded" else ""
        return f"{trace}{self.task} {self.what}{bad}"


@dataclass(frozen=True, slots=True)
class Killed:
    """The process killed itself at this record."""

    number: int
    moment: Moment


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that a step did to the world outside of the run."""

    action: str
    step: str
    """Task or traced function."""
    what: str
    """Such as `appends to counter.txt`."""
    where: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The run came to its end."""

    identity: str
    """Equal for equal results and equal errors."""
    shown: str
    """The result for people."""
    failed: bool = False


Note = Asked | Written | Killed | Effect | Finished
_KINDS: dict[str, type[Asked | Written | Killed | Effect | Finished]] = {
    kind.__name__: kind for kind in (Asked, Written, Killed, Effect, Finished)
}


class Notebook:
    """Where a process writes its notes.

    Every note is there when `add` returns, whatever happens to the process then.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, note: Note) -> None:
        """Write a note; may be called in any thread."""
        line = json.dumps([type(note).__name__, asdict(note)])
        os.write(self._file, f"{line}\n".encode())


@dataclass(slots=True)
class Told:
    """The notes of one process."""

    asked: dict[str, Asked] = field(default_factory=dict[str, Asked])
    """By name, in the order of the calls."""
    written: list[Written] = field(default_factory=list[Written])
    effects: list[Effect] = field(default_factory=list[Effect])
    killed: Killed | None = None
    finished: Finished | None = None
    hangs: bool = False
    """The process was ended because its time was over."""
    log: str = ""
    """The end of what it printed."""

    def begun(self) -> set[str]:
        """Names of the tasks that were executed, at least in part."""
        return {record.name for record in self.written if record.what == "begins"}

    def ended(self) -> dict[str, Written]:
        """What was executed to its end, tasks and traces, by name."""
        return {record.name: record for record in self.written if record.what == "ends"}


def read(path: Path) -> Told:
    """The notes in a file; those of a process that never came to its first one are empty."""
    told = Told()
    for line in path.read_text().splitlines() if path.exists() else []:
        kind, fields = json.loads(line)
        match _KINDS[kind](**fields):
            case Asked() as asked:
                told.asked[asked.name] = asked
            case Written() as written:
                told.written.append(written)
            case Effect() as effect:
                told.effects.append(effect)
            case Killed() as killed:
                told.killed = killed
            case Finished() as finished:
                told.finished = finished
    return told
