"""The rules of the house that no linter knows: sizes, docstrings, the three doors, one home for each thing."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "src" / "flyte_protocol"
SOURCES = sorted(set((ROOT / "src").rglob("*.py")) - set(GENERATED.rglob("*.py")))
DOORS = {"flyte/__init__.py", "flyte/cli/main.py", "flyte/_kit/optional.py"}
# Module-level state has two homes in the SDK: who talks to which control plane, and what surrounds user code.
CONTEXT_VARIABLES = {"flyte/_session.py", "flyte/_context.py"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "src").as_posix()


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


@pytest.fixture(params=SOURCES, ids=name_of)
def source(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_module_fits_in_one_head(source: Path) -> None:
    assert len(source.read_text().splitlines()) <= 600


def test_functions_and_classes_are_short(source: Path) -> None:
    limits = {ast.FunctionDef: 60, ast.AsyncFunctionDef: 60, ast.ClassDef: 350}
    too_long = [
        f"{node.name}: {length} lines"
        for node in nodes(source)
        if (limit := limits.get(type(node)))
        and (length := (node.end_lineno or 0) - node.lineno + 1) > limit
    ]
    assert not too_long


def test_imports_inside_functions_only_at_the_doors(source: Path) -> None:
    inner = [
        f"{function.name}, line {node.lineno}"
        for function in nodes(source)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert name_of(source) in DOORS or not inner


def test_module_says_what_it_is(source: Path) -> None:
    assert ast.get_docstring(ast.parse(source.read_text())), "a docstring, please"


def test_package_says_what_lives_here(source: Path) -> None:
    if source.name == "__init__.py" and source.parent.name != "migrations":
        lines = (ast.get_docstring(ast.parse(source.read_text())) or "").splitlines()
        assert len(lines) >= 3, "3 to 8 lines: what lives here, what does not"


def test_context_variables_have_two_homes(source: Path) -> None:
    made = [
        node
        for node in nodes(source)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "ContextVar"
    ]
    assert not made or name_of(source) in CONTEXT_VARIABLES


def test_nothing_is_global(source: Path) -> None:
    assert not [node for node in nodes(source) if isinstance(node, ast.Global)]


def test_folders_stay_small() -> None:
    crowded = {
        name_of(folder): count
        for folder in {path.parent for path in SOURCES}
        if folder.name != "flyte" and (count := len(list(folder.glob("*.py")))) > 17
    }
    assert not crowded
