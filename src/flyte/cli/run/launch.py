"""Starting a task for `flyte run`, and telling how it ended."""

import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NoReturn

import click
from flyteidl2.core import literals_pb2

from flyte import _run, _session, errors
from flyte._ids import random_run_name
from flyte._options import CopyFiles
from flyte._task import TaskTemplate
from flyte.cli import session
from flyte.cli.options import RootOptions
from flyte.cli.render import as_json, as_text, duration, first_line
from flyte.cli.run import building, following, pdb_shell, usercode
from flyte.cli.run.following import Outcome
from flyte.cli.run.script import Script
from flyte.remote import Run, TaskDetails
from flyte.types import literal_string_repr

_FAILED, _INTERRUPTED = 1, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The options of `flyte run` that are about the run and not about the task's inputs."""

    project: str | None = None
    domain: str | None = None
    local: bool = False
    force_serialization: bool = False
    debug: bool = False
    follow: bool = False
    name: str | None = None
    env_vars: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    overwrite_cache: bool = False
    max_action_concurrency: int | None = None
    queue: str | None = None
    service_account: str | None = None
    version: str | None = None
    copy_style: CopyFiles = "loaded_modules"
    raw_data_path: str | None = None
    images: tuple[str, ...] = ()
    no_sync_local_sys_paths: bool = False
    run_project: str | None = None
    run_domain: str | None = None


def on_control_plane(
    task: TaskTemplate,
    inputs: Mapping[str, Any],
    *,
    script: Script,
    root: RootOptions,
    choices: Choices,
) -> None:
    """Start a run, show it until it ends, print its outputs; exit status 1 if it failed."""
    session.connect(
        root,
        project=choices.project,
        domain=choices.domain,
        root_dir=script.root,
        images=choices.images,
        sync_local_sys_paths=not choices.no_sync_local_sys_paths,
    )
    with building.shown(root):
        run = _context("remote", root, choices).run.start(task, (), inputs)
    show(run, task.name, root=root, with_logs=choices.follow)


def deployed(
    task: TaskDetails, inputs: Mapping[str, Any], *, root: RootOptions, choices: Choices
) -> None:
    """Start a run of a deployed task, show it until it ends, print its outputs; exit status 1 if it failed."""
    # Its code and its version are there already.
    choices = replace(choices, version=None, copy_style="loaded_modules")
    run = _context("remote", root, choices).run.start(task, (), inputs)
    show(run, f"{task.name} {task.version}", root=root, with_logs=choices.follow)


def shown_default(literal: literals_pb2.Literal) -> Any:
    """A stored default as help shows it."""
    return literal_string_repr({"": literal})[""]


def show(run: Run, task_name: str, *, root: RootOptions, with_logs: bool) -> None:
    """Show a run until it ends, print its outputs; exit status 1 if it failed."""
    if not root.as_json:
        click.echo(f"run {run.name} of {task_name} on {_session.current().base_url}", err=True)
    try:
        outcome = following.follow(run, root, with_logs=with_logs)
    except KeyboardInterrupt:
        following.say_interrupted(run)
        raise click.exceptions.Exit(_INTERRUPTED) from None
    _report(outcome, root)


def here(
    task: TaskTemplate, inputs: Mapping[str, Any], *, root: RootOptions, choices: Choices
) -> None:
    """Run the task in this process, print its outputs; an error shows the user's own traceback."""
    session.show_logs(root)
    # Chosen here, so that a run that fails can be named.
    choices = replace(choices, name=choices.name or random_run_name())
    start = partial(_context("local", root, choices).run.start, task, (), inputs)
    run_here(start, choices.name, root, debug=choices.debug)


def run_here(
    start: Callable[[], Any], name: str | None, root: RootOptions, *, debug: bool = False
) -> None:
    """Start a run in this process, print its outputs; an error shows the user's own traceback, with `debug` in pdb."""
    # A program that reads JSON from stdout must not find there what the task prints.
    printing = redirect_stdout(sys.stderr) if root.as_json else nullcontext()
    try:
        with printing:
            run = start()
        outputs = run.outputs()
    except errors.TaskInputError:
        raise
    except errors.RuntimeUserError as error:
        if error.code == "MissingOutputs":  # refused before any code of the user ran
            raise
        if debug and not pdb_shell.is_quit(error):
            with printing:
                pdb_shell.post_mortem(error)
        if debug:
            raise click.exceptions.Exit(_FAILED) from error
        _show_failure_here(error, name, root)
    if root.as_json:
        document = _document(run.name, "succeeded", url=None, outputs=outputs.named_outputs)
        _print_json(document, root)
    else:
        click.echo(as_text(outputs))


