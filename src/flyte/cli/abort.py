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
_wait = click.option(
    "--wait", is_flag=True, help="Return when no process is left, not when nothing new starts."
)


@click.group()
def abort() -> None:
    """Stop a run, or one action of it.

    From the answer on nothing new starts.  Processes get SIGTERM: an async task is cancelled, a plain function gets a
    KeyboardInterrupt.  What is left after the grace period of the control plane (FLYTE_SERVER_GRACE_SECONDS, 10 s) is
    killed, with all that it started.  Until the last process is gone "aborting" is shown, then "aborted".
    """


@abort.command("run")
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


@abort.command("action")
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
