"""A control plane with TLS, and programs of either package that log in to it."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from ssl import create_default_context
from typing import Any

import psutil
import trustme
from tests.support import wait_until

PROGRAMS = Path(__file__).parent / "official" / "secured"
PATIENCE_SECONDS = 90
_DEVICE_PAGE = re.compile(r"https://\S+/device\?user_code=[\w-]+")


class Program:
    """A program on a terminal: only there a person can be asked to log in."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command, env=environment, stdout=slave, stderr=slave, cwd=PROGRAMS
        )
        os.close(slave)
        self._terminal = os.fdopen(master, errors="replace")

    def lines(self) -> Iterator[str]:
        """What it says, until it ends."""
        with self._terminal, contextlib.suppress(OSError):  # Linux: the other end is gone
            yield from self._terminal

    def ended(self) -> tuple[int, str]:
        """How it ended, and what it said."""
        said = "".join(self.lines())
        return self.process.wait(timeout=PATIENCE_SECONDS), said


def outputs(said: str) -> list[int]:
    """What the run of the program returned."""
    told = next(json.loads(line) for line in said.splitlines() if line.startswith('{"run"'))
    assert told["phase"] == "succeeded", said
    return told["outputs"]


@dataclass
class Secured:
    """A control plane with a certificate of an authority of its own."""

    home: Path
    own: Path
    """HOME of programs."""
    python: Path
    """Interpreter of programs."""
    authority: Path
    begun: list[Program] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return json.loads((self.home / "server.json").read_text())["endpoint"]

    def call(self, service: str, method: str, said: dict[str, Any], token: str) -> dict[str, Any]:
        """Call a service with JSON."""
        request = urllib.request.Request(
            f"{self.endpoint}/{service}/{method}",
            json.dumps(said).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {token}"},
        )
        context = create_default_context(cafile=str(self.authority))
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            return json.loads(answer.read())

    def close(self) -> None:
        """End what was begun and is still there."""
        for program in self.begun:
            program.process.kill()
            program.process.wait()

    def keys(self, method: str, **said: Any) -> dict[str, Any]:
        """Call the service of API keys as the owner of the data directory."""
        token = (self.home / "token").read_text()
        return self.call("flyte_standalone.v1.KeyService", method, said, token)

    def key(self, role: str) -> tuple[str, str]:
        """A new key: client id and secret."""
        made = self.keys("Create", name=f"of-{role}", role=role)
        return made["client_id"], made["client_secret"]

    def begin(self, *, key: str = "", **how: Any) -> Program:
        """Start the program; without `how` it finds everything in the API key."""
        address = {"endpoint": self.endpoint.replace("https://", "dns:///")} if how else {}
        trust = {"ca_cert_file_path": str(self.authority), "disable_keyring": True} if how else {}
        environment = {
            **os.environ,
            "HOME": str(self.own),
            "FLYTE_HOME": str(self.own / "flyte"),
            "DO_NOT_TRACK": "1",
            "COLUMNS": "500",
            "TERM": "dumb",
            "SSL_CERT_FILE": str(self.authority),
            "BROWSER": f"{sys.executable} {PROGRAMS / 'browser.py'} %s &",
            "TEST_PROOF": str(self.home / "token"),
        }
        environment |= {"FLYTE_API_KEY": key} if key else {}
        command = [str(self.python), "program.py", json.dumps(address | trust | how)]
        self.begun.append(Program(command, environment))
        return self.begun[-1]

    def let_devices_in(self, program: Program) -> str:
        """Do what a person does when a program shows the address of the device page; what it said."""
        said = ""
        for line in program.lines():
            said += line
            found = _DEVICE_PAGE.search(line)
            if found:
                self._let_in(found[0])
        return said

    def _let_in(self, address: str) -> None:
        """What a person does in their browser."""
        subprocess.run(
            [sys.executable, str(PROGRAMS / "browser.py"), address],
            env={
                **os.environ,
                "SSL_CERT_FILE": str(self.authority),
                "TEST_PROOF": str(self.home / "token"),
            },
            check=True,
            timeout=PATIENCE_SECONDS,
        )


@contextlib.contextmanager
def serving(folder: Path, prefix: Path, *, port: int = 0) -> Iterator[Secured]:
    """A control plane whose tasks, and whose programs, run in the environment `prefix`."""
    home = folder / "home"
    authority, certificate = trustme.CA(), folder / "cert.pem"
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    (folder / "own").mkdir()
    command = [sys.executable, "-m", "flyte_server", "--home", str(home), "--foreground"]
    options = ["--port", str(port), "--tls-cert", str(certificate)]
    options += ["--tls-key", str(folder / "key.pem"), "--tls-ca", str(folder / "ca.pem")]
    server = subprocess.Popen(
        [*command, *options],
        env={**os.environ, "FLYTE_TASK_PREFIX": str(prefix), "FLYTE_HOME": str(home)},
    )
    try:
        wait_until((home / "server.json").exists, timeout_seconds=20)
        made = Secured(home, folder / "own", prefix / "bin" / "python", folder / "ca.pem")
        with contextlib.closing(made):
            yield made
    finally:
        server.terminate()
        server.wait(timeout=30)
        for process in _left(home):
            process.kill()
        wait_until(lambda: not _left(home))


def _left(home: Path) -> list[psutil.Process]:
    """Processes that live on a control plane's directory."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.AccessDenied, psutil.NoSuchProcess):
            lives = process.status() != psutil.STATUS_ZOMBIE
            if lives and process.environ().get("FLYTE_HOME") == str(home):
                found.append(process)
    return [process for process in found if process.pid != os.getpid()]
