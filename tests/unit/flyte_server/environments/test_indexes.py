"""Where uv finds packages: where pip does, unless uv was told otherwise."""

from pathlib import Path

import pytest

from flyte_server.environments import indexes


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://company/simple\nextra-index-url =\n  https://one/simple\n  https://two/simple\n"
        "[install]\ntrusted-host = company\n"
    )
    return tmp_path


def test_the_files_of_pip_are_read(home: Path) -> None:
    env = indexes.variables({"HOME": str(home), "PATH": "/bin"})
    assert env["UV_DEFAULT_INDEX"] == "https://company/simple"
    assert env["UV_INDEX"] == "https://one/simple https://two/simple"
    assert env["UV_INSECURE_HOST"] == "company"


def test_variables_of_pip_win_over_its_files_and_those_of_uv_over_both(home: Path) -> None:
    base = {"HOME": str(home), "PIP_INDEX_URL": "https://mine/simple"}
    assert indexes.variables(base)["UV_DEFAULT_INDEX"] == "https://mine/simple"
    assert "UV_DEFAULT_INDEX" not in indexes.variables(
        {**base, "UV_INDEX_URL": "https://uv/simple"}
    )


def test_only_places_that_exist_are_searched(tmp_path: Path) -> None:
    base = {"HOME": "/nonexistent", "PIP_FIND_LINKS": f"/nowhere {tmp_path} https://links/"}
    assert indexes.variables(base)["UV_FIND_LINKS"] == f"{tmp_path},https://links/"


def test_another_interpreter_does_not_leak_in() -> None:
    base = {"HOME": "/nonexistent", "VIRTUAL_ENV": "/v", "PYTHONPATH": "/p", "KEEP": "1"}
    env = indexes.variables(base)
    assert env["KEEP"] == "1"
    assert not {"VIRTUAL_ENV", "PYTHONPATH"} & env.keys()


def test_the_shims_of_pyenv_are_replaced_by_what_they_stand_for(tmp_path: Path) -> None:
    for version in ("3.11.7", "3.12.1"):
        (tmp_path / "versions" / version / "bin").mkdir(parents=True)
    base = {
        "HOME": "/nonexistent",
        "PYENV_ROOT": str(tmp_path),
        "PATH": f"{tmp_path}/plugins/x/shims:{tmp_path}/shims:/usr/bin",
    }
    versions = tmp_path / "versions"
    expected = f"{versions}/3.12.1/bin:{versions}/3.11.7/bin:/usr/bin"
    assert indexes.variables(base)["PATH"] == expected
