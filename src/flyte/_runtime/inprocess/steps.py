"""The steps of a local run: what it keeps of its calls, and what it takes over from an earlier run."""

import asyncio
import inspect
import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from flyteidl2.task import common_pb2

from flyte import errors
from flyte._context import Outcome
from flyte._kit import clock, masking
from flyte._runtime.calls import NamedCall
from flyte._runtime.inprocess import journal, tidying
from flyte._runtime.inprocess.boundary import InMemory
from flyte._runtime.inprocess.journal import LARGEST_OUTPUTS, Begun, Called, Ended, Journal
from flyte._runtime.inprocess.recovery import Earlier
from flyte._task import TaskTemplate
from flyte._wire import identities, loading, values
from flyte._wire.failing import codes

logger = logging.getLogger("flyte.journal")

CONDITION = "condition"
"""What the journal calls a step that a person has answered."""


class Source(NamedTuple):
    """Where the code of a run's root is."""

    loader: list[str]
    """`mod MODULE instance NAME`; empty for a task that no module has."""
    file: str
    root: str

    @classmethod
    def of(cls, task: TaskTemplate[..., Any, Any], root: Path) -> "Source":
        """The source of a task; without an address for one that was defined interactively."""
        try:
            words = loading.loader_args(task, root)
        except errors.ModuleLoadError:
            words = []
        return cls(words, _file(task), str(root))


class Steps:
    """Tells the journal what happens, and the run what need not happen.

    Args:
        journal: where the run is written; None: nothing is kept.
        earlier: a run whose results are taken over.
        source: where the root's code is.
        repeats: the earlier run of which this one is a rerun.

    Example:
        >>> steps = Steps(Journal(journal.path_of("r2")), Earlier(journal.load("r1")))
        >>> LocalRuntime(steps=steps).run_root(main, {"n": 3}, name="r2")
    """

    def __init__(
        self,
        journal: Journal | None = None,
        earlier: Earlier | None = None,
        *,
        source: Source | None = None,
        repeats: str = "",
    ) -> None:
        self._journal = journal
        self._hidden: set[str] = set()
        self._earlier = earlier
        self._source = source or Source([], "", "")
        self._repeats = repeats
        self.answers: dict[str, object] = {}
        """Of the conditions of this run: nobody is asked twice because a task is tried again."""

    def begin(self, run: str, task: str, inputs: common_pb2.Inputs) -> None:
        """The run starts, unless what it is to take over is gone.

        Raises:
            RuntimeUserError: outputs that are to be reused are gone (code `MissingOutputs`).
            DefinitionError: the earlier run was one of another task.
        """
        earlier = self._earlier
        if earlier is not None:
            check_same_task(earlier.told.begun, task)
            earlier.check(changed=is_changed(earlier.told.begun.inputs, inputs))
        if self._journal is not None:
            recovers = earlier.run if earlier is not None else ""
            content = inputs.SerializeToString(deterministic=True)
            self._journal.write(Begun(run, task, *self._source, content, recovers, self._repeats))

    def asked(self, call: NamedCall) -> None:
        """A task or a traced function is called, whatever comes of it; for those who watch a run."""

    def called(self, call: Called) -> int:
        """A task begins; gives the moment."""
        if self._journal is not None:
            self._journal.write(call)
        return clock.now_us()

    def taken(self, call: Called, kind: str = "task") -> common_pb2.Outputs | None:
        """The outputs that the earlier run has for a call; None: it must be executed."""
        ended = self._earlier.take(call.name) if self._earlier is not None else None
        if ended is None or ended.outputs is None or self._earlier is None:
            return None
        if self._journal is not None:
            now = clock.now_us()
            source = ended.recovered_from or f"{self._earlier.run}/{call.name}"
            self._journal.write(
                Ended(*call, kind, "recovered", ended.outputs, "", now, now, source)
            )
        return common_pb2.Outputs.FromString(ended.outputs)

    def succeeded(self, call: Called, outputs: common_pb2.Outputs, started_us: int) -> None:
        """A task has given its outputs."""
        if self._journal is not None:
            self._journal.write(
                Ended(*call, "task", "succeeded", _kept(outputs), "", started_us, clock.now_us())
            )

    def failed(self, call: Called, error: BaseException, started_us: int) -> None:
        """A task ended otherwise: it raised, or was cancelled."""
        if self._journal is not None:
            phase, text = self._failure(error)
            self._journal.write(Ended(*call, "task", phase, None, text, started_us, clock.now_us()))

    def traced(self, call: Called, outcome: Outcome, outputs: common_pb2.Outputs | None) -> None:
        """A traced function has ended."""
        if self._journal is None:
            return
        phase, error = self._failure(outcome.error) if outcome.error else ("succeeded", "")
        kept = None if outputs is None else _kept(outputs)
        now = clock.now_us()
        started = outcome.started_at
        started_us = int(started.timestamp() * 1_000_000) if started else now
        self._journal.write(Ended(*call, "trace", phase, kept, error, started_us, now))

    def answered(self, call: Called, outputs: common_pb2.Outputs) -> None:
        """Somebody has answered a condition."""
        if self._journal is not None:
            now = clock.now_us()
            self._journal.write(Ended(*call, CONDITION, "succeeded", _kept(outputs), "", now, now))

    def hide(self, values: Collection[str]) -> None:
        """Values that the journal must not have."""
        self._hidden.update(values)

    def _failure(self, error: BaseException) -> tuple[str, str]:
        phase, text = _failure(error)
        return phase, masking.masked(text, self._hidden)


