"""A handle of one action of a run."""

import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flyteidl2.common import identifier_pb2, list_pb2
from flyteidl2.workflow import run_definition_pb2, run_service_pb2

from flyte import _session
from flyte._interface import NativeInterface
from flyte._phases import ActionPhase
from flyte.remote import _artifacts, _listing, _watching
from flyte.remote._common import named
from flyte.remote._data import ActionInputs, ActionOutputs
from flyte.remote._details import ActionDetails
from flyte.remote._listing import SortBy, TimeFilter
from flyte.remote._logs import reading
from flyte.remote._record import ActionRecord, identifier
from flyte.syncify import syncify

WaitFor = Literal["terminal", "running"]

_log = logging.getLogger("flyte.run")


@dataclass(repr=False)
class Action(ActionRecord):
    """One action of a run: a task that was called, or a traced function.

    Example:
        >>> for action in flyte.remote.Action.listall(for_run_name="r1"):
        ...     print(action.name, action.task_name, action.phase)
    """

    pb2: run_definition_pb2.Action
    interface: NativeInterface | None = None
    """The task's declared types, when the task was run from this process; else they are guessed."""
    _details: ActionDetails | None = None

    def __repr__(self) -> str:
        return f"Action({self.run_name}/{self.name}, {self.task_name}, {self.phase})"

    @syncify
    @classmethod
    async def get(
        cls, uri: str | None = None, /, run_name: str | None = None, name: str | None = None
    ) -> "Action":
        """An action by the names of its run and its own (default: the run's first one, `a0`).

        Raises:
            ActionNotFoundError: there is no such action.
        """
        return cls.of(await ActionDetails.get_details.aio(identifier(uri, run_name, name)))

    @syncify
    @classmethod
    async def listall(
        cls,
        for_run_name: str,
        in_phase: tuple[ActionPhase | str, ...] | None = None,
        parent_name: str | None = None,
        sort_by: SortBy | None = None,
        created_at: TimeFilter | None = None,
        updated_at: TimeFilter | None = None,
    ) -> AsyncIterator["Action"]:
        """The actions of a run, in the order in which they were created unless `sort_by` says otherwise.

        Raises:
            ActionNotFoundError: there is no such run.
        """
        filters = [
            *_listing.in_phases(in_phase),
            *_listing.equal("parent", parent_name),
            *_listing.during("created_at", created_at),
            *_listing.during("updated_at", updated_at),
        ]
        found = of_run(identifier(None, for_run_name, None).run, filters, sort_by=sort_by)
        async with _watching.closing(found):
            async for action in found:
                yield action

    @classmethod
    def of(cls, details: ActionDetails) -> "Action":
        """The handle of an action whose details are known."""
        short = run_definition_pb2.Action(
            id=details.pb2.id, metadata=details.pb2.metadata, status=details.pb2.status
        )
        return cls(short, details.interface, details)

    async def details(self) -> ActionDetails:
        """The full record; that of an ended action is fetched once."""
        known = self._details
        if known is None or not known.done():
            known = await ActionDetails.get_details.aio(self.pb2.id)
            known.interface = self.interface
            self.take(known)
        return known

    async def sync(self) -> "Action":
        """Ask for the present state; returns this handle."""
        await self.details()
        return self

    @syncify
    async def watch(
        self, cache_data_on_done: bool = False, wait_for: WaitFor = "terminal"
    ) -> AsyncIterator[ActionDetails]:
        """The details now and after every change, until the action has ended, or runs if `wait_for="running"`."""
        async with _watching.closing(ActionDetails.watch.aio(self.pb2.id)) as changes:
            async for details in changes:
                details.interface = self.interface
                self.take(details)
                if cache_data_on_done and details.done():
                    await details.load_data()
                yield details
                if wait_for == "running" and details.is_running:
                    return

    async def wait(self, quiet: bool = False, wait_for: WaitFor = "terminal") -> None:
        """Wait until the action has ended, or runs if `wait_for="running"`; a failure is not raised.

        Args:
            quiet: do not log the changes of phase.
            wait_for: `terminal` or `running`.
        """
        await wait_until.aio(self, quiet=quiet, wait_for=wait_for)

    async def inputs(self) -> ActionInputs:
        """The inputs; see `ActionDetails.inputs`."""
        return await (await self.details()).inputs()

    async def outputs(self) -> ActionOutputs:
        """The outputs; see `ActionDetails.outputs`."""
        return await (await self.details()).outputs()

    @syncify
    async def abort(self, reason: str = "Manually aborted from the SDK.") -> None:
        """Stop the action and everything that it called; one that has ended or is being aborted stays as it is.

        After the answer nothing new below it starts; until its last process is gone it is `aborting`.  See `Run.abort`.
        """
        plane = await _session.current().control_plane()
        with named(f"action {self.run_name}/{self.name}", "list runs with: flyte get run"):
            await plane.runs.abort_action(
                run_service_pb2.AbortActionRequest(action_id=self.pb2.id, reason=reason)
            )

    @syncify
    async def get_logs(
        self, attempt: int | None = None, filter_system: bool = False, show_ts: bool = False
    ) -> AsyncIterator[str]:
        """The log line by line; that of a running action as it is written, to its end."""
        found = reading.lines.aio(
            self.pb2.id, attempt=attempt, filter_system=filter_system, show_ts=show_ts
        )
        async with _watching.closing(found):
            async for line in found:
                yield line

    @syncify
    async def show_logs(
        self,
        attempt: int | None = None,
        max_lines: int = 30,
        show_ts: bool = False,
        raw: bool = False,
        filter_system: bool = False,
    ) -> None:
        """Print the log: all of it if `raw` or still running, else the last `max_lines`."""
        await reading.show.aio(
            self.pb2.id,
            attempt=attempt,
            max_lines=max_lines,
            raw=raw,
            filter_system=filter_system,
            show_ts=show_ts,
        )

    @syncify
    async def get_report(self, attempt: int | None = None) -> str:
        """The report that the action has written (`flyte.report`): an HTML document, live while the action runs.

        Args:
            attempt: number of the attempt, from 1 (default: the latest).

        Raises:
            RuntimeUserError: the attempt has written none (code `NoReport`).
        """
        return await _artifacts.report(self.pb2.id, attempt)

    @syncify
    async def download_code(
        self, dest: str | Path | None = None, extract: bool = True, attempt: int | None = None
    ) -> Path:
        """Bring the code that the action runs here.

        Args:
            dest: the folder for it; a new one by default.
            extract: False keeps the archive as it is.
            attempt: number of an attempt, from 1; all run the same code.

        Returns:
            The folder of its files; the archive if it is not extracted.

        Raises:
            CodeBundleError: its code is in its image, or the archive would write outside of its folder.
        """
        details = await self.details()
        return await _artifacts.download_code(details, dest, extract=extract, attempt=attempt)

    def take(self, details: ActionDetails) -> None:
        """Be brought up to date by a full record."""
        self._details = details
        self.pb2.metadata.CopyFrom(details.pb2.metadata)
        self.pb2.status.CopyFrom(details.pb2.status)


