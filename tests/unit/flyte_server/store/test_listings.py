"""Listings and the smaller tables."""

from collections.abc import AsyncIterator

import pytest
from tests.fakes.clock import ManualClock
from tests.fakes.control_plane import ControlPlane, new_action, new_run

from flyte_server.domain import errors
from flyte_server.domain.phases import Phase
from flyte_server.domain.records import Project, TaskVersion
from flyte_server.store import actions, runs
from flyte_server.store.catalogue import projects, specs, tasks
from flyte_server.store.filters import Filter, Function, Sort
from flyte_server.store.rows import Connection


@pytest.fixture
async def plane() -> AsyncIterator[ControlPlane]:
    clock = ManualClock()
    made = ControlPlane(clock)
    for number in range(5):
        project = "p" if number < 4 else "q"
        await made.engine.create_run(
            new_run(f"r{number}", project=project, task_name=f"e.t{number % 2}")
        )
        clock.advance(1)
    await made.engine.abort_run(2, "enough")
    yield made
    await made.engine.close()
    made.database.close()


async def names(plane: ControlPlane, **query: object) -> list[str]:
    found = await plane.database.read(runs.listing, runs.RunQuery(**query))
    return [run.name for run, _ in found]


async def test_the_newest_run_comes_first(plane: ControlPlane) -> None:
    assert await names(plane) == ["r4", "r3", "r2", "r1", "r0"]


async def test_runs_of_one_project_page_by_page(plane: ControlPlane) -> None:
    assert await names(plane, project="p", domain="development", limit=3) == ["r3", "r2", "r1"]
    assert await names(plane, project="p", limit=3, offset=3) == ["r0"]
    assert await names(plane, project="p", domain="production") == []


async def test_runs_by_phase_and_task(plane: ControlPlane) -> None:
    aborted = Filter(Function.VALUE_IN, "phase", ("aborted", "failed"))
    assert await names(plane, filters=(aborted,)) == ["r1"]
    task = Filter(Function.EQUAL, "task_name", ("e.t0",))
    oldest_first = (Sort("created_at", ascending=True),)
    assert await names(plane, filters=(task,), sorts=oldest_first) == ["r0", "r2", "r4"]


async def test_a_run_comes_with_its_root(plane: ControlPlane) -> None:
    listed = await plane.database.read(runs.listing, runs.RunQuery(limit=1))
    ((run, root),) = listed
    assert (root.run_id, root.name, root.task_name) == (run.id, "a0", "e.t0")


async def test_actions_of_a_run(plane: ControlPlane) -> None:
    for name in ("b", "a"):
        await plane.engine.enqueue(1, new_action(name))
    listed = await plane.database.read(actions.listing, 1)
    assert [action.name for action in listed] == ["a0", "a", "b"]
    children = actions.ActionQuery(filters=(Filter(Function.EQUAL, "parent", ("a0",)),), limit=1)
    listed = await plane.database.read(actions.listing, 1, children)
    assert [action.name for action in listed] == ["a"]
    assert await plane.database.read(actions.phase_counts, 1) == {Phase.QUEUED: 3}
    assert await plane.database.read(actions.phase_counts, 1, "a0") == {Phase.QUEUED: 2}


async def test_tasks_versions_and_the_latest(plane: ControlPlane) -> None:
    write, read = plane.database.write, plane.database.read
    for number, (name, version) in enumerate([("e.f", "1"), ("e.g", "1"), ("e.f", "2")]):
        record = TaskVersion("p", "d", name, version, "", "f", "e", deployed_at=number)
        assert await write(tasks.save, record, b"spec of " + name.encode()) is True
    again = TaskVersion("p", "d", "e.f", "1", "", "changed", "e", deployed_at=9)
    assert await write(tasks.save, again, b"other") is False
    found = await read(tasks.load, "p", "d", "e.f", "1")
    assert found is not None
    assert found.short_name == "f", "a version never changes"
    assert await read(specs.load, found.spec_digest) == b"spec of e.f"
    assert await read(tasks.load, "p", "d", "e.f", "3") is None
    every = await read(tasks.listing, tasks.TaskQuery("p", "d"))
    assert [(task.name, task.version) for task in every] == [
        ("e.f", "2"),
        ("e.g", "1"),
        ("e.f", "1"),
    ]
    latest = await read(tasks.listing, tasks.TaskQuery("p", "d", latest_only=True))
    assert [(task.name, task.version) for task in latest] == [("e.f", "2"), ("e.g", "1")]
    one = await read(tasks.listing, tasks.TaskQuery("p", "d", name="e.g"))
    assert [task.name for task in one] == ["e.g"]


async def test_equal_specs_are_stored_once(plane: ControlPlane) -> None:
    first = await plane.database.write(specs.save, b"x")
    assert await plane.database.write(specs.save, b"x") == first
    with pytest.raises(errors.NotFound, match="no specification"):
        await plane.database.read(specs.load, "unknown")


async def test_projects_change_and_stay_in_order(plane: ControlPlane) -> None:
    for project in (Project("b", "B"), Project("a", "A"), Project("b", "B again", "x", 1)):
        await plane.database.write(projects.save, project)
    listed = await plane.database.read(projects.listing, projects.ProjectQuery())
    assert listed == [Project("a", "A"), Project("b", "B again", "x", 1)]
    active = projects.ProjectQuery(filters=(Filter(Function.EQUAL, "state", (0,)),))
    assert [p.id for p in await plane.database.read(projects.listing, active)] == ["a"]


async def test_runs_of_a_trigger_are_found_by_their_index(plane: ControlPlane) -> None:
    has_one = Filter(Function.EXISTS, "trigger")
    named = Filter(Function.EQUAL, "trigger_name", ("nightly",))
    query = runs.RunQuery("p", "development", filters=(has_one, named))

    def plan(connection: Connection) -> list[str]:
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        runs.listing(connection, query)
        connection.set_trace_callback(None)
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {asked[-1]}")]

    steps = await plane.database.read(plan)
    assert any("runs_by_trigger" in step for step in steps), steps
