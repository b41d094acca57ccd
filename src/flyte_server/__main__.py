"""`python -m flyte_server`: one control plane on one data directory.

Exit status: 0 after a clean stop (SIGTERM, SIGINT), 1 when it cannot serve (one sentence on
stderr), 2 for wrong arguments, 70 when it broke.  `guardian` starts it again after the last one, and after a death by
signal.
"""

import argparse
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

import uvicorn

from flyte_server import certificates, home
from flyte_server.app import ControlPlane, create_app
from flyte_server.clock import RealClock
from flyte_server.domain.errors import ControlPlaneError
from flyte_server.readings import SettingsError
from flyte_server.services.http.patience import Patient
from flyte_server.services.wire import times
from flyte_server.settings import DEFAULT_PORT, Settings, Tls

_BROKE = 70
_BACKLOG = 2048
_SHUTDOWN_SECONDS = 3
_IDLE_CONNECTION_SECONDS = 75
_TLS_OPTIONS = {
    "cert": "encrypt connections with this certificate (PEM, followed by its chain)",
    "key": "key of the certificate (PEM, without a password)",
    "ca": "certificate of the authority, if machines do not know it (PEM)",
}
_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_log = logging.getLogger("flyte_server")


class CannotListen(Exception):  # noqa: N818 - the message is all that is shown of it
    """The port is taken, or the host is none of this machine."""


class Server(uvicorn.Server):
    """uvicorn, with the control plane started before the first connection and stopped after the
    last."""

    def __init__(
        self, config: uvicorn.Config, plane: ControlPlane, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._plane = plane
        self._on_ready = on_ready
        self._running = contextlib.AsyncExitStack()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._running.enter_async_context(self._plane.running())
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._plane.end_streams()
        await super().shutdown(sockets)
        await self._running.aclose()


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal; the process's exit status."""
    arguments = _arguments(argv)
    try:
        settings = Settings.from_environment(
            home=arguments.home,
            host=arguments.host,
            auth=arguments.auth,
            tls=_tls(arguments),
        )
        home.prepare(settings.home)
        with home.locked(settings):
            listener = _listen(arguments.host, arguments.port, last=home.last_port(settings.home))
            with contextlib.closing(listener):
                settings = replace(settings, port=listener.getsockname()[1])
                settings = certificates.prepared(settings)
                _serve(settings, listener, foreground=arguments.foreground)
    except (ControlPlaneError, SettingsError, CannotListen) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except Exception:  # noqa: BLE001 - the edge of the process; 1 would mean a refusal
        _log.exception("the control plane broke")
        return _BROKE
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m flyte_server", description="The Flyte control plane."
    )
    parser.add_argument("--home", help="data directory (default: $FLYTE_HOME, else ~/.flyte)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=_port,
        help=f"port to listen at; 0: a free one (default: {DEFAULT_PORT}, else a free one)",
    )
    parser.add_argument(
        "--foreground", action="store_true", help="say on stdout where it answers; Ctrl-C ends it"
    )
    parser.add_argument(
        "--auth",
        choices=["token", "none"],
        help="token: every request needs one (default); none: whoever can connect may do everything",
    )
    for name, text in _TLS_OPTIONS.items():
        parser.add_argument(f"--tls-{name}", type=Path, metavar="FILE", help=text)
    return parser.parse_args(argv)


def _tls(arguments: argparse.Namespace) -> Tls | None:
    cert, key, ca = arguments.tls_cert, arguments.tls_key, arguments.tls_ca
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise SettingsError("--tls-cert and --tls-key belong together; give both, or none.")
    return Tls(cert.absolute(), key.absolute(), ca and ca.absolute())


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; write a number from 0 to 65535")
    return int(text)


def _listen(host: str, port: int | None, *, last: int | None) -> socket.socket:
    """A socket that listens already, so that nobody can take the port between now and the start.

    Args:
        port: what was asked for; None and 0 leave the choice to us.
        last: where this directory's control plane answered before.  Tasks that have run since then know no other
            address, so it is the first choice.

    Raises:
        CannotListen: the port that was asked for is taken.
    """
    if port:
        return _bound(host, port)
    for choice in (last, DEFAULT_PORT if port is None else None):
        if choice is not None:
            with contextlib.suppress(CannotListen):
                return _bound(host, choice)
    return _bound(host, 0)


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise CannotListen(
            f"The control plane cannot listen at {host}:{port} ({error.strerror}): choose another "
            "port by --port, or end what uses it."
        ) from error
    return listener


def _serve(settings: Settings, listener: socket.socket, *, foreground: bool) -> None:
    logging.basicConfig(stream=sys.stderr, level=settings.log_level, format=_LOG_FORMAT)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    if settings.auth == "none":
        _log.warning(
            "--auth none: every user and every program of this machine may read, run and delete everything here"
        )
    plane = create_app(settings)
    config = uvicorn.Config(
        plane,
        http=Patient,
        loop="auto" if sys.platform == "win32" else "uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ssl_certfile=settings.tls and settings.tls.cert,
        ssl_keyfile=settings.tls and settings.tls.key,
        timeout_keep_alive=_IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        backlog=_BACKLOG,
    )

    def ready() -> None:
        home.announce(settings, started_at=times.rfc3339(RealClock().now_us()))
        _log.info(
            "ready at %s, process %d, data in %s", settings.endpoint, os.getpid(), settings.home
        )
        if foreground:
            sys.stdout.write(
                f"Flyte control plane at {settings.endpoint}, data in {settings.home}. Ctrl-C ends "
                "it.\n"
            )
            if settings.auth == "none":
                sys.stdout.write("With --auth none, whoever can connect may do everything.\n")
            sys.stdout.flush()

    server = Server(config, plane, ready)
    _end_quietly(server)
    try:
        server.run(sockets=[listener])
    finally:
        home.withdraw(settings)
    _log.info("stopped")


def _end_quietly(server: Server) -> None:
    """uvicorn raises the signal again after its clean stop, which would make it a death by
    signal."""

    def stopped(number: int, frame: FrameType | None) -> None:
        if not server.should_exit:
            sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopped)


if __name__ == "__main__":
    sys.exit(main())
