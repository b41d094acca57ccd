"""The control plane of a directory, wherever it answers now.

A control plane of this machine comes back at its old port, unless another program has taken that meanwhile: then its
tasks, which may be running for hours already, look into `server.json` for the new one.  And should the other program
be the control plane of another directory, it must not answer in its place: every request says whose it is meant to be.
"""

import json
from pathlib import Path
from urllib.parse import quote

import pyqwest

HEADER = "x-flyte-home"
HOME_VARIABLE = "_U_HOME"
"""Of a task's process: the directory of the control plane that started it."""


def header(home: str) -> dict[str, str]:
    """What a request says of the control plane that it is meant for: its directory."""
    return {HEADER: quote(home)}


class Following:
    """A transport whose requests go to where the control plane of a directory answers now.

    Args:
        http: makes the connections.
        base: address of the control plane when this process was started; URLs of requests begin with it.
        home: the directory.
    """

    def __init__(self, http: pyqwest.HTTPTransport, base: str, home: Path) -> None:
        self._http = http
        self._base = base
        self._record = home / "server.json"
        self._read_at = 0
        self._now = base

    async def execute(self, request: pyqwest.Request) -> pyqwest.Response:
        """Send a request."""
        now = self._whereabouts()
        if now != self._base and request.url.startswith(self._base):
            url = now + request.url.removeprefix(self._base)
            request = pyqwest.Request(request.method, url, request.headers, request.content)
        return await self._http.execute(request)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _whereabouts(self) -> str:
        """Where it answers now, or did last; looked up when the record has changed."""
        try:
            written_at = self._record.stat().st_mtime_ns
            if written_at != self._read_at:
                self._now = str(json.loads(self._record.read_bytes())["endpoint"])
                self._read_at = written_at
        except (OSError, ValueError, KeyError, TypeError):
            pass  # it is away: the old address is the best guess
        return self._now