@syncify
async def wait_until(action: Action, *, quiet: bool, wait_for: WaitFor) -> None:
    """Follow an action until it is what `wait_for` says; changes of phase are logged unless `quiet`."""
    before = ""
    async with _watching.closing(action.watch.aio(wait_for=wait_for)) as changes:
        async for details in changes:
            if not quiet and details.state != before:
                _log.info("%s/%s is %s", details.run_name, details.name, details.state)
            before = details.state


async def of_run(
    run_id: identifier_pb2.RunIdentifier,
    filters: Iterable[list_pb2.Filter] = (),
    *,
    sort_by: SortBy | None = None,
) -> AsyncIterator[Action]:
    """The actions of a run of any project, in the order in which they were created unless `sort_by` says otherwise."""
    plane = await _session.current().control_plane()

    async def page(request: list_pb2.ListRequest) -> tuple[list[Action], str]:
        with named(f"run {run_id.name}", "list runs with: flyte get run"):
            response = await plane.runs.list_actions(
                run_service_pb2.ListActionsRequest(request=request, run_id=run_id)
            )
        return [Action(each) for each in response.actions], response.token

    pages = _listing.items(page, filters, sort_by=sort_by or ("created_at", "asc"))
    async with _watching.closing(pages):
        async for action in pages:
            yield action
