"""`flyte serve --local FILE APP`: a file's apps as commands; one is served until Ctrl-C."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flyte import _serve, errors
from flyte._kit.signals import sigterm_interrupts
from flyte.app import AppEnvironment
from flyte.cli import options, session
from flyte.cli.exit_codes import ExitCode
from flyte.cli.run.script import Script, nearest

if TYPE_CHECKING:
    from flyte._serving.handle import LocalApp

_HELLO = "hello"
_COPY_STYLES = ["loaded_modules", "all", "none", "custom"]


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of `flyte serve`; those that say how an app is deployed have no use yet."""

    project: str | None
    domain: str | None
    copy_style: str
    root_dir: str | None
    service_account: str | None
    name: str | None
    follow: bool
    image: tuple[str, ...]
    no_sync_local_sys_paths: bool
    env_var: tuple[tuple[str, str], ...]
    local: bool


class NotYet(click.ClickException):
    """This version cannot do what was asked."""

    exit_code = ExitCode.NOT_YET


class Files(click.Group):
    """`flyte serve`: every Python file is a command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [_HELLO, *sorted(str(path) for path in Path().glob("*.py"))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        if cmd_name == _HELLO:
            env: AppEnvironment = importlib.import_module("flyte.cli.serve.hello").hello
            return AppCommand(_HELLO, env, Path.cwd())
        return Apps(cmd_name, root_dir=ctx.params["root_dir"])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The files by their names: help must not import them."""
        rows = [(name, "") for name in self.list_commands(ctx) if name != _HELLO]
        if rows:
            with formatter.section("Python files here"):
                formatter.write_dl(rows)
        with formatter.section("Without a file"):
            formatter.write_dl([(_HELLO, "A small app that comes with Flyte.")])


class Apps(click.Group):
    """`flyte serve FILE`: every app of the file is a command."""

    def __init__(self, file: str, *, root_dir: str | None) -> None:
        super().__init__(
            name=file,
            help=f"Serve an app of {file}.",
            params=[*options.scope_parameters()],
            subcommand_metavar="APP",
        )
        self._file, self._root_dir = file, root_dir

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._apps()[1])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        script, apps = self._apps()
        by_own_name = {env.name: env for env in apps.values()}
        env = apps.get(cmd_name) or by_own_name.get(cmd_name)
        if env is None:
            known = ", ".join(apps) or "none; make one with flyte.app.AppEnvironment(name=…)"
            raise click.UsageError(
                f"{self._file} has no app {cmd_name!r}{nearest(cmd_name, apps)}; its apps are: {known}",
                ctx,
            )
        return AppCommand(cmd_name, env, script.root)

    def _apps(self) -> tuple[Script, Mapping[str, AppEnvironment]]:
        try:
            script = Script.at(self._file, self._root_dir)
            values = vars(script.load())
        except errors.ModuleLoadError as error:
            raise click.UsageError(str(error)) from error
        return script, {
            name: value for name, value in values.items() if isinstance(value, AppEnvironment)
        }


class AppCommand(click.Command):
    """`flyte serve FILE APP`: serve it until it ends."""

    def __init__(self, name: str, env: AppEnvironment, root: Path) -> None:
        super().__init__(name, help=env.description or f"Serve app {env.name}.")
        self._env, self._root = env, root

    def invoke(self, ctx: click.Context) -> None:
        root, choices = ctx.ensure_object(options.RootOptions), _choices(ctx)
        if not choices.local:
            raise NotYet(f"app {self._env.name!r} {_serve.NOT_YET}")
        session.connect(root, project=choices.project, domain=choices.domain, root_dir=self._root)
        context = _serve.with_servecontext(
            mode="local",
            env_vars=dict(choices.env_var),
            project=choices.project,
            domain=choices.domain,
        )
        with sigterm_interrupts():
            _serve_until_ended(context.named(choices.name), self._env, root)


def _serve_until_ended(
    context: _serve.ServeVerb, env: AppEnvironment, root: options.RootOptions
) -> None:
    app: LocalApp | None = None
    status = 0
    try:
        app = context.serve(env)
        app.activate(wait=True)
        root.say(f"app {app.name} is served at {app.url}; Ctrl-C ends it")
        status = app.wait()
    except KeyboardInterrupt:
        root.say(f"app {env.name} was ended")
    finally:
        if app is not None:
            app.deactivate(wait=True)
    if status != 0:
        raise click.ClickException(
            f"app {env.name!r} has ended by itself with exit status {status}; what it has printed says why"
        )


def _choices(ctx: click.Context) -> Choices:
    """The options of `flyte serve`; the scope may stand after the file."""
    above = ctx.parent
    file = above if above is not None and above.command is not serve else None
    group = file.parent if file is not None else above
    chosen = dict(group.params) if group is not None else {}
    later = file.params if file is not None else {}
    chosen |= {name: value for name, value in later.items() if value is not None}
    return Choices(**chosen)


@click.command("serve", cls=Files, subcommand_metavar="FILE APP")
@click.option("--local", is_flag=True, help="On this machine; without it the command is refused.")
@options.scope_options
@click.option(
    "-e",
    "--env-var",
    multiple=True,
    type=options.KeyValue(),
    help="Variable of the app's process, as KEY=VALUE.",
)
@click.option("--name", help="Serve it under another name.")
@click.option("--root-dir", help="Where imports start; else the working directory.")
@click.option("-f", "--follow", is_flag=True, help="Show its output; a local app always does.")
@click.option(
    "--copy-style",
    type=click.Choice(_COPY_STYLES),
    default="loaded_modules",
    show_default=True,
    help="Which code a deployed app is sent; a local app runs what is here.",
)
@click.option("--image", multiple=True, help="Image of a deployed app.")
@click.option("--service-account", help="Service account of a deployed app.")
@click.option(
    "--no-sync-local-sys-paths", is_flag=True, help="For a deployed app: leave sys.path alone."
)
def serve(**_: Any) -> None:
    """Serve an app of a Python file on this machine, until Ctrl-C: flyte serve --local FILE APP.

    The app gets a process of its own, with this interpreter, and listens on the port of its environment.  Serving on a
    control plane is not there yet: without --local the command says so (status 3).

    \b
    flyte serve --local app.py env
    flyte serve --local hello                     a small app that comes with Flyte
    """
