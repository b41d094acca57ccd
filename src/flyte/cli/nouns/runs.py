"""`flyte get run|action|io` and `flyte abort run|action`: what ran, how it ended, and its end before time."""

import sys
from datetime import datetime
from typing import Any

import click

from flyte._ids import ROOT_ACTION
from flyte._kit import aio
from flyte._phases import ActionPhase
from flyte.cli import explained, options, session, tables
from flyte.cli.nouns import limits, usage
from flyte.remote import Action, ActionDetails, Run, RunDetails, TimeFilter, User

_phase = click.option(
    "--in-phase",
    type=click.Choice([phase.value for phase in ActionPhase]),
    multiple=True,
    help="Only what is in this phase; may be given several times.",
)
_reason = click.option(
    "--reason",
    default="Manually aborted from the CLI",
    show_default=True,
    help="Why; shown wherever the run is shown.",
)
_wait = click.option(
    "--wait", is_flag=True, help="Return when no process is left, not when nothing new starts."
)


@click.command("run")
@click.argument("name", required=False)
@options.limit_option
@options.sort_option
@_phase
@click.option("--only-mine", is_flag=True, help="Only runs that you started.")
@click.option("--paused-only", is_flag=True, help="Only runs that wait for an answer.")
@click.option("--task-name", help="Only runs of this task.")
@click.option("--task-version", help="Only runs of this version of the task.")
@click.option("--created-after", type=click.DateTime(), help="Only runs that were made later.")
@click.option("--created-before", type=click.DateTime(), help="Only runs that were made earlier.")
@click.option("--updated-after", type=click.DateTime(), help="Only runs that changed later.")
@click.option("--updated-before", type=click.DateTime(), help="Only runs that changed earlier.")
@click.option("--with-label", multiple=True, help="Only runs with this label, KEY=VALUE.")
@click.option("--with-label-key", multiple=True, help="Only runs with a label of this name.")
@options.scope_options
@options.pass_root
def get_run(root: options.RootOptions, name: str | None, **chosen: Any) -> None:
    """List runs, the latest first; or show one."""
    session.connect(root, project=chosen["project"], domain=chosen["domain"])
    if name:
        details = RunDetails.get(name=name)
        root.show(tables.run(details), details.to_dict())
        return
    runs = list(
        Run.listall(
            limit=chosen["limit"],
            in_phase=chosen["in_phase"] or None,
            task_name=chosen["task_name"],
            task_version=chosen["task_version"],
            created_at=_between(chosen["created_after"], chosen["created_before"]),
            updated_at=_between(chosen["updated_after"], chosen["updated_before"]),
            with_labels=dict(pair.partition("=")[::2] for pair in chosen["with_label"]) or None,
            with_label_keys=list(chosen["with_label_key"]) or None,
            paused_actions_only=chosen["paused_only"],
            sort_by=chosen["sort_by"],
            created_by_subject=User.get().subject() if chosen["only_mine"] else None,
        )
    )
    root.show(tables.runs(runs), [run.to_dict() for run in runs])


@click.command("action")
@click.argument("run_name")
@click.argument("action_name", required=False)
@_phase
@click.option("--parent", help="Only what this action has called.")
@options.sort_option
@click.option("--limit", type=click.IntRange(min=1), help="How many at most; else all.")
@options.scope_options
@options.pass_root
def get_action(
    root: options.RootOptions, run_name: str, action_name: str | None, **chosen: Any
) -> None:
    """List the actions of a run, callers above what they called; or show one."""
    session.connect(root, project=chosen["project"], domain=chosen["domain"])
    if action_name:
        details = ActionDetails.get(run_name=run_name, name=action_name)
        decision = details.cache_decision()
        document = details.to_dict()
        if decision is not None and decision.is_about_cache:
            document["cache"] = decision.to_dict()
        told = details.explain() or {}
        document["budgets"], document["waits"] = told.get("budgets"), told.get("waits")
        document["set_aside"] = told.get("set_aside", [])
        known = (*explained.budgets(told), *usage.facts(run_name, action_name))
        root.show(tables.action(details, decision, known), document)
        if not root.as_json and (evidence := tables.evidence(details)):
            click.echo(f"\n{evidence}")
        return
    listed = Action.listall(
        for_run_name=run_name,
        in_phase=chosen["in_phase"] or None,
        parent_name=chosen["parent"],
        sort_by=chosen["sort_by"],
    )
    actions = options.first(listed, chosen["limit"] or sys.maxsize)
    root.show(tables.actions(actions), [action.to_dict() for action in actions])
    for line in limits.set_aside(run_name):
        click.echo(line, err=True)


