"""`flyte abort run` and `flyte abort action`."""

import click

from flyte.cli import options, session
from flyte.remote import Action, Run

_reason = click.option(
    "--reason",
    default="Manually aborted from the CLI",
    show_default=True,
    help="Why; shown wherever the run is shown.",
)


@click.group()
def abort() -> None:
    """Stop a run, or one action of it."""


@abort.command("run")
@click.argument("run_name")
@_reason
@options.scope_options
@options.pass_root
def abort_run(
    root: options.RootOptions, run_name: str, reason: str, project: str | None, domain: str | None
) -> None:
    """Stop a run: every action of it that has not ended, and their processes."""
    session.connect(root, project=project, domain=domain)
    run = Run.get(name=run_name)
    if run.done():
        click.echo(f"run {run_name} has ended already: {run.phase.value}")
        return
    run.abort(reason)
    click.echo(f"run {run_name} is being aborted; see it with: flyte get action {run_name}")


@abort.command("action")
@click.argument("run_name")
@click.argument("action_name")
@_reason
@options.scope_options
@options.pass_root
def abort_action(
    root: options.RootOptions,
    run_name: str,
    action_name: str,
    reason: str,
    project: str | None,
    domain: str | None,
) -> None:
    """Stop one action and what it has called; its caller gets an ActionAbortedError."""
    session.connect(root, project=project, domain=domain)
    action = Action.get(run_name=run_name, name=action_name)
    if action.done():
        click.echo(
            f"action {action_name} of run {run_name} has ended already: {action.phase.value}"
        )
        return
    action.abort(reason)
    click.echo(f"action {action_name} of run {run_name} is being aborted")
