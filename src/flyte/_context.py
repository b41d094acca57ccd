"""Where words meet engines.

Words (`Task`, `@trace`, `group`) call the `Runtime` that they find here; an engine (local, remote) implements it and
puts it here before user code runs.  So no word imports an engine, and a task's code cannot tell which one it is in.
"""

import secrets
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from flyte._ids import ActionID
from flyte._interface import NativeInterface
from flyte._position import Position

Mode = Literal["local", "remote", "hybrid"]


class Callee(Protocol):
    """What an engine may be asked to run or record: a task, or a traced function."""

    @property
    def name(self) -> str: ...

    @property
    def interface(self) -> NativeInterface: ...


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call that user code makes: what, and with which arguments.

    Compared by identity: the engine remembers between `recall` and `record` which name it gave to a call.
    """

    callee: Callee
    arguments: Mapping[str, Any]
    """Every input by its name, defaults filled in (in the order of the interface)."""
    group: str | None = None
    blocking: bool = False
    """The caller cannot wait: the engine must run the call without suspending (see `_kit.aio.drive`)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a traced call ended: a value or an error, and when."""

    value: Any = None
    error: BaseException | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    def unwrap(self) -> Any:
        """The value; an error is raised."""
        if self.error is not None:
            raise self.error
        return self.value


AnswerType = type[bool] | type[int] | type[float] | type[str]


@dataclass(frozen=True, slots=True)
class Question:
    """A condition as an engine asks it."""

    name: str
    """Unique among the conditions of the task that asks."""
    prompt: str
    type: AnswerType
    is_markdown: bool = False
    description: str = ""
    timeout_seconds: float | None = None
    """None: it waits for ever."""
    webhook_url: str = ""
    """Who is told that it waits; empty: nobody."""
    webhook_payload: Mapping[str, Any] | None = None


class Runtime(Protocol):
    """What an engine offers to words.  `LocalRuntime` and `RemoteRuntime` implement it."""

    async def call(self, call: Call) -> Any:
        """Run a task and return its value; raises what the task raised, as the classes of `flyte.errors`."""
        ...

    async def recall(self, call: Call) -> Outcome | None:
        """The recorded outcome of a traced call, if an earlier attempt made the same call; else None."""
        ...

    async def record(self, call: Call, outcome: Outcome) -> None:
        """Keep the outcome of a traced call that `recall` did not know."""
        ...

    async def ask(self, question: Question) -> None:
        """Make a condition known, so that it can be answered; one that an earlier attempt has asked stays as it is."""
        ...

    async def answer(self, question: Question) -> Any:
        """Wait until a condition that was asked has its answer."""
        ...


@dataclass(frozen=True, slots=True)
class RawDataPath:
    """Prefix under which a task stores files and large values."""

    path: str

    @classmethod
    def from_local_folder(cls, local_folder: str | Path | None = None) -> "RawDataPath":
        """A prefix on this machine, which is made; a new temporary folder by default."""
        folder = Path(local_folder or tempfile.mkdtemp(prefix="flyte-raw-")).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        return cls(path=str(folder))

    def get_random_remote_path(self, file_name: str | None = None) -> str:
        """An address below the prefix that nothing has yet.

        Args:
            file_name: its last part; a random one by default.
        """
        parts = (self.path.rstrip("/"), secrets.token_hex(16), *((file_name,) if file_name else ()))
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class CheckpointPaths:
    """Where an attempt reads the previous checkpoint from, and where it writes its own."""

    prev_checkpoint_path: str | None
    checkpoint_path: str | None


@dataclass(frozen=True, slots=True)
class GroupData:
    """Name of the group that surrounds a call."""

    name: str


@dataclass(frozen=True, slots=True)
class CodeBundle:
    """Where the code of a run is (`tgz` or `pkl`: an address) and which version it has."""

    computed_version: str
    destination: str = "."
    tgz: str | None = None
    pkl: str | None = None
    downloaded_path: Path | None = None
    """Where it was unpacked on this machine, if it was."""
    files: tuple[str, ...] | None = None
    """Names of its files, where they are known."""

    def with_downloaded_path(self, path: Path) -> "CodeBundle":
        """The same bundle, unpacked at `path`."""
        return replace(self, downloaded_path=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext(Position):
    """What `flyte.ctx()` returns: the running task's identity, paths and surroundings.

    Example:
        >>> ctx = flyte.ctx()
        >>> if ctx:
        ...     print(ctx.action.run_name, ctx.attempt_number)
    """

    action: ActionID
    version: str
    raw_data_path: RawDataPath
    output_path: str
    run_base_dir: str
    input_path: str | None = None
    report: Any = None
    group_data: GroupData | None = None
    checkpoint_paths: CheckpointPaths | None = None
    checkpoint: Any = None
    """The attempt's `flyte.Checkpoint`; None: there is no place for one."""
    code_bundle: CodeBundle | None = None
    compiled_image_cache: Any = None
    data: dict[str, Any] = field(default_factory=dict)
    mode: Mode = "remote"
    interactive_mode: bool = False
    custom_context: dict[str, str] = field(default_factory=dict)
    disable_run_cache: bool = False
    run_start_time: datetime | None = None
    task_name: str | None = None
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """Values of the task's secrets: they are replaced in what the SDK tells of it."""
    attempt_number: int = 0
    """0 for the first attempt (as `FLYTE_ATTEMPT_NUMBER`)."""

    def __getitem__(self, key: str) -> Any:
        """An entry of `data`."""
        return self.data[key]

    def replace(self, **changes: Any) -> "TaskContext":
        """A copy with some fields changed."""
        return replace(self, **changes)

    def is_in_cluster(self) -> bool:
        """Whether the task runs under a control plane (not in the caller's own process)."""
        return self.mode == "remote"


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything that surrounds user code at one moment."""

    runtime: Runtime
    task: TaskContext
    trace: str | None = None
    """Name of the traced function that is running, if any: tasks may not be called in it."""


_scope: ContextVar[Scope | None] = ContextVar("flyte_scope", default=None)


def scope() -> Scope | None:
    """What surrounds the caller; None outside of tasks."""
    return _scope.get()


@contextmanager
def entered(new: Scope) -> Generator[Scope]:
    """Run a block inside `new`; engines use it around user code, words to add a group or a trace."""
    token = _scope.set(new)
    try:
        yield new
    finally:
        _scope.reset(token)


_owner: ContextVar[object] = ContextVar("flyte_owner", default=None)


def owner(context: Context | None = None) -> object:
    """What was made the owner of whatever runs in the caller's context, or in another one; None if nothing was.

    Processes that several attempts share tell by it whose output and whose tasks they have before them.
    """
    return _owner.get() if context is None else context.get(_owner)


def make_owner(new: object, context: Context) -> None:
    """Let everything that runs in a context belong to somebody."""
    context.run(_owner.set, new)


def ctx() -> TaskContext | None:
    """Context of the running task; None (falsy) outside of tasks."""
    here = _scope.get()
    return here.task if here else None
