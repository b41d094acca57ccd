"""`flyte start server` and `flyte stop server`: the control plane of this machine."""

import os
import sys

import click

from flyte import _embedded
from flyte.cli import options
from flyte.cli.render import Table
from flyte.config import _read


@click.command("server")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 8090 or a free one by default.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--foreground", is_flag=True, help="Stay in this terminal; Ctrl-C ends it.")
@options.pass_root
def start_server(
    root: options.RootOptions, port: int | None, host: str | None, foreground: bool
) -> None:
    """Start the control plane of this machine, in the background unless told otherwise.

    Its data lies in ~/.flyte, or where FLYTE_HOME says.
    """
    running = _embedded.find()
    if foreground and running is None:
        _become_server(port, host)
    endpoint = running or _embedded.find_or_start(host=host, port=port)
    state = "already ran" if running else "started"
    row = (endpoint.url, str(endpoint.pid), str(endpoint.home), state)
    document = dict(zip(("endpoint", "pid", "home", "state"), row, strict=True))
    root.show(Table(tuple(document), [row]), document)


@click.command("server")
def stop_server() -> None:
    """Stop the control plane of this machine.

    Tasks that run go on; the next start finds them again.
    """
    stopped = _embedded.stop()
    click.echo("the control plane has ended" if stopped else "no control plane runs")


def _become_server(port: int | None, host: str | None) -> None:
    """Replace this process by the server: signals and the terminal are its own."""
    chosen = {"--home": str(_read.flyte_home()), "--port": port, "--host": host}
    given = {name: str(value) for name, value in chosen.items() if value is not None}
    words = [word for pair in given.items() for word in pair]
    command = [sys.executable, "-P", "-m", "flyte_server", "--foreground", *words]
    os.execv(sys.executable, command)
