"""A control plane that asks who comes, on a real port, spoken to in JSON with tokens and headers as a test likes."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from pyqwest import Client, HTTPTransport
from tests.fakes import messages
from tests.integration.services.conftest import Plane, serving
from tests.support import eventually

from flyte_server.auth.claims import Claims, OwnRun
from flyte_server.auth.roles import Grant, Role
from flyte_server.engine.ports import LaunchSpec
from flyte_server.services.access.composing import Access
from flyte_server.settings import Settings

RUNS = "flyteidl2.workflow.RunService"
OWN = "flyte_standalone.v1"
LATER_US = 4_000_000_000_000_000
PROJECT, DOMAIN = "p", "development"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    json: Any

    @property
    def code(self) -> str:
        """The code of a refusal; `ok` if it is none."""
        return "ok" if self.status == 200 else self.json.get("code", "?")

    @property
    def message(self) -> str:
        return self.json.get("message", "")


@dataclass(frozen=True)
class Locked:
    """The control plane, and ways to come in."""

    plane: Plane
    http: Client

    @property
    def access(self) -> Access:
        return self.plane.app.parts.access

    @property
    def token(self) -> str:
        """What lies in the data directory."""
        return self.plane.settings.local_token.read_text()

    async def ask(
        self, method: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> Answer:
        """Call a method in JSON; None: without a token."""
        sent = {"content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        content = json.dumps(body or {}).encode()
        answer = await self.http.post(f"{self.plane.endpoint}/{method}", sent, content)
        return Answer(answer.status, answer.json())

    async def key(self, name: str, role: Role, project: str | None = None) -> str:
        """A token of a new API key."""
        key, _ = await self.access.keys.create(name, role, project=project, by="local:tester")
        return self.access.tokens.mint(key.claims(LATER_US))

    def person(self, *grants: Grant) -> str:
        """A token of somebody with these roles."""
        claims = Claims(
            subject="user:ada", name="ada", kind="person", grants=grants, expires_at=LATER_US
        )
        return self.access.tokens.mint(claims)

    def worker(self, name: str) -> str:
        """A token of a process that leases attempts."""
        claims = Claims(subject=f"worker:{name}", name=name, kind="worker", worker=name)
        return self.access.tokens.mint(claims)

    async def run(self, name: str = "r1", project: str = PROJECT) -> None:
        """Create a run with the token of the data directory."""
        request = messages.create(name)
        body = {
            "runId": {"project": project, "domain": DOMAIN, "name": name},
            "taskSpec": json.loads(json_format.MessageToJson(request.task_spec)),
        }
        answer = await self.ask(f"{RUNS}/CreateRun", body, token=self.token)
        assert answer.code == "ok", answer

    async def task(self, run: str = "r1", project: str = PROJECT) -> str:
        """The token that the root of a run got when it was started."""

        def spec() -> LaunchSpec | None:
            held = self.plane.executor.held.values()
            prefix = f"/{project}/{DOMAIN}/{run}/"
            return next((each for each in held if prefix in each.output_prefix), None)

        found = await eventually(spec)
        assert "_U_ACTION_TOKEN" not in found.env, "only the hidden part may have it"
        return found.hidden.env["_U_ACTION_TOKEN"]

    def task_of(self, run: str, *, mark: str = "stolen", attempt: int = 1) -> str:
        """A token as an attempt of `a0` would have it."""
        own = OwnRun(PROJECT, DOMAIN, run, "a0", attempt, mark)
        claims = Claims(subject=f"task:{PROJECT}/{DOMAIN}/{run}/a0", name=run, kind="task", run=own)
        return self.access.tokens.mint(claims)


def run_id(name: str = "r1", project: str = PROJECT) -> dict[str, str]:
    return {"project": project, "domain": DOMAIN, "name": name}


def action_id(run: str = "r1", project: str = PROJECT, name: str = "a0") -> dict[str, Any]:
    return {"run": run_id(run, project), "name": name}


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[Locked]:
    async with (
        serving(Settings(home=tmp_path / "home", port=0)) as plane,
        HTTPTransport() as transport,
    ):
        yield Locked(plane, Client(transport))
