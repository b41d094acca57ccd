"""Reports on a real control plane: fetched by signed links, while the task runs and when it has ended."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.plane import ROOT, Ended, Marks, Plane, flyte, here
from tests.support import wait_until

from flyte import _session, errors
from flyte.remote import Action, Run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture
def client(plane: Plane) -> Iterator[None]:
    """A client of that control plane in this process."""
    endpoint = f"http://127.0.0.1:{plane.port}"
    with _session.using(_session.Session(endpoint=endpoint, insecure=True)):
        yield


@pytest.mark.usefixtures("client")
def test_a_report_is_live_while_the_task_runs(plane: Plane, marks: Marks) -> None:
    running = plane.begin("reporting.py", "narrate", "--marks", str(marks), name="story")
    wait_until(lambda: marks.lines("began"), timeout_seconds=30)
    run = Run.get("story")
    page = run.get_report()
    assert "once upon a time" in page
    assert "happily" not in page

    marks.put("go")
    assert Ended.waited_for(running).phase == "succeeded"
    page = run.get_report()
    assert "once upon a time" in page
    assert "they lived happily ever after" in page
    assert "the fox" in page
    assert run.details().action_details.pb2.task.task_template.metadata.generates_deck.value


@pytest.mark.usefixtures("client")
def test_a_failing_task_leaves_its_report_for_each_attempt(plane: Plane) -> None:
    ended = plane.run("reporting.py", "fails")
    assert ended.phase == "failed"
    run = Run.get(ended.run)
    assert "attempt 1 came this far" in run.get_report()
    assert "attempt 0 came this far" in run.get_report(attempt=1)
    with pytest.raises(errors.RuntimeUserError, match="has written no report in attempt 3"):
        run.get_report(attempt=3)


@pytest.mark.usefixtures("client")
def test_children_have_reports_of_their_own_though_nobody_asked(plane: Plane) -> None:
    ended = plane.run("reporting.py", "parent")
    assert ended.outputs == {"o0": [0, 1]}
    assert "the parent" in Run.get(ended.run).get_report()
    leaves = [each for each in Action.listall(ended.run) if each.name != "a0"]
    pages = [each.get_report() for each in leaves]
    assert ["leaf 0" in page for page in pages] == [True, False]
    assert ["leaf 1" in page for page in pages] == [False, True]


@pytest.mark.usefixtures("client")
def test_a_task_that_says_nothing_has_no_report(plane: Plane) -> None:
    ended = plane.run("reporting.py", "silent")
    with pytest.raises(errors.RuntimeUserError, match="has written no report in attempt 1; a task"):
        Run.get(ended.run).get_report()


def test_in_local_mode_the_report_lies_in_the_runs_folder(flyte_home: Path) -> None:
    assert here("reporting.py", "parent").phase == "succeeded"
    assert here("reporting.py", "fails").phase == "failed"
    pages = [path.read_text() for path in flyte_home.glob("local/*/*/*/report.html")]
    for said in ("the parent", "leaf 0", "leaf 1", "attempt 0 came", "attempt 1 came"):
        assert sum(said in page for page in pages) == 1, said


@pytest.mark.usefixtures("client")
def test_the_example(plane: Plane) -> None:
    example = ROOT / "examples" / "report.py"
    ended = plane.run(example, "main", "--epochs", "4")
    assert ended.phase == "succeeded", ended.error
    page = Run.get(ended.run).get_report()
    assert "Learning curve" in page
    assert ended.outputs == here(example, "main", "--epochs", "4").outputs
    assert flyte("get", "logs", ended.run).stdout == "", "no warnings"
