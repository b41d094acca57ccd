"""Files and names that the specification fixes."""

from pathlib import Path

import pytest

import flyte

SOURCE = Path(__file__).resolve().parents[2] / "src" / "flyte"


@pytest.mark.parametrize(
    "name", ["_task_environment.py", "_resources.py", "_task.py", "_trace.py", "_initialize.py"]
)
def test_files_named_by_the_specification_exist(name: str) -> None:
    assert (SOURCE / name).is_file()


def test_type_checkers_of_users_read_our_annotations() -> None:
    assert (SOURCE / "py.typed").is_file()


def test_public_names_resolve() -> None:
    unresolved = [name for name in flyte.__all__ if not hasattr(flyte, name)]
    assert not unresolved


def test_override_lives_where_the_specification_says() -> None:
    assert flyte.TaskTemplate.override.__module__ == "flyte._task"
    assert flyte.TaskEnvironment.__module__ == "flyte._task_environment"
    assert flyte.Resources.__module__ == "flyte._resources"
