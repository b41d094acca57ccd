"""The last moment of a process, written by itself and read by its parent."""

import json
import os
import signal
from collections.abc import Callable

import pytest

from flyte._kit import scenes as kept
from flyte._runtime.failing import scenes


def of_child(live: Callable[[int], None]) -> tuple[int, str]:
    """Wait status of a forked child, and the scene that it left."""
    descriptor = kept.make()
    pid = os.fork()
    if pid == 0:
        try:
            live(descriptor)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    text = kept.read(descriptor)
    kept.close(descriptor)
    return status, text


def crash(descriptor: int) -> None:
    with scenes.Scene(descriptor).kept():
        os.kill(os.getpid(), signal.SIGSEGV)


def be_stopped(descriptor: int) -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
    with scenes.Scene(descriptor).kept():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()


def test_a_crash_leaves_the_stack() -> None:
    status, text = of_child(crash)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGSEGV
    header, _, stacks = text.partition("\n")
    assert any(path.endswith("/flyte/") for path in json.loads(header)["not_users"])
    assert "Fatal Python error: Segmentation fault" in stacks
    assert "test_scenes.py" in stacks
    assert " in crash" in stacks


def test_a_stop_leaves_the_stack_and_reaches_the_handler() -> None:
    status, text = of_child(be_stopped)
    assert os.waitstatus_to_exitcode(status) == 3
    assert " in be_stopped" in text


def test_a_process_of_the_tasks_own_leaves_none() -> None:
    def live(descriptor: int) -> None:
        with scenes.Scene(descriptor).kept():
            pid = os.fork()
            if pid == 0:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                os.kill(os.getpid(), signal.SIGSEGV)
            os.waitpid(pid, 0)

    _, text = of_child(live)
    assert "Fatal" not in text


def test_a_scene_that_the_task_has_closed_does_no_harm() -> None:
    def live(descriptor: int) -> None:
        scene = scenes.Scene(descriptor)
        os.close(descriptor)
        scene.note()
        with scene.kept():
            pass
        os._exit(5)

    status, _ = of_child(live)
    assert os.waitstatus_to_exitcode(status) in (5, 0)


def test_without_a_parent_that_reads_nothing_happens() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with scenes.of_process().kept():
        assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", ["none", "99999"])
def test_a_variable_that_names_no_descriptor_is_no_scene(number: str) -> None:
    os.environ[kept.VARIABLE] = number
    assert kept.take() is None
    assert kept.VARIABLE not in os.environ
