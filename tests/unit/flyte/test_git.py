"""What git says of a real repository."""

import subprocess
from pathlib import Path

import pytest

from flyte import git
from flyte.git import GitStatus


def run(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    run(tmp_path, "init", "--quiet")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train model.py").write_text("x = 1\n")
    run(tmp_path, "add", ".")
    run(tmp_path, "commit", "--quiet", "-m", "first")
    monkeypatch.chdir(tmp_path / "src")
    return tmp_path


def test_outside_of_a_repository_nothing_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert GitStatus.from_current_repo() == GitStatus()
    assert GitStatus().build_url("a.py", 1) == ""
    assert git.config_from_root() is None


def test_without_git_nothing_is_valid(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert not GitStatus.from_current_repo().is_valid


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("git@github.com:ada/weather.git", "https://github.com/ada/weather/blob/{}/src/{}#L7"),
        (
            "https://ada:pw@github.com/ada/weather",
            "https://github.com/ada/weather/blob/{}/src/{}#L7",
        ),
        ("ssh://git@gitlab.com/ada/w.git", "https://gitlab.com/ada/w/-/blob/{}/src/{}#L7"),
        ("https://git.example.com/ada/w", "https://git.example.com/ada/w/blob/{}/src/{}#L7"),
    ],
)
def test_a_line_has_an_address(repository: Path, remote: str, address: str) -> None:
    run(repository, "remote", "add", "origin", remote)
    status = GitStatus.from_current_repo()
    assert (status.is_valid, status.is_tree_clean) == (True, True)
    assert status.commit_sha == run(repository, "rev-parse", "HEAD")
    expected = address.format(status.commit_sha, "train%20model.py")
    assert status.build_url("train model.py", 7) == expected
    assert status.build_url("/etc/passwd", 1) == ""


def test_a_changed_file_shows(repository: Path) -> None:
    (repository / "src" / "new.py").write_text("")
    status = GitStatus.from_current_repo()
    assert (status.is_tree_clean, status.remote_url) == (False, "")
    assert status.build_url("new.py", 1) == ""


def test_the_configuration_is_found_from_anywhere_in_the_repository(repository: Path) -> None:
    assert git.config_from_root() is None
    (repository / ".flyte").mkdir()
    (repository / ".flyte" / "config.yaml").write_text("admin:\n  endpoint: http://127.0.0.1:1\n")
    found = git.config_from_root()
    assert found is not None
    assert found.platform.endpoint == "http://127.0.0.1:1"
