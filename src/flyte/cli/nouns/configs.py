"""`flyte get config` and `flyte create config`: what says which control plane is used, and how one logs in there."""

import json
from pathlib import Path
from typing import Any

import click

from flyte.cli import options, session
from flyte.cli.render import Table
from flyte.config._access import login_kind

_BUILDERS = ("local", "local-podman", "remote")
_NO_DEVBOX = (
    "there is no devbox in this version: the control plane of this machine needs no container; leave --devbox out, "
    "and `flyte` starts it when it is used"
)
_NO_REGISTRY = (
    "--registry has no use in this version: images are environments on the control plane's machine, which are pushed "
    "to no registry; leave it out"
)


@click.command("config")
@options.pass_root
def get_config(root: options.RootOptions) -> None:
    """Show the configuration in effect, and the file that it is from."""
    config = session.configured(root)
    platform = config.platform
    document = {
        "source": str(config.source) if config.source else "no file: defaults",
        "endpoint": platform.endpoint or session.endpoint_of_key(),
        "insecure": platform.insecure,
        "auth_type": session.auth_type(config),
        "client_id": platform.client_id,
        "ca_cert_file_path": platform.ca_cert_file_path,
        "http_proxy_url": platform.http_proxy_url,
        "org": config.task.org,
        "project": config.task.project,
        "domain": config.task.domain,
        "builder": config.image.builder,
        "local_persistence": config.local.persistence,
        "local_tracked": config.local.tracked,
    }
    rows = [(name, "" if value is None else str(value)) for name, value in document.items()]
    root.show(Table(("entry", "value"), rows), document)


@click.command("config")
@click.option("--devbox", is_flag=True, help="Refused: no cluster is needed on this machine.")
@click.option(
    "--endpoint", help="Control plane to use (default: `local`, the one of this machine)."
)
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
@click.option(
    "--builder",
    "--image-builder",
    "image_builder",
    type=click.Choice(_BUILDERS),
    default="local",
    show_default=True,
    help="Who builds images.",
)
@click.option("--registry", help="Refused: images are pushed to no registry.")
@click.option(
    "--auth-type",
    type=click.Choice(options.AUTH_TYPE_WORDS),
    metavar="TYPE",
    help="How to log in: pkce, client-secret, external-command, device-flow.",
)
@click.option("--local-persistence", is_flag=True, help="Keep a record of local runs.")
@click.option("--local-tracked", is_flag=True, help="Report local runs to the control plane.")
@options.scope_options
@options.pass_root
def create_config(root: options.RootOptions, output: Path, force: bool, **chosen: Any) -> None:
    """Write a configuration file."""
    if chosen["devbox"]:
        raise click.UsageError(_NO_DEVBOX)
    if chosen["registry"]:
        raise click.UsageError(_NO_REGISTRY)
    if output.exists() and not force:
        raise click.UsageError(f"{output} exists; pass --force to overwrite it")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(_yaml(chosen), encoding="utf-8")
    root.say(f"wrote {output}")


def _yaml(chosen: dict[str, Any]) -> str:
    """The chosen values in their sections (JSON strings are YAML strings: no writer is needed)."""
    kind = chosen["auth_type"] and login_kind(chosen["auth_type"])
    sections = {
        "admin": {
            "endpoint": chosen["endpoint"] or session.LOCAL,
            "insecure": chosen["insecure"] or None,
            "authType": kind,
        },
        "task": {name: chosen[name] for name in ("org", "project", "domain")},
        "image": {"builder": chosen["image_builder"]},
        "local": {
            "persistence": chosen["local_persistence"] or None,
            "tracked": chosen["local_tracked"] or None,
        },
    }
    lines: list[str] = []
    for section, entries in sections.items():
        given = {name: value for name, value in entries.items() if value is not None}
        if given:
            lines.append(f"{section}:")
            lines.extend(f"  {name}: {json.dumps(value)}" for name, value in given.items())
    return "\n".join(lines) + "\n"
