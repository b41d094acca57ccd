"""Everything an executor needs, made from stored specs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flyteidl2.core import literals_pb2
from flyteidl2.task import run_pb2
from tests.fakes import messages
from tests.fakes.clock import ManualClock

from flyte_server.blobs import LocalBlobs
from flyte_server.domain.commands import NewAction, NewRun
from flyte_server.domain.records import Action
from flyte_server.engine.bus import Bus
from flyte_server.engine.engine import Engine
from flyte_server.engine.ports import LaunchSpec
from flyte_server.services.directory import Directory
from flyte_server.services.launch.secrets import TaskSecrets
from flyte_server.services.launch.specs import StoredLaunchSpecs
from flyte_server.settings import Settings
from flyte_server.store.database import Database
from flyte_server.vault import Vault


async def no_keyring(name: str) -> bytes | None:
    return None


class Launching:
    """A store with one run, and the launch specifications of its root."""

    def __init__(self, home: Path) -> None:
        self.clock = ManualClock()
        self.output_base = f"{home}/data/r1"
        self.settings = Settings(home=home, port=8090, task_prefix=Path("/opt/venv"))
        self.database = Database.in_memory()
        self.engine = Engine(self.database, Bus(), self.clock)
        blobs = LocalBlobs(self.settings.data, b"key", self.clock)
        secrets = TaskSecrets(self.database, Vault(home / "secrets.key"), {}, keyring=no_keyring)
        self.specs = StoredLaunchSpecs(
            self.settings, self.database, Directory(self.database), blobs, secrets
        )

    async def root(
        self, *, args: tuple[str, ...], run_spec: run_pb2.RunSpec | None = None
    ) -> Action:
        spec = messages.spec(args=args, env={"SIZE": "2", "RUN_NAME": "mine"})
        root = NewAction(
            name="a0",
            parent=None,
            task_name="env.main",
            environment="env",
            spec=spec.SerializeToString(),
            input_uri=f"{self.settings.home}/in/inputs.pb",
            output_base=self.output_base,
        )
        run = NewRun(
            "p",
            "development",
            (run_spec or run_pb2.RunSpec()).SerializeToString(),
            root,
            name="r1",
        )
        _, action = await self.engine.create_run(run)
        return replace(action, attempt=1, token="t1")

    def checkpoint(self, attempt: int) -> str:
        """Where an attempt saves its checkpoint."""
        return f"{self.output_base}/a0/{attempt}/_flytecheckpoints"

    def save(self, attempt: int) -> str:
        """What an attempt does."""
        path = Path(self.checkpoint(attempt))
        path.parent.mkdir(parents=True)
        path.touch()
        return str(path)

    async def of(self, action: Action) -> LaunchSpec:
        return await self.specs.of(action)


@pytest.fixture
def launching(tmp_path: Path) -> Iterator[Launching]:
    made = Launching(tmp_path)
    yield made
    made.database.close()


async def test_every_placeholder_of_a_python_task_is_rendered(launching: Launching) -> None:
    names = (
        "input",
        "outputPrefix",
        "rawOutputDataPrefix",
        "checkpointOutputPrefix",
        "prevCheckpointPrefix",
        "runName",
        "actionName",
        "runStartTime",
    )
    action = await launching.root(args=tuple(f"{{{{.{name}}}}}" for name in names))
    found = await launching.of(action)
    assert found.args == (
        f"{launching.settings.home}/in/inputs.pb",
        f"{launching.output_base}/a0/1",
        f"{launching.output_base}/a0/raw",
        launching.checkpoint(1),
        "",
        "r1",
        "a0",
        "2025-06-15T15:06:40Z",
    )
    assert found.output_prefix == f"{launching.output_base}/a0/1"
    assert found.log_path == f"{launching.settings.logs}/p/development/r1/a0/1.log"


async def test_a_second_attempt_knows_the_checkpoint_of_the_first(launching: Launching) -> None:
    action = await launching.root(args=("{{.prevCheckpointPrefix}}", "{{.runStartTime}}"))
    first = await launching.of(action)
    launching.clock.advance(100)
    saved = launching.save(1)
    second = await launching.of(replace(action, attempt=2))
    assert second.args[0] == saved
    assert second.args[1] == first.args[1]
    assert second.env["FLYTE_ATTEMPT_NUMBER"] == "1"


async def test_the_latest_checkpoint_of_any_attempt_counts(launching: Launching) -> None:
    action = await launching.root(args=("<{{.prevCheckpointPrefix}}>",))
    found: list[str] = []
    for attempt, saves in enumerate([False, True, False, False, True, False], start=1):
        found += (await launching.of(replace(action, attempt=attempt))).args
        if saves:
            launching.save(attempt)
    second, fifth = launching.checkpoint(2), launching.checkpoint(5)
    assert found == ["<>", "<>", f"<{second}>", f"<{second}>", f"<{second}>", f"<{fifth}>"]


async def test_variables_come_from_task_then_run_then_protocol(launching: Launching) -> None:
    run_spec = run_pb2.RunSpec(
        envs=run_pb2.Envs(
            values=[
                literals_pb2.KeyValuePair(key="SIZE", value="3"),
                literals_pb2.KeyValuePair(key="VIRTUAL_ENV", value="/home/me/.venv"),
                literals_pb2.KeyValuePair(key="_U_RUN_BASE", value="/elsewhere"),
            ]
        )
    )
    action = await launching.root(args=(), run_spec=run_spec)
    env = (await launching.of(action)).env
    assert env["SIZE"] == "3"
    assert env["VIRTUAL_ENV"] == "/home/me/.venv"
    assert (env["RUN_NAME"], env["_U_RUN_BASE"]) == ("r1", launching.output_base)
    assert {
        "ACTION_NAME": "a0",
        "FLYTE_INTERNAL_EXECUTION_PROJECT": "p",
        "FLYTE_INTERNAL_EXECUTION_DOMAIN": "development",
        "FLYTE_ATTEMPT_NUMBER": "0",
        "_U_ORG_NAME": "local",
        "_U_EP_OVERRIDE": "127.0.0.1:8090",
        "_U_INSECURE": "true",
        "_U_USE_ACTIONS": "1",
        "DO_NOT_TRACK": "1",
        "FSSPEC_FILE": '{"auto_mkdir": true}',
    }.items() <= env.items()


async def test_equal_code_and_variables_share_a_host_and_others_do_not(
    launching: Launching,
) -> None:
    action = await launching.root(args=("a0", "--tgz", "/u/code.tgz"))
    one = await launching.of(action)
    again = await launching.of(replace(action, name="c1", attempt=3))
    other = await launching.of(replace(action, environment="other"))
    assert one.host_key == again.host_key
    assert one.host_key != other.host_key


async def test_values_of_inputs_are_rendered_for_programs_that_are_no_python_tasks(
    launching: Launching,
) -> None:
    path = launching.settings.home / "in" / "inputs.pb"
    path.parent.mkdir()
    path.write_bytes(messages.inputs(n=3).SerializeToString())
    action = await launching.root(args=("--n={{.inputs.n}}",))
    assert (await launching.of(action)).args == ("--n=3",)


async def test_raw_data_goes_where_the_run_wants_it(launching: Launching) -> None:
    storage = run_pb2.RawDataStorage(raw_data_prefix="s3://bucket/raw/")
    action = await launching.root(
        args=("{{.rawOutputDataPrefix}}",), run_spec=run_pb2.RunSpec(raw_data_storage=storage)
    )
    assert (await launching.of(action)).args == ("s3://bucket/raw/r1/a0",)
