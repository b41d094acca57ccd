"""What the root command was told, and the options that several commands share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from flyte.cli.render import PlainScreen, Screen, Table, as_json

F = TypeVar("F", bound=Callable[..., Any])

OutputFormat = Literal["table", "table-simple", "json", "json-raw"]

_AUTH_TYPES = {
    "pkce": "Pkce",
    "client-secret": "ClientSecret",
    "clientsecret": "ClientSecret",
    "app-credential": "ClientSecret",
    "external-command": "ExternalCommand",
    "externalcommand": "ExternalCommand",
    "command": "ExternalCommand",
    "custom": "ExternalCommand",
    "device-flow": "DeviceFlow",
    "headless": "DeviceFlow",
}
"""What may be written on the command line: the name of the way to log in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootOptions:
    """The root command's options; every command finds them as `ctx.obj`."""

    open_screen: Callable[[], Screen]
    endpoint: str | None
    insecure: bool | None
    image_builder: str | None
    auth_type: str | None
    verbose: int
    org: str | None
    config_file: Path | None
    output_format: OutputFormat
    log_format: Literal["console", "json"]
    user_log_level: str
    reset_root_logger: bool
    no_progress: bool

    @property
    def as_json(self) -> bool:
        """Whether a program reads what is printed."""
        return self.output_format in ("json", "json-raw")

    def show(self, table: Table, document: Any) -> None:
        """Print one result: the table for people, or the document for programs."""
        if self.as_json:
            click.echo(as_json(document, compact=self.output_format == "json-raw"))
        elif not table.rows:
            click.echo(table.when_empty)
        else:
            screen = PlainScreen() if self.output_format == "table-simple" else self.open_screen()
            screen.table(table)

    @property
    def official_auth_type(self) -> str | None:
        """The way to log in, as `flyte.init` calls it."""
        return _AUTH_TYPES[self.auth_type.replace("_", "-")] if self.auth_type else None


pass_root = click.make_pass_decorator(RootOptions)


def _stack(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


root_options = _stack(
    click.option("--endpoint", help="Control plane to use; `local` is this machine's own."),
    click.option("--insecure", is_flag=True, default=None, help="Talk plain HTTP to the endpoint."),
    click.option(
        "--builder",
        "--image-builder",
        "image_builder",
        type=click.Choice(["local", "local-podman", "remote"]),
        help="Who builds container images.",
    ),
    click.option(
        "--auth-type",
        type=click.Choice(
            sorted({form for name in _AUTH_TYPES for form in (name, name.replace("-", "_"))})
        ),
        metavar="TYPE",
        help="How to log in: pkce, client-secret, external-command, device-flow.",
    ),
    click.option("-v", "--verbose", count=True, help="Show tracebacks of Flyte itself; -vv logs."),
    click.option("--org", help="Organisation to act for."),
    click.option(
        "-c",
        "--config",
        "config_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Configuration file; else ./config.yaml, ./.flyte/config.yaml, ~/.flyte/config.yaml.",
    ),
    click.option(
        "-of",
        "--output-format",
        type=click.Choice(["table", "table-simple", "json", "json-raw"]),
        default="table",
        show_default=True,
        help="How results are printed; json-raw is one line.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["console", "json"]),
        default="console",
        envvar="LOG_FORMAT",
        show_default=True,
        help="How log lines of Flyte and of tasks look.",
    ),
    click.option(
        "--user-log-level",
        type=click.Choice(["critical", "debug", "error", "info", "warning"]),
        default="info",
        envvar="USER_LOG_LEVEL",
        show_default=True,
        help="Least level of the tasks' own log lines.",
    ),
    click.option("--reset-root-logger", is_flag=True, help="Take over Python's root logger too."),
    click.option("--no-progress", is_flag=True, help="Print no progress while a run goes on."),
)


class KeyValue(click.ParamType):
    """`KEY=VALUE`."""

    name = "key=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        key, separator, text = value.partition("=")
        if not separator or not key:
            self.fail(f"{value!r} is not like KEY=VALUE", param, ctx)
        return key, text


def scope_parameters() -> list[click.Parameter]:
    """`scope_options` for commands that are made without a decorator."""
    return [
        click.Option(["-p", "--project"], help="Project; else the configured one."),
        click.Option(["-d", "--domain"], help="Domain; else the configured one."),
    ]


scope_options = _stack(
    click.option("-p", "--project", help="Project; else the configured one."),
    click.option("-d", "--domain", help="Domain; else the configured one."),
)
"""Whose runs: accepted by every command that talks to a control plane."""

new_run_options = _stack(
    click.option(
        *("-e", "--env", "env_vars"),
        multiple=True,
        type=KeyValue(),
        help="Environment variable of every task; may be given several times.",
    ),
    click.option(
        *("--label", "labels"),
        multiple=True,
        type=KeyValue(),
        help="Label of the run; may be given several times.",
    ),
)
"""What every command can say of the run that it starts."""
