"""`flyte start server` and `flyte stop server`: the control plane of this machine."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from flyte import _embedded
from flyte.cli import options
from flyte.cli.render import Table
from flyte.config import _read

_file = click.Path(exists=True, dir_okay=False, path_type=Path, resolve_path=True)


@click.command("server")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 8090 or a free one by default.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--foreground", is_flag=True, help="Stay in this terminal; Ctrl-C ends it.")
@click.option(
    "--auth",
    type=click.Choice(["token", "none"]),
    help="Whether requests need a token; none: whoever can connect may do everything.  [default: token]",
)
@click.option("--tls-cert", type=_file, help="Encrypt connections with this certificate (PEM).")
@click.option("--tls-key", type=_file, help="Key of the certificate (PEM, without a password).")
@click.option("--tls-ca", type=_file, help="Its authority, if machines do not know it (PEM).")
@options.pass_root
def start_server(
    root: options.RootOptions,
    port: int | None,
    host: str | None,
    foreground: bool,
    auth: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_ca: Path | None,
) -> None:
    """Start the control plane of this machine, in the background unless told otherwise.

    Its data lies in ~/.flyte, or where FLYTE_HOME says.  Commands of this machine log in by themselves, with a token
    that lies there.  On an address that other machines reach (--host) it needs a certificate and an API key:

    \b
    flyte create api-key me --role admin
    flyte stop server
    flyte start server --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
    """
    if auth == "none":
        click.echo(
            "--auth none: every user and every program of this machine may read, run and delete everything here",
            err=True,
        )
    more = _words(
        {"--auth": auth, "--tls-cert": tls_cert, "--tls-key": tls_key, "--tls-ca": tls_ca}
    )
    running = _embedded.find()
    if foreground and running is None:
        _become_server(port, host, more)
    endpoint = running or _embedded.find_or_start(host=host, port=port, more=more)
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


def _become_server(port: int | None, host: str | None, more: list[str]) -> None:
    """Replace this process by the server: signals and the terminal are its own."""
    words = _words({"--home": _read.flyte_home(), "--port": port, "--host": host})
    command = [sys.executable, "-P", "-m", "flyte_server", "--foreground", *words, *more]
    os.execv(sys.executable, command)


def _words(options: Mapping[str, object]) -> list[str]:
    """Options that were given, as words of a command line."""
    given = {name: str(value) for name, value in options.items() if value is not None}
    return [word for pair in given.items() for word in pair]
