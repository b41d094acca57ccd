"""A run that goes on, shown until it ends; then how it ended."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import click

from flyte import _session
from flyte._kit import aio
from flyte._kit.absence import Absence
from flyte._phases import ActionPhase
from flyte.cli import loglines
from flyte.cli.options import RootOptions
from flyte.cli.render import Progress, Silence, complaint
from flyte.remote import ActionDetails, ActionOutputs, Run
from flyte.remote._progress import snapshots
from flyte.remote._watching import closing


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    run: str
    url: str
    phase: ActionPhase
    took: timedelta
    outputs: ActionOutputs | None
    """None unless it succeeded."""
    failure: ActionDetails | None
    """The action that is to blame; None if the run succeeded."""
    headline: str = ""
    """Why the run failed, in one line: which of its actions failed first, and with what."""

    @property
    def is_of_child(self) -> bool:
        """Whether the first action failed because of another one, and says so."""
        return self.headline.startswith("child ")


def follow(run: Run, root: RootOptions, *, with_logs: bool) -> Outcome:
    """Show the run's progress until it ends; a control plane that is away is waited for.

    Raises:
        KeyboardInterrupt: Ctrl-C; the run itself goes on.
    """
    with (
        _progress(root) as progress,
        _session.waiting_out(Absence("the control plane", say=progress.say, every_seconds=None)),
    ):
        return aio.background().wait(_follow(run, progress, with_logs=with_logs))


@contextmanager
def _progress(root: RootOptions) -> Generator[Progress, None, None]:
    quiet = root.as_json or root.no_progress
    with nullcontext(Silence()) if quiet else root.open_screen().progress() as progress:
        yield progress


async def _follow(run: Run, progress: Progress, *, with_logs: bool) -> Outcome:
    tailing = asyncio.ensure_future(loglines.tail(run)) if with_logs else None
    try:
        await _watch(run, progress)
        if tailing:
            await tailing
    finally:
        if tailing:
            tailing.cancel()
    return await _outcome(run)


async def _watch(run: Run, progress: Progress) -> None:
    async with closing(snapshots.aio(run.name)) as changes:
        async for snapshot in changes:
            for failed in snapshot.failures:
                progress.say(complaint(failed))
            progress.show(snapshot)


async def _outcome(run: Run) -> Outcome:
    details = (await run.details.aio()).action_details
    succeeded = details.phase in (ActionPhase.SUCCEEDED, ActionPhase.RECOVERED)
    return Outcome(
        run=run.name,
        url=run.url,
        phase=details.phase,
        took=details.runtime,
        outputs=await details.shown_outputs(),
        failure=None if succeeded else await _to_blame(run, details),
        headline="" if succeeded else reason(details),
    )


async def _to_blame(run: Run, first_action: ActionDetails) -> ActionDetails:
    """Whose error ended the run: where it began, or the first that failed, unless that was caught on its way up."""
    error = first_action.error()
    if error is not None and error.trail is not None:
        return await ActionDetails.get.aio(run_name=run.name, name=error.trail.actions[-1])
    earliest = await run.first_failure.aio()
    if earliest and earliest.error_message and earliest.error_message == first_action.error_message:
        return earliest
    return first_action


def reason(details: ActionDetails) -> str:
    """Why an action ended badly, in one line."""
    error = details.error()
    return error.headline if error else str(details.phase)


def say_interrupted(run: Run) -> None:
    """What Ctrl-C has not done, and how to do it."""
    click.echo(
        f"\nrun {run.name} goes on; watch it with: flyte get action {run.name}; "
        f"end it with: flyte abort run {run.name}",
        err=True,
    )
