"""A handle of one run."""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from flyteidl2.common import list_pb2, phase_pb2
from flyteidl2.core import execution_pb2, literals_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2

from flyte import _session
from flyte._context import CodeBundle
from flyte._interface import NativeInterface
from flyte._phases import ActionPhase
from flyte._wire import ids
from flyte.remote import _action, _listing, _watching
from flyte.remote._action import Action
from flyte.remote._common import ToJSONMixin, named
from flyte.remote._data import ActionInputs, ActionOutputs
from flyte.remote._details import ActionDetails
from flyte.remote._listing import SortBy, TimeFilter
from flyte.remote._logs import reading
from flyte.remote._record import document
from flyte.remote._run_details import RunDetails
from flyte.syncify import syncify

_FAILED = (ActionPhase.FAILED, ActionPhase.TIMED_OUT, ActionPhase.ABORTED)


@dataclass(repr=False)
class Run(ToJSONMixin):
    """One run of a task on a control plane.

    Every method that asks the control plane has two forms: `run.wait()` blocks, `await run.wait.aio()` does not.

    Example:
        >>> run = flyte.run(main, n=10)
        >>> run.wait()
        >>> run.outputs()
        ActionOutputs(o0=37.5)
    """

    pb2: run_definition_pb2.Run
    interface: NativeInterface | None = None
    """The task's declared types, when it was run from this process; else they are guessed."""
    action: Action = field(init=False)
    """The run's first action."""

    def __post_init__(self) -> None:
        self.action = Action(self.pb2.action, self.interface)

    def __repr__(self) -> str:
        return f"Run({self.name}, {self.action.task_name}, {self.phase}, {self.url})"

    @syncify
    @classmethod
    async def get(cls, name: str) -> "Run":
        """A run of the session's project and domain.

        Raises:
            ActionNotFoundError: there is no such run.
        """
        details = await RunDetails.get.aio(name)
        run = cls(run_definition_pb2.Run(action=Action.of(details.action_details).pb2))
        run.action.take(details.action_details)
        return run

    @syncify
    @classmethod
    async def listall(  # noqa: PLR0913 - an official signature
        cls,
        in_phase: tuple[ActionPhase | str, ...] | None = None,
        task_name: str | None = None,
        task_version: str | None = None,
        created_by_subject: str | None = None,
        sort_by: SortBy | None = None,
        limit: int = 100,
        project: str | None = None,
        domain: str | None = None,
        created_at: TimeFilter | None = None,
        updated_at: TimeFilter | None = None,
        with_labels: dict[str, str] | None = None,
        with_label_keys: list[str] | None = None,
        paused_actions_only: bool = False,
    ) -> AsyncIterator["Run"]:
        """The runs of a project and domain (default: the session's), the newest first unless `sort_by` says otherwise.

        Args:
            in_phase: only runs in one of these phases.
            task_name: only runs of this task (full name).
            with_labels: only runs with all these labels and values.
            with_label_keys: only runs with labels of all these names.
            limit: how many at most.
        """
        session = _session.current()
        scope = ids.project(
            project or _session.current_project(), domain or _session.current_domain(), session.org
        )
        filters = [
            *_listing.in_phases(in_phase),
            *_listing.equal("task_name", task_name),
            *_listing.equal("task_version", task_version),
            *_listing.equal("created_by", created_by_subject),
            *_listing.during("created_at", created_at),
            *_listing.during("updated_at", updated_at),
            *_listing.labelled(with_labels, with_label_keys),
        ]
        plane = await session.control_plane()

        async def page(request: list_pb2.ListRequest) -> tuple[list[Run], str]:
            response = await plane.runs.list_runs(
                run_service_pb2.ListRunsRequest(
                    request=request, project_id=scope, paused_actions_only=paused_actions_only
                )
            )
            return [cls(each) for each in response.runs], response.token

        async for run in _listing.items(page, filters, sort_by=sort_by, limit=limit):
            yield run

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.pb2.action.id.run.name

    @property
    def phase(self) -> ActionPhase:
        """What the run does now, or how it ended, as far as this handle knows (`sync` asks again)."""
        return self.action.phase

    @property
    def raw_phase(self) -> phase_pb2.ActionPhase:
        """The phase as the wire has it."""
        return self.action.raw_phase

    @property
    def url(self) -> str:
        """Address of the run's page in the console."""
        run = self.pb2.action.id.run
        base = _session.current().base_url
        return f"{base}/v2/domain/{run.domain}/project/{run.project}/runs/{run.name}"

    @property
    def state(self) -> str:
        """The phase in words; `aborting` or `timing out` while the run is being ended."""
        return self.action.state

    @property
    def aborting(self) -> str | None:
        """Why the run is being aborted; None when it is not, or not any more."""
        return self.action.aborting

    def to_dict(self) -> dict[str, Any]:
        """The message behind the handle, in plain values; with `ending` while the run is being ended."""
        return document(super().to_dict(), self.action.ending)

    def done(self) -> bool:
        """Whether the run has ended, well or badly, as far as this handle knows."""
        return self.action.done()

    @syncify
    async def sync(self) -> "Run":
        """Ask for the present state; returns this handle."""
        await self.action.sync()
        return self

    @syncify
    async def wait(
        self, quiet: bool = False, wait_for: Literal["terminal", "running"] = "terminal"
    ) -> None:
        """Wait until the run has ended, or runs if `wait_for="running"`.

        A failure is not raised: `outputs()` and `raise_for_status()` do.  A lost connection is made again; the wait
        goes on when the control plane has been started again.

        Args:
            quiet: do not log the changes of phase.
            wait_for: `terminal` or `running`.
        """
        await _action.wait_until.aio(self.action, quiet=quiet, wait_for=wait_for)

    @syncify
    async def watch(self, cache_data_on_done: bool = False) -> AsyncIterator[ActionDetails]:
        """The details of the first action now and after every change, until the run has ended."""
        async with _watching.closing(self.action.watch.aio(cache_data_on_done)) as changes:
            async for details in changes:
                yield details

    @syncify
    async def details(self) -> RunDetails:
        """The full record."""
        details = await RunDetails.get_details.aio(self.pb2.action.id.run)
        details.action_details.interface = self.interface
        return details

    @syncify
    async def inputs(self) -> ActionInputs:
        """The run's inputs, a dictionary."""
        return await self.action.inputs()

    @syncify
    async def outputs(self) -> ActionOutputs:
        """The run's outputs: a tuple that knows the names `o0`, `o1`, … or the declared ones.

        Raises:
            BaseRuntimeError: the run failed: the same class as in local mode.
            RuntimeUserError: the run has not ended yet (code `NotFinished`); call `wait()` first.
        """
        return await self.action.outputs()

    @syncify
    async def input_literals(self) -> dict[str, literals_pb2.Literal]:
        """The inputs as they are stored."""
        return await (await self.action.details()).input_literals()

    @syncify
    async def output_literals(self) -> dict[str, literals_pb2.Literal]:
        """The outputs as they are stored."""
        return await (await self.action.details()).output_literals()

    @syncify
    async def typed_inputs(
        self, types: dict[str, type], deserializers: dict[type, Callable[[Any], Any]] | None = None
    ) -> dict[str, Any]:
        """The run's inputs in types that you name; see `ActionDetails.typed_inputs`."""
        return await (await self.action.details()).typed_inputs(types, deserializers)

    @syncify
    async def typed_outputs(
        self, types: dict[str, type], deserializers: dict[type, Callable[[Any], Any]] | None = None
    ) -> dict[str, Any]:
        """The run's outputs in types that you name; see `ActionDetails.typed_outputs`."""
        return await (await self.action.details()).typed_outputs(types, deserializers)

    @syncify
    async def download_code(
        self, dest: str | Path | None = None, extract: bool = True, attempt: int | None = None
    ) -> Path:
        """Bring the code that the run's first action runs here; see `Action.download_code`."""
        return await self.action.download_code.aio(dest, extract, attempt)

    @syncify
    async def get_debug_url(self) -> str | None:
        """Address of the editor that the backend has started for the run's latest attempt; None if there is none."""
        details = await self.action.details()
        logs = [log for attempt in details.pb2.attempts[-1:] for log in attempt.log_info]
        ides = [log.uri for log in logs if log.link_type == execution_pb2.TaskLog.LinkType.IDE]
        return ides[0] if ides else None

    @syncify
    async def raise_for_status(self) -> None:
        """Raise the run's error if it failed, timed out or was aborted.

        Raises:
            BaseRuntimeError: the same class as in local mode.
        """
        error = (await self.action.details()).error()
        if error is not None:
            raise error

    @syncify
    async def first_failure(self) -> ActionDetails | None:
        """The action that failed first, usually the cause of all others; None if none failed."""
        found = await self._actions(_listing.in_phases(_FAILED))
        if not found:
            return None
        first = min(found, key=lambda action: action.pb2.status.end_time.ToNanoseconds())
        return await first.details()

    @syncify
    async def actions(self) -> list[Action]:
        """All actions of the run so far, in the order in which they were created."""
        return await self._actions()

    @syncify
    async def abort(self, reason: str = "Manually aborted from the SDK api.") -> None:
        """Stop the run and all its actions; one that has ended or is being aborted stays as it is.

        After the answer nothing new of the run starts.  Its processes get SIGTERM (an `async` task is cancelled, a
        plain function gets a KeyboardInterrupt), and SIGKILL after the grace period of the control plane (10 s,
        FLYTE_SERVER_GRACE_SECONDS).  Until the last one is gone the run is being ended (see `aborting`, `state`); then
        its phase is `aborted`, and `wait()` returns.
        """
        plane = await _session.current().control_plane()
        with named(f"run {self.name}", "list runs with: flyte get run"):
            await plane.runs.abort_run(
                run_service_pb2.AbortRunRequest(run_id=self.pb2.action.id.run, reason=reason)
            )

    @syncify
    async def code_bundle(self) -> CodeBundle | None:
        """Where the run's code is; None when it is in the image."""
        return (await self.action.details()).code_bundle

    @syncify
    async def get_logs(
        self, attempt: int | None = None, filter_system: bool = False, show_ts: bool = False
    ) -> AsyncIterator[str]:
        """The log of the first action line by line; while it runs, as it is written."""
        found = self.action.get_logs.aio(attempt, filter_system, show_ts)
        async with _watching.closing(found):
            async for line in found:
                yield line

    @syncify
    async def show_logs(
        self,
        attempt: int | None = None,
        max_lines: int = 100,
        show_ts: bool = False,
        raw: bool = False,
        filter_system: bool = False,
    ) -> None:
        """Print the log of the first action: all of it if `raw` or still running, else the last `max_lines`."""
        await reading.show.aio(
            self.action.pb2.id,
            attempt=attempt,
            max_lines=max_lines,
            raw=raw,
            filter_system=filter_system,
            show_ts=show_ts,
        )

    @syncify
    async def get_report(self, attempt: int | None = None) -> str:
        """The report of the first action: an HTML document, live while the action runs; see `Action.get_report`."""
        return await self.action.get_report.aio(attempt)

    async def _actions(self, filters: Iterable[list_pb2.Filter] = ()) -> list[Action]:
        return [action async for action in _action.of_run(self.pb2.action.id.run, filters)]
