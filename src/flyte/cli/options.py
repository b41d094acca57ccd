"""What the root command was told, and the options that several commands share."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from flyte.cli.render import PlainScreen, Screen, Table, as_json
from flyte.config._access import login_kind

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

OutputFormat = Literal["table", "table-simple", "json", "json-raw"]

_AUTH_TYPES = (
    *("pkce", "client-secret", "clientsecret", "app-credential", "external-command"),
    *("externalcommand", "command", "custom", "device-flow", "headless"),
)
AUTH_TYPE_WORDS = sorted({form for name in _AUTH_TYPES for form in (name, name.replace("-", "_"))})
"""What may be written on the command line for a way to log in."""


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
    quiet: bool = False
    """Print nothing on stdout but what a program asked for, and on stderr nothing but errors."""

    @property
    def as_json(self) -> bool:
        """Whether a program reads what is printed."""
        return self.output_format in ("json", "json-raw")

    def show(self, table: Table, document: Any) -> None:
        """Print one result: the table for people, or the document for programs."""
        if self.as_json:
            click.echo(as_json(document, compact=self.output_format == "json-raw"))
        elif self.quiet:
            _first_column(table)
        elif not table.rows:
            click.echo(table.when_empty)
        else:
            screen = PlainScreen() if self.output_format == "table-simple" else self.open_screen()
            screen.table(table)

    @property
    def official_auth_type(self) -> str | None:
        """The way to log in, as `flyte.init` calls it."""
        return login_kind(self.auth_type) if self.auth_type else None

    def say(self, line: str) -> None:
        """Tell people that something was done; whoever reads JSON or asked for quiet sees the status."""
        if not self.quiet:
            click.echo(line, err=self.as_json)


def _first_column(table: Table) -> None:
    """Only names, one per line, as `xargs` reads them; facts about one thing say nothing that was not known."""
    if table.columns and table.columns[0]:
        for row in table.rows:
            click.echo(row[table.name_at].strip())


pass_root = click.make_pass_decorator(RootOptions)


def _stack(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


_FORMAT_FLAGS = ("-of", "-o", "--output-format")
_FORMATS = ("table", "table-simple", "json", "json-raw")

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
        type=click.Choice(AUTH_TYPE_WORDS),
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
        *_FORMAT_FLAGS,
        "output_format",
        type=click.Choice(_FORMATS),
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
    click.option(
        "-q", "--quiet", is_flag=True, help="Print only names and results; of a listing names only."
    ),
)


class KeyValue(click.ParamType):
    """`KEY=VALUE`."""

    name = "key=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        key, separator, text = value.partition("=")
        if not separator or not key:
            self.fail(f"{value!r} is not like KEY=VALUE", param, ctx)
        return key, text


def accept_output(command: click.Command) -> None:
    """Let a command take `-o json` and `--quiet` after its name too, where most people write them.

    Flags that the command has for something else stay its own.
    """
    taken = {flag for parameter in command.params for flag in parameter.opts}
    if "--output-format" in taken or isinstance(command, click.Group):
        return
    free = [flag for flag in _FORMAT_FLAGS if flag not in taken]
    quiet = [flag for flag in ("-q", "--quiet") if flag not in taken]
    form = click.Choice(_FORMATS)
    command.params += [
        click.Option([*free, "output_format"], type=form, **_HIDDEN),
        click.Option([*quiet, "quiet"], is_flag=True, default=None, **_HIDDEN),
    ]


def _change(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    root = ctx.find_object(RootOptions)
    if value is not None and option.name is not None and root is not None:
        ctx.obj = replace(root, **{option.name: value})


_HIDDEN: dict[str, Any] = {"expose_value": False, "hidden": True, "callback": _change}
"""An option that the command itself does not hear of."""


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

SortBy = tuple[str, Literal["asc", "desc"]]


class SortField(click.ParamType):
    """`FIELD`, `FIELD:asc` or `FIELD:desc`."""

    name = "field[:desc]"

    def convert(self, value: Any, param: Any, ctx: Any) -> SortBy:
        if isinstance(value, tuple):
            return value
        field, _, direction = value.partition(":")
        if not field or direction not in ("", "asc", "desc"):
            self.fail(f"{value!r} is not like FIELD, FIELD:asc or FIELD:desc", param, ctx)
        return field, "desc" if direction == "desc" else "asc"


sort_option = click.option(
    "--sort-by", type=SortField(), help="Order of the list, such as name or created_at:desc."
)
limit_option = click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many at most."
)


def first(items: Iterable[T], limit: int) -> list[T]:
    """The first items of a listing; its later pages are not asked for."""
    return list(itertools.islice(items, limit))


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
