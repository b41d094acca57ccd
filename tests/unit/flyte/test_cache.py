"""Cache: what changes a version and what does not."""

import textwrap
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import flyte
from flyte import errors
from flyte._cache import FunctionBodyPolicy, VersionParameters, cache

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


def test_function_without_source_has_no_version() -> None:
    namespace: dict[str, Any] = {}
    exec(BODY, namespace)
    with pytest.raises(
        errors.DefinitionError, match=r"source of train is not available.*version_override"
    ):
        version(namespace["train"])
    with pytest.raises(errors.DefinitionError, match="without a Python function"):
        flyte.Cache("auto").get_version(VersionParameters(None))
    assert version(namespace["train"], version_override="v1") == "v1"


def test_a_version_says_what_it_is_made_of() -> None:
    class Monthly:
        def get_version(self, salt: str, params: VersionParameters) -> str:
            return f"{salt}-may"

    def task() -> int:
        return 1

    def parts(**settings: Any) -> dict[str, str]:
        return dict(flyte.Cache("auto", **settings).version(VersionParameters(task)).parts)

    assert parts().keys() == {"code", "salt"}
    both = parts(policies=[FunctionBodyPolicy(), Monthly()], salt="s")
    assert both.keys() == {"code", "policy.Monthly", "salt"}
    assert both["code"] == parts()["code"]
    assert both["salt"] != parts()["salt"]
    assert parts(version_override="v7").keys() == {"version"}


def test_override_with_a_version_uses_results_and_without_one_replaces_them() -> None:
    assert flyte.Cache("override", version_override="v7").get_version() == "v7"
    assert not flyte.Cache("override", version_override="v7").executes_always()
    assert flyte.Cache("override").executes_always()
    assert not flyte.Cache("auto").executes_always()


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


def test_a_policy_must_give_a_text() -> None:
    class Numbered:
        def get_version(self, salt: str, params: VersionParameters) -> Any:
            return 7

    with pytest.raises(
        errors.DefinitionError, match=r"Numbered\.get_version must return a string, got 7"
    ):
        version(version, policies=Numbered())


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