@click.command("io")
@click.argument("run_name")
@click.argument("action_name", required=False)
@click.option("-i", "--inputs-only", is_flag=True, help="Only the inputs.")
@click.option("-o", "--outputs-only", is_flag=True, help="Only the outputs.")
@options.scope_options
@options.pass_root
def get_io(
    root: options.RootOptions,
    run_name: str,
    action_name: str | None,
    inputs_only: bool,
    outputs_only: bool,
    project: str | None,
    domain: str | None,
) -> None:
    """Show inputs and outputs of a run, or of one action of it."""
    if inputs_only and outputs_only:
        raise click.UsageError(
            "--inputs-only and --outputs-only exclude each other; leave both out"
        )
    session.connect(root, project=project, domain=domain)
    details = ActionDetails.get(run_name=run_name, name=action_name or ROOT_ACTION)
    values = aio.background().wait(_values(details, inputs_only, outputs_only))
    root.show(tables.values(values), values)


async def _values(
    details: ActionDetails, inputs_only: bool, outputs_only: bool
) -> dict[str, dict[str, Any] | None]:
    values: dict[str, dict[str, Any] | None] = {}
    if not outputs_only:
        values["inputs"] = await details.shown_inputs()
    if not inputs_only:
        outputs = await details.shown_outputs()
        values["outputs"] = None if outputs is None else outputs.named_outputs
    return values


@click.command("run")
@click.argument("run_name")
@_reason
@_wait
@options.scope_options
@options.pass_root
def abort_run(
    root: options.RootOptions,
    run_name: str,
    reason: str,
    wait: bool,
    project: str | None,
    domain: str | None,
) -> None:
    """Stop a run: every action of it that has not ended, and their processes."""
    session.connect(root, project=project, domain=domain)
    _stop(Run.get(name=run_name), f"run {run_name}", reason, wait=wait)


@click.command("action")
@click.argument("run_name")
@click.argument("action_name")
@_reason
@_wait
@options.scope_options
@options.pass_root
def abort_action(
    root: options.RootOptions,
    run_name: str,
    action_name: str,
    reason: str,
    wait: bool,
    project: str | None,
    domain: str | None,
) -> None:
    """Stop one action and what it has called; its caller gets an ActionAbortedError."""
    session.connect(root, project=project, domain=domain)
    action = Action.get(run_name=run_name, name=action_name)
    _stop(action, f"action {action_name} of run {run_name}", reason, wait=wait)


def _stop(target: Run | Action, what: str, reason: str, *, wait: bool) -> None:
    if target.done():
        click.echo(f"{what} has ended already: {target.phase.value}")
        return
    if target.aborting is None:
        target.abort(reason)
        target.sync()
    elif not wait:
        click.echo(f"{what} is being aborted already: {target.aborting}")
        return
    if wait:
        target.wait(quiet=True)
    if target.done():
        click.echo(f"{what} has ended: {target.phase.value}")
    else:
        run_name = target.name if isinstance(target, Run) else target.run_name
        click.echo(
            f"{what} is being aborted: nothing new of it starts, its processes are ended;"
            f" see it with: flyte get action {run_name}"
        )


def _between(after: datetime | None, before: datetime | None) -> TimeFilter | None:
    if after is None and before is None:
        return None
    return TimeFilter(after=_aware(after), before=_aware(before))


def _aware(moment: datetime | None) -> datetime | None:
    """A time as it was typed is meant in the reader's own time zone."""
    return moment.astimezone() if moment else None