def opened(
    run: str,
    source: Source,
    *,
    recover_from: str | None = None,
    forced: Collection[str] = (),
    allow_missing: bool = False,
    repeats: str = "",
) -> tuple[Steps, Journal | None]:
    """The steps of a new run with its journal, which the caller closes.

    Raises:
        ActionNotFoundError: there is no run that could be recovered.
        DefinitionError: the new run has the name of the one that it recovers.
    """
    earlier = None
    if recover_from is not None:
        if recover_from == run:
            raise errors.DefinitionError(
                f"run {run!r} cannot recover itself; give the new run another name, or none"
            )
        earlier = Earlier(journal.load(recover_from), forced, allow_missing=allow_missing)
        tidying.note_use(journal.path_of(recover_from).parent)
    made = None
    try:
        tidying.tidy()
        made = Journal(journal.path_of(run))
    except OSError as error:
        logger.warning("run %s keeps no journal and cannot be recovered: %s", run, error)
    return Steps(made, earlier, source=source, repeats=repeats), made


def check_same_task(begun: Begun, task: str) -> None:
    """Refuse to go on from a run of another task, as a `DefinitionError`."""
    if begun.task != task:
        raise errors.DefinitionError(
            f"run {begun.run} ran {begun.task}, so {task} cannot go on from it; run {task} as a new run"
        )


def is_changed(before: bytes, inputs: common_pb2.Inputs) -> bool:
    """Whether the root's inputs are others than they were."""
    if inputs.SerializeToString(deterministic=True) == before:
        return False
    return identities.input_hash(common_pb2.Inputs.FromString(before)) != identities.input_hash(
        inputs
    )


async def would_change(
    begun: Begun, task: TaskTemplate[..., Any, Any], given: Mapping[str, Any]
) -> bool:
    """Whether a run with these values in place of the earlier ones has other inputs."""
    if not given:
        return False
    complete = await arguments(begun, task, given)
    return is_changed(begun.inputs, await values.inputs(task.interface, complete))


async def arguments(
    begun: Begun, task: TaskTemplate[..., Any, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of an earlier run, as this task declares them; what is given takes their place.

    Raises:
        DefinitionError: it was a run of another task.
        TaskInputError: the task has other inputs now.
    """
    check_same_task(begun, task.name)
    inputs = common_pb2.Inputs.FromString(begun.inputs)
    kept = [named for named in inputs.literals if named.name not in given]
    del inputs.literals[:]
    inputs.literals.extend(kept)
    declared = {name: each for name, each in task.interface.inputs.items() if name not in given}
    interface = replace(task.interface, inputs=declared)
    merged = {**await values.arguments(interface, inputs, carrier=InMemory.reader), **given}
    return task.interface.bind((), merged, what=f"task {task.name!r}")


def _kept(outputs: common_pb2.Outputs) -> bytes | None:
    if outputs.ByteSize() > LARGEST_OUTPUTS:
        return None
    return outputs.SerializeToString(deterministic=True)


def _failure(error: BaseException) -> tuple[str, str]:
    """Phase and text of what was raised."""
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | GeneratorExit):
        return "aborted", ""
    code = codes.to_code(error)
    phase = "timed_out" if isinstance(error, errors.TaskTimeoutError) else "failed"
    return phase, f"{code.code}: {code.message}"


def _file(task: TaskTemplate[..., Any, Any]) -> str:
    module = loading.home(task)
    try:
        file = inspect.getsourcefile(module) if module else None
    except TypeError:  # defined interactively
        return ""
    return str(Path(file).resolve()) if file else ""
