"""`flyte create|get|delete secret`: values go in, and never come out."""

import sys
from pathlib import Path
from typing import Any

import click

from flyte.cli import options, session
from flyte.cli.nouns.scopes import registries
from flyte.cli.render import Table
from flyte.remote import Secret

_SHORT = 4
"""Shorter values cannot be hidden in logs: they would take half of the text with them."""


_pool = click.option(
    "--cluster-pool", help="Not supported here: there are no pools of clusters; leave it out."
)


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
    type=click.Choice(["regular", "image_pull"]),
    default="regular",
    show_default=True,
    help="For tasks, or for whoever pulls their images.",
)
@click.option(
    "--from-docker-config", is_flag=True, help="image_pull: the logins that Docker keeps here."
)
@click.option(
    "--docker-config-path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Docker's configuration file; else ~/.docker/config.json.",
)
@click.option("--registries", help="Only the logins of these registries; several joined by commas.")
@click.option("--registry", help="image_pull: the login of this registry.")
@click.option("--username", help="With --registry.")
@click.option("--password", help="With --registry; asked for if it is left out.")
@_pool
@click.option("-p", "--project", help="Only for tasks of this project; else for all.")
@click.option("-d", "--domain", help="Only for tasks of this domain; else for all.")
@options.pass_root
def create_secret(root: options.RootOptions, name: str, **chosen: Any) -> None:
    """Keep a secret for tasks that ask for it.

    Without --value and --from-file the value is asked for, and not shown; or it is read from standard
    input, if that is no terminal:

    \b
    flyte create secret openai-key
    pass show openai | flyte create secret openai-key
    flyte create secret ghcr --type image_pull --registry ghcr.io --username ada
    """
    content = _content(chosen)
    scope = {key: chosen[key] for key in ("cluster_pool", "project", "domain")}
    session.connect(root)
    Secret.create(name, content, chosen["type"], **scope)
    made = Secret.get(name, **scope)
    if len(content) < _SHORT:
        click.echo(f"it has fewer than {_SHORT} characters: too few to be masked in logs", err=True)
    root.show(Table(("",), [(f"secret {name} is kept ({made.scope})",)]), made.to_dict())


def _content(chosen: dict[str, Any]) -> str | bytes:
    """The value, from the one source that was given.

    Raises:
        click.UsageError: two sources were given, or one that does not fit the type.
    """
    given = [key for key in _SOURCES if chosen[key]]
    if len(given) > 1:
        first, second = (f"--{key.replace('_', '-')}" for key in given[:2])
        raise click.UsageError(f"{first} and {second} exclude each other; give one of them")
    if given and given[0] in _LOGINS:
        if chosen["type"] != "image_pull":
            raise click.UsageError("logins of registries are for --type image_pull; give that too")
        return _logins(chosen)
    return _value(chosen["value"], chosen["from_file"])


_LOGINS = ("from_docker_config", "registry")
_SOURCES = ("value", "from_file", *_LOGINS)


def _logins(chosen: dict[str, Any]) -> bytes:
    if chosen["from_docker_config"]:
        names = [name.strip() for name in (chosen["registries"] or "").split(",")]
        return registries.from_docker_config(chosen["docker_config_path"], [*filter(None, names)])
    if not chosen["username"]:
        raise click.UsageError("--registry needs --username too")
    password = chosen["password"] or click.prompt("Enter the password", hide_input=True)
    return registries.from_login(chosen["registry"], chosen["username"], password)


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
@_pool
@click.option(
    "-p", "--project", help="What tasks of this project may ask for; of a NAME: its scope."
)
@click.option("-d", "--domain", help="What tasks of this domain may ask for; of a NAME: its scope.")
@click.option("--limit", type=click.IntRange(min=1), help="How many at most; else all.")
@options.pass_root
def get_secret(
    root: options.RootOptions, name: str | None, limit: int | None, **scope: str | None
) -> None:
    """List secrets, or show one: names and scopes, never values."""
    session.connect(root)
    listed = Secret.listall(limit=limit or sys.maxsize, **scope)
    found = [Secret.get(name, **scope)] if name else list(listed)
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
@_pool
@click.option("-p", "--project", help="Project of the secret, if it has one.")
@click.option("-d", "--domain", help="Domain of the secret, if it has one.")
@options.pass_root
def delete_secret(root: options.RootOptions, name: str, **scope: str | None) -> None:
    """Forget a secret; tasks that run have it already."""
    session.connect(root)
    Secret.delete(name, **scope)
    root.show(Table(("",), [(f"secret {name} is forgotten",)]), {"deleted": name})
