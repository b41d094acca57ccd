"""A working directory that is as it was serves again; anything else is removed."""

from pathlib import Path

import pytest

from flyte._entrypoints.folders import Folder


@pytest.fixture(autouse=True)
def _stay_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # and back at the end


@pytest.fixture
def links(tmp_path: Path) -> tuple[Path, ...]:
    code = tmp_path / "code"
    code.mkdir()
    (code / "main.py").write_text("x = 1")
    (code / "package").mkdir()
    return tuple(sorted(code.iterdir()))


def names() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def folder(tmp_path: Path, links: tuple[Path, ...], number: int) -> Folder:
    earlier = tmp_path / f"spare-{number - 1}" if number > 1 else None
    return Folder(tmp_path / f"{number}.token", links, tmp_path / f"spare-{number}", earlier)


def test_one_that_nothing_was_written_to_is_taken_over(
    tmp_path: Path, links: tuple[Path, ...]
) -> None:
    first, second = folder(tmp_path, links, 1), folder(tmp_path, links, 2)
    first.enter()
    made = Path().stat().st_ino
    assert Path("main.py").read_text() == "x = 1"
    first.leave()
    assert not first.path.exists()
    second.enter()
    assert Path().stat().st_ino == made
    assert Path.cwd() == second.path
    assert names() == ["main.py", "package"]


@pytest.mark.parametrize(
    "change",
    [
        lambda: Path("result.txt").write_text("mine"),
        lambda: Path("main.py").unlink(),
        lambda: (Path("main.py").unlink(), Path("main.py").symlink_to("/etc/passwd")),
        lambda: (Path("main.py").unlink(), Path("main.py").write_text("other")),
        lambda: Path("main.py").rename("renamed.py"),
    ],
)
def test_one_that_was_changed_is_removed(
    tmp_path: Path, links: tuple[Path, ...], change: object
) -> None:
    used, following = folder(tmp_path, links, 1), folder(tmp_path, links, 2)
    used.enter()
    change()  # type: ignore[operator]
    used.leave()
    assert not used.path.exists()
    assert not (tmp_path / "spare-1").exists()
    following.enter()  # made anew, although another one was expected
    assert names() == ["main.py", "package"]


def test_one_that_the_task_has_removed_is_no_trouble(
    tmp_path: Path, links: tuple[Path, ...]
) -> None:
    used = folder(tmp_path, links, 1)
    used.enter()
    for name in names():
        Path(name).unlink()
    used.path.rmdir()
    used.leave()
    assert not (tmp_path / "spare-1").exists()
