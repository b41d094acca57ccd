import shutil
import subprocess
from pathlib import Path

import pytest

from flyte import errors
from flyte._code import ignore

GIT = shutil.which("git")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with everything that must be left out, and a few things that must not."""
    root = tmp_path / "project"
    kept = ["job.py", "pkg/__init__.py", "pkg/data/table.csv", "logs/keep.log", "pkg/keep.tmp"]
    ignored = ["notes.log", "build/out.txt", "pkg/deep/x.tmp", "pkg/secret.env"]
    never = [
        ".git/config",
        "pkg/__pycache__/job.cpython-311.pyc",
        "stale.pyc",
        ".venv/bin/python",
        "other-env/pyvenv.cfg",
        "other-env/lib/a.py",
        ".DS_Store",
    ]
    for name in kept + ignored + never:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / ".gitignore").write_text("*.log\n!keep.log\n/build/\n*.tmp\n")
    (root / "pkg" / ".gitignore").write_text("!keep.tmp\nsecret.env\n")
    return root


EXPECTED = [
    ".gitignore",
    "job.py",
    "logs/keep.log",
    "pkg/.gitignore",
    "pkg/__init__.py",
    "pkg/data/table.csv",
    "pkg/keep.tmp",
]


def names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in ignore.files(root)]


def git(root: Path, *arguments: str) -> None:
    assert GIT is not None
    subprocess.run([GIT, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def repository(root: Path) -> Path:
    if GIT is None:
        pytest.skip("git is not installed")
    shutil.rmtree(root / ".git")
    git(root, "init", "-q")
    return root


def test_without_git_the_ignore_files_are_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert names(root) == EXPECTED


def test_git_and_our_own_reading_agree(repository: Path) -> None:
    assert names(repository) == EXPECTED


def test_what_git_tracks_is_code_even_if_it_is_ignored_now(repository: Path) -> None:
    git(repository, "add", "-f", "notes.log", "job.py")
    (repository / "job.py").unlink()  # deleted, and not yet committed so
    assert names(repository) == sorted({*EXPECTED, "notes.log"} - {"job.py"})


def test_a_directory_that_is_no_repository_is_read_by_us(root: Path, tmp_path: Path) -> None:
    shutil.rmtree(root / ".git")
    assert names(root) == EXPECTED


@pytest.mark.parametrize("with_git", [True, False])
def test_flyteignore_leaves_out_more(
    repository: Path, monkeypatch: pytest.MonkeyPatch, with_git: bool
) -> None:
    if not with_git:
        monkeypatch.setenv("PATH", "")
    (repository / ".flyteignore").write_text("data/\n.gitignore\n")
    (repository / "pkg" / ".flyteignore").write_text("__init__.py\n.flyteignore\n")
    assert names(repository) == [".flyteignore", "job.py", "logs/keep.log", "pkg/keep.tmp"]


def test_links_to_files_are_code_and_links_to_directories_are_not_followed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "s.py").write_text("s")
    (root / "linked.py").symlink_to(tmp_path / "shared" / "s.py")
    (root / "linked").symlink_to(tmp_path / "shared")
    (root / "broken.py").symlink_to(tmp_path / "nowhere")
    assert names(root) == sorted([*EXPECTED, "linked.py"])


def test_a_pattern_that_is_none_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    (root / ".flyteignore").write_text("!\n")
    with pytest.raises(errors.CodeBundleError, match=f"an ignore file in {root} has a line"):
        ignore.files(root)
