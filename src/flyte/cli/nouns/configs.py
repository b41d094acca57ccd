"""`flyte get config` and `flyte create config`: what says which control plane is used."""

import json
from pathlib import Path
from typing import Any

import click

from flyte.cli import options, session
from flyte.cli.render import Table


@click.command("config")
@options.pass_root
def get_config(root: options.RootOptions) -> None:
    """Show the configuration in effect, and the file that it is from."""
    config = session.configured(root)
    document = {
        "source": str(config.source) if config.source else "no file: defaults",
        "endpoint": config.platform.endpoint,
        "insecure": config.platform.insecure,
        "org": config.task.org,
        "project": config.task.project,
        "domain": config.task.domain,
        "builder": config.image.builder,
    }
    rows = [(name, "" if value is None else str(value)) for name, value in document.items()]
    root.show(Table(("entry", "value"), rows), document)


@click.command("config")
@click.option("--endpoint", default="local", show_default=True, help="Control plane to use.")
@click.option("--insecure", is_flag=True, help="Talk plain HTTP to the endpoint.")
@click.option("--org", help="Organisation to act for.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(".flyte/config.yaml"),
    show_default=True,
    help="File to write.",
)
@click.option("--force", is_flag=True, help="Overwrite a file that exists.")
@click.option("--builder", "--image-builder", "builder", help="Who builds container images.")
@options.scope_options
def create_config(output: Path, force: bool, **chosen: Any) -> None:
    """Write a configuration file."""
    if output.exists() and not force:
        raise click.UsageError(f"{output} exists; pass --force to overwrite it")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(_yaml(chosen))
    click.echo(f"wrote {output}")


def _yaml(chosen: dict[str, Any]) -> str:
    """The chosen values in their sections (JSON strings are YAML strings: no writer is needed)."""
    sections = {
        "admin": {"endpoint": chosen["endpoint"], "insecure": chosen["insecure"] or None},
        "task": {name: chosen[name] for name in ("org", "project", "domain")},
        "image": {"builder": chosen["builder"]},
    }
    lines: list[str] = []
    for section, entries in sections.items():
        given = {name: value for name, value in entries.items() if value is not None}
        if given:
            lines.append(f"{section}:")
            lines.extend(f"  {name}: {json.dumps(value)}" for name, value in given.items())
    return "\n".join(lines) + "\n"
