"""Recipes: read strictly, and the same digest for the same environment only."""

from typing import Any

import pytest

from flyte_server.domain.errors import Invalid
from flyte_server.environments import recipe

FULL: dict[str, Any] = {
    "python": "3.12",
    "steps": [
        {"kind": "install", "arguments": ["six"]},
        {"kind": "project", "folder": "./2", "export": ["--group", "x"], "arguments": []},
    ],
    "variables": {"A": "1", "B": "2"},
    "sources": ["./3/s.tar.gz"],
    "files": {"./2/pyproject.toml": {"text": ""}, "./3/s.tar.gz": {"sha256": "0" * 64}},
}


def digest(**changed: Any) -> str:
    return recipe.read({**FULL, **changed}).digest


def test_a_recipe_survives_being_written_down() -> None:
    made = recipe.read(FULL)
    assert recipe.read(made.payload()) == made


def test_the_digest_never_changes() -> None:
    # Tasks that were stored name their environments by it.
    assert digest() == "dafc6ed444478090"


def test_the_order_counts_where_it_matters() -> None:
    assert digest(variables={"B": "2", "A": "1"}) == digest()
    assert digest(files=dict(reversed(FULL["files"].items()))) == digest()
    assert digest(steps=list(reversed(FULL["steps"]))) != digest()
    assert digest(python="3.13") != digest()
    assert digest(variables={"A": "1"}) != digest()
    assert digest(files={**FULL["files"], "./2/pyproject.toml": {"text": "x"}}) != digest()


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"python": "2.7"}, "recipe.python is '2.7'"),
        ({"python": None}, "recipe.python has to be a text"),
        ({"steps": {}}, "recipe.steps has to be a list"),
        ({"steps": [{"kind": "cook"}]}, r"recipe.steps\[0\].kind is 'cook'"),
        ({"files": {"../x": {"text": ""}}}, "the path '../x'"),
        ({"files": {"/x": {"text": ""}}}, "the path '/x'"),
        ({"files": {"x": {"sha256": "../../x"}}}, "64 hexadecimal digits"),
        ({"sources": ["./other"]}, "not among recipe.files"),
        ({"variables": {"A": 1}}, r"recipe.variables\['A'\] has to be a text"),
    ],
)
def test_what_is_no_recipe_is_refused(changed: dict[str, Any], what: str) -> None:
    with pytest.raises(Invalid, match=what):
        recipe.read({**FULL, **changed})


def test_the_address_of_an_environment() -> None:
    assert recipe.digest_of("venv:0123456789abcdef") == "0123456789abcdef"
    for other in ("python:3.12", "venv:../../etc", "0123456789abcdef", "venv:"):
        assert recipe.digest_of(other) is None
