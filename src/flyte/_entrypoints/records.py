"""The file by which a control plane finds a host again, and the socket that it leads to."""

import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from flyte._entrypoints import processes
from flyte._entrypoints.channel import Message

PROTOCOL = 2
"""Grows when messages between host and control plane change in a way that an older one would
misread."""
_LONGEST_ADDRESS = 100
"""Bytes of a socket's path that every system takes (macOS 104, Linux 108)."""


class HostRecord:
    """`hosts/<id>.json` under FLYTE_HOME, with the socket and the log beside it."""

    def __init__(self, home: Path, host_id: str) -> None:
        self.host_id = host_id
        self.directory = home / "hosts"
        self.path = self.directory / f"{host_id}.json"
        self.log = self.directory / f"{host_id}.log"
        self.work = home / "work" / host_id
        self._elsewhere: Path | None = None

    def make_address(self, *, elsewhere: bool = False) -> str:
        """Path of the socket to listen at; in a private directory elsewhere if the home's path
        is too long."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        address = self.directory / f"{self.host_id}.sock"
        if not elsewhere and len(os.fsencode(address)) <= _LONGEST_ADDRESS:
            return str(address)
        self._elsewhere = Path(tempfile.mkdtemp(prefix="flyte-host-"))
        return str(self._elsewhere / "sock")

    def write(
        self, address: str, ended: list[Message] | None = None, *, importing: bool = False
    ) -> None:
        """Write the record in one step.

        Args:
            address: Path of the socket.
            ended: Results that nobody has acknowledged; they make the record a testament.
            importing: The host imports a task's code, and answers nobody until that is done.
        """
        pid = os.getpid()
        record: dict[str, Any] = {
            "protocol": PROTOCOL,
            "id": self.host_id,
            "pid": pid,
            "start_ticks": processes.start_ticks(pid),
            "socket": address,
            "importing": importing,
            "ended": ended or [],
        }
        draft = self.path.with_suffix(".tmp")
        draft.write_text(json.dumps(record))
        draft.replace(self.path)

    def exists(self) -> bool:
        """Whether it is still there; so it is taken to be while the disk does not tell."""
        try:
            return self.path.exists()
        except OSError:
            return True

    def remove(self, address: str, *, keep_record: bool) -> None:
        """Take away what the host made; its log stays if it has something to say."""
        with suppress(FileNotFoundError):
            os.unlink(address)  # noqa: PTH108 - an address is text
        if self._elsewhere is not None:
            shutil.rmtree(self._elsewhere, ignore_errors=True)
        shutil.rmtree(self.work, ignore_errors=True)
        if not keep_record:
            self.path.unlink(missing_ok=True)
        with suppress(OSError):
            if self.log.stat().st_size == 0:
                self.log.unlink()
