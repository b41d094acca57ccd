"""Which environments a command means, out of the files that it was given."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from flyte import _deployment, errors
from flyte.cli.deploy.sources import Wish, found

ONE = 'import flyte\n{name} = flyte.TaskEnvironment("{name}")\n@{name}.task\ndef work(): ...\n'


@pytest.fixture(autouse=True)
def fresh_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Modules and search paths as they were; the test's own directory is the working directory."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def write(path: str, name: str, more: str = "") -> None:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(ONE.format(name=name) + more)


def names(path: str, environment: str | None = None, **options: bool) -> list[str]:
    return [env.name for env in found(Wish(path, environment, **options)).environments]


def refusal(path: str, environment: str | None = None, **options: bool) -> str:
    with pytest.raises(click.UsageError) as refused:
        names(path, environment, **options)
    return refused.value.message


def test_one_environment_of_a_file() -> None:
    write("src_single.py", "single")
    assert names("src_single.py") == ["single"]
    assert "did you mean 'single'" in refusal("src_single.py", "singel")


def test_several_environments_have_to_be_named() -> None:
    write("src_several.py", "first", 'second = flyte.TaskEnvironment("second-one")\n')
    assert "first, second-one" in refusal("src_several.py")
    assert names("src_several.py", all=True) == ["first", "second-one"]
    assert names("src_several.py", "second-one") == ["second-one"]
    assert names("src_several.py", "second") == ["second-one"], "by the variable"
    assert "--all without a name" in refusal("src_several.py", "second", all=True)


def test_a_folder_and_what_is_below_it() -> None:
    write("src_flat/top.py", "top")
    write("src_flat/below/deep.py", "deep")
    write("src_flat/pack/__init__.py", "packed")
    for ignored in (".venv", "__pycache__", "node_modules"):
        write(f"src_flat/{ignored}/other.py", "other")
    assert names("src_flat") == ["top"]
    assert names("src_flat", recursive=True) == ["deep", "packed", "top"]
    root = found(Wish("src_flat", recursive=True)).root
    assert root == Path.cwd()


def test_a_file_that_another_one_imports_is_not_imported_again() -> None:
    write("src_pair/a_app.py", "paired_app", "from z_tools import paired_tools\n")
    write("src_pair/z_tools.py", "paired_tools")
    wanted = found(Wish("src_pair"))
    assert [env.name for env in wanted.environments] == ["paired_app", "paired_tools"]
    assert len(_deployment.together(wanted.environments)) == 2


def test_a_file_under_two_names_is_explained() -> None:
    write("src_twice/a_tools.py", "twice_tools")
    write("src_twice/b_app.py", "twice_app", "from a_tools import twice_tools\n")
    with pytest.raises(errors.DeploymentError) as refused:
        _deployment.together(found(Wish("src_twice")).environments)
    assert "imported under several names (a_tools, src_twice.a_tools)" in str(refused.value)
    assert "--root-dir" in str(refused.value)


def test_a_file_that_cannot_be_imported(capsys: pytest.CaptureFixture[str]) -> None:
    write("src_broken/good.py", "good")
    Path("src_broken/wrong.py").write_text("import not_there_at_all")
    assert "not_there_at_all" in refusal("src_broken")
    assert names("src_broken", ignore_load_errors=True) == ["good"]
    assert "left out: " in capsys.readouterr().err


def test_nothing_to_deploy() -> None:
    Path("src_empty").mkdir()
    assert "--recursive looks into the folders below" in refusal("src_empty")
    Path("src_none.py").write_text("x = 1")
    assert "has no environment" in refusal("src_none.py")
    assert "there is no file" in refusal("src_away.py")
    assert "--recursive takes a folder" in refusal("src_none.py", recursive=True)
