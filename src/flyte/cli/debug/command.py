"""`flyte debug RUN [ACTION]`: an action of a control plane once more in this process, under pdb."""

import tempfile
from pathlib import Path
from typing import Any

import click

from flyte import _debug, errors
from flyte._debug import Case
from flyte._ids import ROOT_ACTION
from flyte.cli import options, session
from flyte.cli.render import as_text
from flyte.cli.run import pdb_shell
from flyte.cli.run.following import reason
from flyte.remote import Run

_FAILED = 1


@click.command("debug")
@click.argument("run_name", metavar="RUN")
@click.argument("action_name", metavar="[ACTION]", required=False)
@click.option("--attempt", type=click.IntRange(min=1), help="Which attempt; else the last one.")
@options.scope_options
@options.pass_root
def debug(
    root: options.RootOptions,
    run_name: str,
    action_name: str | None,
    attempt: int | None,
    project: str | None,
    domain: str | None,
) -> None:
    """Run a failed action here, and stop where it fails.

    The action runs once more in this process, with the inputs and the code that it had.  What its calls gave in the
    run they give again; a call that did not succeed is executed here.  Nothing is written to the run.  Without ACTION
    it is the one that failed first.
    """
    session.connect(root, project=project, domain=domain)
    name = action_name or _to_blame(run_name)
    with tempfile.TemporaryDirectory(prefix="flyte-debug-") as folder:
        case = _debug.case(run_name, name, Path(folder), attempt)
        for line in _told(case):
            click.echo(line, err=True)
        _run(case)


def _to_blame(run_name: str) -> str:
    failed = Run.get(run_name).first_failure()
    return failed.name if failed is not None else ROOT_ACTION


def _told(case: Case) -> list[str]:
    """What is debugged, and what is other here than there."""
    details = case.details
    told = [
        f"{details.task_name} ({details.run_name}/{details.name}, attempt {case.attempt}): {reason(details)}"
    ]
    told.append(f"its code is in {case.code}")
    differences = case.surroundings.differences()
    told += [f"note: {each}" for each in differences]
    if differences and (command := case.surroundings.command) is not None:
        told.append(f"to have the same: {command} debug {details.run_name} {details.name}")
    return told


def _run(case: Case) -> None:
    try:
        value: Any = case.run()
    except errors.ModuleLoadError:
        raise
    except errors.BaseRuntimeError as error:
        if not pdb_shell.is_quit(error):
            pdb_shell.post_mortem(error)
        raise click.exceptions.Exit(_FAILED) from error
    click.echo(as_text(value))
    click.echo(
        "it does not fail here; write breakpoint() into the code and run it with: flyte run --local",
        err=True,
    )
