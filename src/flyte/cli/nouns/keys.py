"""`flyte create|get|delete api-key`: what programs log in with."""

import base64
import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import click

from flyte import _session
from flyte._kit import aio
from flyte.cli import options, session
from flyte.cli.render import Table, moment

_ROLES = ("view", "run", "admin")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"([1-9][0-9]{0,6})([mhdw])", re.ASCII)
_PAGE = 1000
_OWN_FORM = "flyte1."
"""How keys begin that say the whole address; those of the official client have no room for a port."""


@click.command("api-key")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(_ROLES),
    required=True,
    help="view: look at runs, tasks and data; run: also start and stop runs, deploy; admin: everything.",
)
@click.option("-p", "--project", help="Where the role holds; in all projects by default.")
@click.option("--expires", help="When it ends, such as 12h, 30d or 8w; never by default.")
@options.pass_root
def create_api_key(
    root: options.RootOptions, name: str, role: str, project: str | None, expires: str | None
) -> None:
    """Make a key with which a program logs in, and print it: once, nobody can see it again.

    \b
    export FLYTE_API_KEY=$(flyte create api-key nightly --role run --project shop --expires 30d)
    """
    asked: dict[str, Any] = {"name": name, "role": role, "project": project or ""}
    if expires:
        asked["expires_seconds"] = _seconds(expires)
    session.connect(root)
    made, endpoint = aio.background().wait(_made(asked))
    text = _text(endpoint, made["client_id"], made["client_secret"])
    click.echo(_said(made["key"]), err=True)
    root.show(Table(("",), [(text,)]), {**made["key"], "api_key": text})
    if root.quiet and not root.as_json:
        click.echo(text)


@click.command("api-key")
@options.pass_root
def get_api_key(root: options.RootOptions) -> None:
    """List API keys: names, roles and times, never the keys themselves."""
    session.connect(root)
    found = aio.background().wait(_all())
    rows = [
        (
            key["name"],
            key["role"],
            key["project"] or "all",
            _moment(key["created_at"]),
            key["created_by"],
            _moment(key["expires_at"]) or "never",
        )
        for key in found
    ]
    empty = "there are no API keys; make one with: flyte create api-key NAME --role run"
    heads = ("name", "role", "project", "created", "by", "expires")
    root.show(Table(heads, rows, when_empty=empty), found)


@click.command("api-key")
@click.argument("name")
@options.pass_root
def delete_api_key(root: options.RootOptions, name: str) -> None:
    """Revoke an API key: it, and every token that came of it, is refused from now on."""
    session.connect(root)
    aio.background().wait(_asked("Revoke", name=name))
    root.show(Table(("",), [(f"the API key {name} is revoked",)]), {"revoked": name})


async def _made(asked: dict[str, Any]) -> tuple[dict[str, Any], str]:
    plane = await _session.current().control_plane()
    return await plane.own("KeyService", "Create", asked), plane.endpoint


async def _all() -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = []
    after = ""
    while True:
        page = await _asked("List", after=after, limit=_PAGE)
        keys += page["keys"]
        after = page["next"]
        if not after:
            return keys


async def _asked(method: str, **fields: Any) -> dict[str, Any]:
    plane = await _session.current().control_plane()
    return await plane.own("KeyService", method, fields)


def _text(endpoint: str, client_id: str, secret: str) -> str:
    """The key as FLYTE_API_KEY takes it: in the official form where that can say the address."""
    parts = urlsplit(endpoint)
    is_plain_host = parts.scheme == "https" and parts.port in {None, 443}
    if is_plain_host and parts.hostname and ":" not in parts.hostname:
        return base64.b64encode(f"{parts.hostname}:{client_id}:{secret}:".encode()).decode()
    said = {"endpoint": endpoint, "client_id": client_id, "client_secret": secret, "org": ""}
    return _OWN_FORM + base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()


def _said(key: dict[str, Any]) -> str:
    where = f"project {key['project']}" if key["project"] else "all projects"
    ends = f"until {_moment(key['expires_at'])} UTC" if key["expires_at"] else "without an end"
    return f"API key {key['name']}: {key['role']} in {where}, {ends}. Keep it now, it is not shown again:"


def _seconds(text: str) -> int:
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(
            f"{text!r} is no time; write a number and m, h, d or w, such as 30d.",
            param_hint="--expires",
        )
    return int(found[1]) * _SECONDS[found[2]]


def _moment(microseconds: str) -> str:
    if not microseconds:
        return ""
    return moment(datetime.fromtimestamp(int(microseconds) / 1_000_000, UTC))
