"""`flyte get code`: the code that a run has run."""

import tempfile
from pathlib import Path
from typing import Any

import click

from flyte._ids import ROOT_ACTION
from flyte.cli import options, session
from flyte.cli.render import Table, size
from flyte.remote import Action


@click.command("code")
@click.argument("run_name")
@click.argument("action_name", required=False)
@click.option(
    "-o",
    "--dest",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to put it in; without it the files are only listed.",
)
@click.option("--no-extract", is_flag=True, help="With --dest: keep the archive as it is.")
@click.option(
    "-a", "--attempt", type=click.IntRange(min=1), help="Of which attempt; all have the same."
)
@options.scope_options
@options.pass_root
def get_code(
    root: options.RootOptions, run_name: str, action_name: str | None, **chosen: Any
) -> None:
    """List the files of the code that a run has run, or bring them here.

    \b
    flyte get code RUN
    flyte get code RUN --dest there
    """
    dest: Path | None = chosen["dest"]
    if chosen["no_extract"] and dest is None:
        raise click.UsageError("--no-extract needs --dest, a folder for the archive")
    session.connect(root, project=chosen["project"], domain=chosen["domain"])
    action = Action.get(run_name=run_name, name=action_name or ROOT_ACTION)
    if dest is not None:
        _show(root, action.download_code(dest, not chosen["no_extract"], chosen["attempt"]))
        return
    with tempfile.TemporaryDirectory(prefix="flyte-code-") as scratch:
        _show(root, action.download_code(scratch, True, chosen["attempt"]))


def _show(root: options.RootOptions, found: Path) -> None:
    """What came, by name and size."""
    folder = found if found.is_dir() else found.parent
    files = (
        sorted(path for path in found.rglob("*") if path.is_file()) if found.is_dir() else [found]
    )
    listed = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in files]
    rows = [(name, size(length)) for name, length in listed]
    document = [{"name": name, "size": length} for name, length in listed]
    root.show(Table(("file", "size"), rows, when_empty="the bundle has no files"), document)
