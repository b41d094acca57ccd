"""Modules that are imported only when somebody needs them."""

import subprocess
import sys

import pytest

from flyte._kit import optional


def test_a_module_is_imported_when_it_is_asked_for() -> None:
    assert optional.module("json", "configuration").loads("[1]") == [1]
    assert optional.loaded("json")
    assert not optional.loaded("no_such_module")


def test_a_missing_package_is_named_with_its_use() -> None:
    with pytest.raises(
        ImportError, match=r"frames needs the package 'no_such_module'.*pip install"
    ) as caught:
        optional.module("no_such_module.sub", "frames")
    assert caught.value.name == "no_such_module"


_SCRIPT = """
import sys
from flyte._interface import NativeInterface
from flyte._kit.aio import drive
from flyte._wire import values
def f(x: int, y: list[str]) -> float: ...
of = NativeInterface.from_callable(f)
drive(values.arguments(of, drive(values.inputs(of, {"x": 1, "y": ["a"]}))))
print(*({"pydantic", "msgpack", "cloudpickle", "mashumaro", "numpy"} & sys.modules.keys()))
"""


def test_a_task_of_plain_values_pays_for_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == ""
