"""`flyte get settings` and `flyte edit settings`: what new runs of a scope follow."""

import difflib
from pathlib import Path
from typing import Any

import click

from flyte import errors
from flyte.cli import options, session
from flyte.cli.render import Table
from flyte.remote import Settings


@click.command("settings")
@click.option(
    "-o",
    "--to-file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the text there; flyte edit settings --from-file reads it.",
)
@options.scope_options
@options.pass_root
def get_settings(
    root: options.RootOptions, to_file: Path | None, project: str | None, domain: str | None
) -> None:
    """Show the settings of the organisation, of a domain, or of a project in a domain.

    \b
    flyte get settings
    flyte get settings --domain production --project weather
    """
    session.connect(root)
    settings = Settings.get_settings_for_edit(project=project, domain=domain)
    if to_file is not None:
        to_file.write_text(settings.to_yaml(), encoding="utf-8")
        root.show(Table(("",), [(f"written to {to_file}",)]), {"file": str(to_file)})
    elif root.as_json:
        root.show(Table((), []), settings.to_dict())
    else:
        click.echo(settings.to_yaml())


@click.command("settings")
@click.option(
    "-f",
    "--from-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the settings from this file, and open no editor.",
)
@options.scope_options
@options.pass_root
def edit_settings(
    root: options.RootOptions, from_file: Path | None, project: str | None, domain: str | None
) -> None:
    """Change the settings of the organisation, of a domain, or of a project in a domain.

    Opens them in $EDITOR; what is left out afterwards is inherited.  Runs that have begun keep what they began with.
    """
    session.connect(root)
    settings = Settings.get_settings_for_edit(project=project, domain=domain)
    before = settings.local_overrides()
    overrides = _edited(settings) if from_file is None else _read(from_file)
    if overrides is None or overrides == before:
        root.show(Table(("",), [("nothing was changed",)]), settings.to_dict())
        return
    for line in _changes(before, overrides):
        root.say(line)
    settings.update_settings(overrides)
    told = f"settings of {settings.scope_description()} were changed"
    root.show(Table(("",), [(told,)]), settings.to_dict())


def _read(file: Path) -> dict[str, Any]:
    return Settings.parse_yaml(file.read_text(encoding="utf-8"))


def _edited(settings: Settings) -> dict[str, Any] | None:
    """What the person has made of the settings; None if they gave up."""
    text = settings.to_yaml()
    while True:
        edited = click.edit(text, extension=".yaml")
        if edited is None:
            return None
        try:
            return Settings.parse_yaml(edited)
        except errors.DefinitionError as error:
            if not click.confirm(f"{error}\nEdit again?", default=True, err=True):
                raise
            text = edited


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    old, new = (
        [f"{key}: {value}" for key, value in sorted(each.items())] for each in (before, after)
    )
    return [line for line in difflib.ndiff(old, new) if line[:1] in "+-"]
