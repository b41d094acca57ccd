"""What belongs to no run: uploads and bundles, specifications, and what processes have left."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from flyteidl2.core import tasks_pb2
from flyteidl2.task import task_definition_pb2
from tests.fakes.storage import DAY, DOMAIN, PROJECT, Home

from flyte_server.domain.records import Project, TaskVersion
from flyte_server.engine.retention.limits import Limits
from flyte_server.store.catalogue import projects, tasks


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    made = Home(tmp_path / "home")
    yield made
    await made.engine.close()
    made.database.close()


def spec(bundle: Path) -> bytes:
    template = tasks_pb2.TaskTemplate()
    template.container.args.extend(["a0", "--tgz", str(bundle), "--dest", "."])
    return task_definition_pb2.TaskSpec(task_template=template).SerializeToString()


async def sweep(home: Home, limits: Limits | None = None) -> None:
    await home.retention(limits).look()


async def five_weeks(home: Home) -> None:
    """In which the control plane was started once a week."""
    for _ in range(5):
        home.clock.advance(7 * DAY)
        await sweep(home)


async def test_a_bundle_outlives_what_any_client_believes(home: Home) -> None:
    """A client believes for a day that what it has sent is there; it is kept for a week, used or not."""
    bundle = home.upload("fast.tar.gz")
    home.age(bundle, 6.9)
    await sweep(home)
    assert bundle.exists()
    home.age(bundle, 7.1)
    await sweep(home)
    assert not bundle.exists()


async def test_a_bundle_stays_as_long_as_a_kept_run_uses_it(home: Home) -> None:
    bundle = home.upload("fast.tar.gz")
    await home.run("r", spec=spec(bundle))
    home.age(bundle, 25)
    await sweep(home)
    assert bundle.exists()
    await five_weeks(home)
    assert not await home.is_kept("r")
    assert not bundle.exists()
    assert await home.count("specs") == 0


async def test_a_bundle_stays_as_long_as_a_deployed_task_uses_it(home: Home) -> None:
    bundle = home.upload("fast.tar.gz")
    version = TaskVersion(PROJECT, DOMAIN, "t", "v", "", "t", "env", 0)
    await home.database.write(tasks.save, version, spec(bundle))
    home.age(bundle, 1000)
    await sweep(home)
    assert bundle.exists()
    assert await home.count("specs") == 1


async def test_files_that_were_given_to_a_kept_run_stay(home: Home) -> None:
    given, forgotten = home.upload(folder="aa"), home.upload(folder="bb")
    inputs = home.inputs(given)
    await home.run("r", inputs=inputs)
    for path in (given, forgotten, inputs):
        home.age(path, 20)
    await sweep(home)
    assert (given.exists(), inputs.exists(), forgotten.exists()) == (True, True, False)
    await five_weeks(home)
    assert not given.exists()
    assert not inputs.exists()


async def test_uploads_that_broke_off_and_work_of_gone_hosts_are_removed(home: Home) -> None:
    part = home.upload(".0123456789abcdef.part")
    whole = home.upload("whole")
    left, lives = home.path / "work" / "h1", home.path / "work" / "h2"
    record = home.path / "hosts" / "h2.json"
    for path in (left, lives, record.parent):
        path.mkdir(parents=True)
    record.write_text("{}")
    at = home.clock.now_us() / 1_000_000 - 2 * DAY
    for path in (part, left, lives):
        os.utime(path, (at, at))
    await sweep(home)
    assert [path.exists() for path in (part, left)] == [False, False]
    assert [path.exists() for path in (whole, lives)] == [True, True]


async def test_directories_without_a_run_go_after_a_week_those_of_users_stay(home: Home) -> None:
    await home.database.write(projects.save, Project(PROJECT, PROJECT))
    await home.run("r")
    nobodys, users = home.outputs("nobody"), home.files.data / "mine" / "a" / "b" / "c"
    for path in (nobodys, users):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
        home.age(path, 6)
    home.age(home.outputs("r"), 20)
    await sweep(home)
    assert nobodys.exists()
    home.age(nobodys, 8)
    home.age(users, 8)
    await sweep(home)
    assert not home.place("nobody").exists()
    assert users.exists()
    assert home.outputs("r").exists()


async def test_unpacked_code_goes_when_nothing_runs_and_nothing_began_with_it(home: Home) -> None:
    unpacked = home.path / "work" / "bundles" / "abc"
    unpacked.mkdir(parents=True)
    at = home.clock.now_us() / 1_000_000 - 8 * DAY
    os.utime(unpacked, (at, at))
    root = await home.begin("r")
    await sweep(home)
    assert unpacked.exists()
    await home.end("r", root)
    await sweep(home)
    assert not unpacked.exists()
