"""Cache: what changes a version and what does not."""

import textwrap
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import flyte
from flyte import errors
from flyte._cache import VersionParameters, cache

BODY = """
def train(rate: float, folds: int = 3):
    total = rate * folds
    return total
"""


@pytest.fixture
def function(tmp_path: Path) -> Callable[[str], Callable[..., Any]]:
    """A function out of source that is in a file, as a module's is."""
    made: list[Path] = []

    def make(source: str) -> Callable[..., Any]:
        file = tmp_path / f"module_{len(made)}.py"
        made.append(file)
        file.write_text(source)
        namespace: dict[str, Any] = {}
        exec(compile(source, str(file), "exec"), namespace)
        return namespace["train"]

    return make


def version(func: Callable[..., Any], **settings: Any) -> str:
    return flyte.Cache("auto", **settings).get_version(VersionParameters(func))


@pytest.mark.parametrize(
    "same",
    [
        BODY.replace("total = rate * folds", "total = rate * folds  # product"),
        BODY.replace("rate * folds", "(rate   *\n        folds)"),
        BODY.replace("    total", '    """Trains."""\n    total', 1),
        "def same(f): return f\n\n@same" + BODY,
    ],
    ids=["comment", "layout", "docstring", "decorator"],
)
def test_version_ignores_what_has_no_meaning(function: Any, same: str) -> None:
    assert version(function(same)) == version(function(BODY))


@pytest.mark.parametrize(
    "other",
    [
        BODY.replace("*", "+"),
        BODY.replace("folds: int = 3", "folds: int = 4"),
        BODY.replace("total", "sum"),
        BODY.replace("def", "async def"),
    ],
    ids=["body", "default", "names", "async"],
)
def test_version_follows_the_body(function: Any, other: str) -> None:
    assert version(function(other)) != version(function(BODY))


def test_indented_function_has_the_version_of_the_plain_one(function: Any) -> None:
    inner = "if True:\n" + textwrap.indent(BODY, "    ")
    assert version(function(inner)) == version(function(BODY))


def test_function_without_source_still_has_a_version() -> None:
    def made(source: str) -> Callable[..., Any]:
        namespace: dict[str, Any] = {}
        exec(source, namespace)
        return namespace["train"]

    assert version(made(BODY)) == version(made(BODY))
    assert version(made(BODY)) != version(made(BODY.replace("*", "+")))
    nested = "def train(x):\n    return [x in {'a', 'b', 'c'} for y in range(3)]"
    assert version(made(nested)) == version(made(nested))


def test_salt_and_own_version() -> None:
    def task() -> int:
        return 1

    assert version(task, salt="2") != version(task)
    assert version(task, version_override="v7") == "v7"
    assert flyte.Cache("auto", version_override="v7").get_version() == "v7"
    with pytest.raises(errors.DefinitionError, match="set version_override"):
        flyte.Cache("auto").get_version()


def test_own_policies_replace_the_usual_one_and_add_up() -> None:
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def get_version(self, salt: str, params: VersionParameters) -> str:
            return f"{self.name}-{salt}"

    def task() -> int:
        return 1

    assert version(task, policies=Named("a"), salt="s") == "a-s"
    both = version(task, policies=[Named("a"), Named("b")])
    assert both not in ("a-", version(task, policies=[Named("b"), Named("a")]))
    with pytest.raises(errors.DefinitionError, match="get_version"):
        flyte.Cache("auto", policies="monthly")


def test_every_form_of_request() -> None:
    assert cache("auto") == flyte.Cache("auto")
    assert cache("disable").get_version() == ""
    assert not cache("disable").is_enabled()
    assert cache("override").is_enabled()
    assert flyte.Cache("auto", ignored_inputs="x").get_ignored_inputs() == ("x",)
    assert flyte.Cache("auto", max_age=60).max_age == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"behavior": "yes"}, "cache behavior must be one of auto, override, disable, got 'yes'"),
        ({"behavior": "auto", "version_override": ""}, "version_override is empty"),
        ({"behavior": "auto", "max_age": 0}, "Cache: max_age must be positive"),
    ],
)
def test_wrong_values_are_named(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(errors.DefinitionError, match=complaint):
        flyte.Cache(**settings)
