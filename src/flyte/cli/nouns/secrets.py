"""`flyte create|get|delete secret`: values go in, and never come out."""

import sys
from pathlib import Path

import click

from flyte.cli import options, session
from flyte.cli.render import Table
from flyte.remote import Secret

_SHORT = 4
"""Shorter values cannot be hidden in logs: they would take half of the text with them."""


@click.command("secret")
@click.argument("name")
@click.option(
    "--value", help="The value; it stays in your shell's history, better type it at the prompt."
)
@click.option(
    "--from-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the value, taken as it is.",
)
@click.option(
    "--type",
    "kind",
    type=click.Choice(["regular", "image_pull"]),
    default="regular",
    show_default=True,
    help="For tasks, or for whoever pulls their images.",
)
@click.option("-p", "--project", help="Only for tasks of this project; else for all.")
@click.option("-d", "--domain", help="Only for tasks of this domain; else for all.")
@options.pass_root
def create_secret(
    root: options.RootOptions,
    name: str,
    value: str | None,
    from_file: Path | None,
    kind: str,
    project: str | None,
    domain: str | None,
) -> None:
    """Keep a secret for tasks that ask for it.

    Without --value and --from-file the value is asked for, and not shown; or it is read from standard
    input, if that is no terminal:

    \b
    flyte create secret openai-key
    pass show openai | flyte create secret openai-key
    """
    if value is not None and from_file is not None:
        raise click.UsageError("--value and --from-file exclude each other; give one of them")
    content = _value(value, from_file)
    session.connect(root)
    Secret.create(
        name,
        content,
        "image_pull" if kind == "image_pull" else "regular",
        project=project,
        domain=domain,
    )
    made = Secret.get(name, project=project, domain=domain)
    if len(content) < _SHORT:
        click.echo(f"it has fewer than {_SHORT} characters: too few to be masked in logs", err=True)
    root.show(Table(("",), [(f"secret {name} is kept ({made.scope})",)]), made.to_dict())


def _value(value: str | None, file: Path | None) -> str | bytes:
    if value is not None:
        return value
    if file is not None:
        return file.read_bytes()
    if sys.stdin.isatty():
        return click.prompt("Enter secret value", hide_input=True)
    return sys.stdin.buffer.read().removesuffix(b"\n")


@click.command("secret")
@click.argument("name", required=False)
@click.option(
    "-p", "--project", help="What tasks of this project may ask for; of a NAME: its scope."
)
@click.option("-d", "--domain", help="What tasks of this domain may ask for; of a NAME: its scope.")
@options.pass_root
def get_secret(
    root: options.RootOptions, name: str | None, project: str | None, domain: str | None
) -> None:
    """List secrets, or show one: names and scopes, never values."""
    session.connect(root)
    if name:
        found = [Secret.get(name, project=project, domain=domain)]
    else:
        found = list(Secret.listall(limit=sys.maxsize, project=project, domain=domain))
    rows = [(secret.name, secret.scope, secret.type, _moment(secret)) for secret in found]
    empty = "there are no secrets; keep one with: flyte create secret NAME"
    root.show(
        Table(("name", "scope", "type", "created"), rows, when_empty=empty),
        [secret.to_dict() for secret in found],
    )


def _moment(secret: Secret) -> str:
    return secret.pb2.secret_metadata.created_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")


@click.command("secret")
@click.argument("name")
@click.option("-p", "--project", help="Project of the secret, if it has one.")
@click.option("-d", "--domain", help="Domain of the secret, if it has one.")
@options.pass_root
def delete_secret(
    root: options.RootOptions, name: str, project: str | None, domain: str | None
) -> None:
    """Forget a secret; tasks that run have it already."""
    session.connect(root)
    Secret.delete(name, project=project, domain=domain)
    root.show(Table(("",), [(f"secret {name} is forgotten",)]), {"deleted": name})