def _context(mode: Literal["local", "remote"], root: RootOptions, choices: Choices) -> Any:
    return _run.with_runcontext(
        mode,
        name=choices.name,
        service_account=choices.service_account,
        version=choices.version,
        copy_style=choices.copy_style,
        raw_data_path=choices.raw_data_path,
        overwrite_cache=choices.overwrite_cache,
        project=choices.run_project,
        domain=choices.run_domain,
        env_vars=dict(choices.env_vars) or None,
        labels=dict(choices.labels) or None,
        queue=choices.queue,
        max_action_concurrency=choices.max_action_concurrency,
        force_serialization=choices.force_serialization,
        debug=choices.debug,
        log_format=root.log_format,
        reset_root_logger=root.reset_root_logger,
    )


def _report(outcome: Outcome, root: RootOptions) -> None:
    if outcome.outputs is None:
        _report_failure(outcome, root)
    if root.as_json:
        _print_json(_outcome_document(outcome), root)
        return
    click.echo(as_text(outcome.outputs))
    run = outcome.run
    click.echo(f"run {run} succeeded in {duration(outcome.took)}; look closer with:", err=True)
    click.echo(f"  flyte get action {run}\n  flyte get logs {run}", err=True)


def _report_failure(outcome: Outcome, root: RootOptions) -> NoReturn:
    if root.as_json:
        _print_json(_outcome_document(outcome), root)
    else:
        click.echo(_why(outcome), err=True)
    raise click.exceptions.Exit(_FAILED)


def _why(outcome: Outcome) -> str:
    """The run, the action that failed first, its reason, and where to look."""
    run = outcome.run
    failed = outcome.failure
    if failed is None:
        return f"Error: run {run} {outcome.phase}; look closer with: flyte get action {run}"
    told = failed.error_info.message if failed.error_info else ""
    details = told.strip().partition("\n")[2]
    own = f"{failed.task_name or failed.name} ({failed.name}, attempt {failed.attempts}): "
    why = outcome.headline if outcome.is_of_child else own + following.reason(failed)
    return (
        f"Error: run {run} {outcome.phase}: {why}\n"
        + (f"{details}\n" if details else "")
        + f"Look closer with: flyte get logs {run} {failed.name}\n"
        f"Stop where it fails, in this process, with: flyte debug {run} {failed.name}\n"
        f"What succeeded is kept; correct the code and go on with: flyte rerun {run} --recover"
    )


def _show_failure_here(
    error: errors.RuntimeUserError, name: str | None, root: RootOptions
) -> NoReturn:
    problem = usercode.original(error)
    if root.as_json:
        failure = {"code": error.code, "message": first_line(str(error))}
        _print_json(_document(name, "failed", url=None, error=failure), root)
    else:
        click.echo(usercode.traceback_of(error), err=True, nl=False)
        click.echo(
            f"What succeeded is kept; correct the code and go on with: flyte rerun {name} --local --recover",
            err=True,
        )
    raise click.exceptions.Exit(_FAILED) from problem


def _outcome_document(outcome: Outcome) -> dict[str, Any]:
    info = outcome.failure.error_info if outcome.failure else None
    return _document(
        outcome.run,
        outcome.phase.value,
        url=outcome.url,
        outputs=outcome.outputs.named_outputs if outcome.outputs is not None else None,
        error={"code": info.code, "message": info.message} if info else None,
    )


def _document(
    name: str | None,
    phase: str,
    *,
    url: str | None,
    outputs: Mapping[str, Any] | None = None,
    error: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    return {"run": name, "phase": phase, "url": url, "outputs": outputs, "error": error}


def _print_json(document: Any, root: RootOptions) -> None:
    click.echo(as_json(document, compact=root.output_format == "json-raw"))
