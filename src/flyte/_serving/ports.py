"""Ports of this machine: whether one is free, who has it, and whether somebody answers."""

import contextlib
import errno
import http.client
import socket

import psutil

from flyte import errors

_ANSWERS_BELOW = 500
"""HTTP statuses from here on say that the server is not well."""


def check_free(app: str, port: int) -> None:
    """Refuse a port that somebody has.

    Raises:
        DeploymentError: names the process, where it is known.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Connections of an earlier server that are being closed do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise errors.DeploymentError(_refusal(app, port, error)) from error


def _refusal(app: str, port: int, error: OSError) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"app {app!r} cannot have port {port}: {error.strerror}; give its environment another port"
    return (
        f"app {app!r} cannot have port {port}, {_holder(port) or 'another process'} has it; end that, or give the "
        "app's environment another port"
    )


def _holder(port: int) -> str | None:
    """Who listens on a port; None: another user's process, which we may not see."""
    with contextlib.suppress(psutil.Error):
        for each in psutil.net_connections(kind="tcp"):
            listens = each.status == psutil.CONN_LISTEN and bool(each.laddr)
            if listens and tuple(each.laddr)[1] == port and each.pid:
                return f"process {each.pid} ({psutil.Process(each.pid).name()})"
    return None


def answers(port: int, path: str | None, timeout_seconds: float) -> bool:
    """Whether a server accepts connections; with a `path`, whether a GET of it is answered without a server's error."""
    try:
        with socket.create_connection(("localhost", port), timeout=timeout_seconds):
            if path is None:
                return True
    except OSError:
        return False
    connection = http.client.HTTPConnection("localhost", port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < _ANSWERS_BELOW
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
