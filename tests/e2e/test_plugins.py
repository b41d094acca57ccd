"""Kinds of tasks that plugins bring, in a worker and in the caller's process."""

import pytest
from tests.e2e.plane import Plane, here

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def test_the_work_of_a_plugins_task_is_done_in_a_worker(plane: Plane) -> None:
    ended = plane.run("plugged.py", "shout", "--text", "hello")
    assert ended.outputs == {"o0": "HELLO (a0, plugged.shout)"}, ended.error
    assert here("plugged.py", "shout", "--text", "hello").outputs == {
        "o0": "HELLO (he, plugged.shout)"
    }


def test_a_plugin_prepares_and_finishes_the_tasks_of_its_environments(plane: Plane) -> None:
    for run in (plane.run, here):
        ended = run("plugged.py", "calls", "--n", "5")
        assert ended.phase == "succeeded", ended.error
        assert run("plugged.py", "plain", "--n", "5").outputs == {"o0": 18}
        assert run("plugged.py", "calls_from_a_plain_function", "--n", "5").outputs == {"o0": 121}
