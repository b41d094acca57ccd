"""Files and directories between tasks, from the command line, and afterwards: the same in every mode."""

import json
from pathlib import Path

import pytest
from tests.e2e.plane import Marks, Plane, flyte, here

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

TEXT = "name,n\na,1\nb,2\n"
UPPER = TEXT.upper()
PAGES = {"0/page.txt": "NAME,N", "1/page.txt": "A,1", "2/page.txt": "B,2", "empty.txt": ""}
FOLDER = {"one.txt": "1", "sub/two.txt": "2"}
FILE = ["upper.csv", UPPER]

EXPECTED = {
    "data": ["x.csv", TEXT],
    "folder": FOLDER,
    "upper": FILE,
    "zipped": ["result.csv.gz", UPPER],
    "named": ["x.csv", TEXT],
    "pages": PAGES,
    "written": {"a": "a", "b/c": "b/c"},
    "report": [FILE, PAGES, [FILE, FILE], None],
    "model": {"file": FILE, "second": FILE},
    "several": [FILE, {}, None],
    "both": [FILE, FOLDER],
    "untyped": {"file": FILE},
    "stubborn": ["state.txt", "+++"],
    "interrupted": False,
    "counted": [len(UPPER)] * 2,
}


@pytest.fixture
def given(tmp_path: Path) -> tuple[str, ...]:
    """Arguments of the program's main task."""
    (tmp_path / "x.csv").write_text(TEXT)
    for name, content in FOLDER.items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return "--data", str(tmp_path / "x.csv"), "--folder", str(tmp_path / "folder")


def test_files_are_the_same_in_every_mode(
    plane: Plane, tmp_path: Path, given: tuple[str, ...]
) -> None:
    marks = Marks(tmp_path / "remote"), Marks(tmp_path / "local")
    remote = plane.run("files.py", "main", *given, "--marks", str(marks[0]))
    assert remote.outputs is not None, remote.error
    local = here("files.py", "main", *given, "--marks", str(marks[1]))
    assert local.outputs is not None, local.error
    for outputs in (remote.outputs["o0"], local.outputs["o0"]):
        assert {name: json.loads(value) for name, value in outputs.items()} == EXPECTED
    # Equal content is equal for the cache, wherever it lies.
    assert marks[0].counts() == marks[1].counts() == {"stubborn": 3, "counted": 1}


def test_what_a_run_was_given_and_what_it_made_is_shown(
    plane: Plane, given: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "x.csv").unlink(missing_ok=True)
    source = tmp_path / "y.csv"
    source.write_text(TEXT)
    done = plane.run("files.py", "upper", "--file", str(source))
    assert done.outputs is not None, done.error
    source.unlink()
    assert Path(done.outputs["o0"]["path"]).read_text() == UPPER
    io = json.loads(flyte("-of", "json", "get", "io", done.run).stdout)
    assert io["outputs"]["o0"] == done.outputs["o0"]
    assert io["inputs"]["file"]["name"] == "y.csv"
    assert Path(io["inputs"]["file"]["path"]).read_text() == TEXT
    shown = flyte("get", "io", done.run).stdout
    assert f"{io['inputs']['file']['path']}'" in shown
    assert f"({len(TEXT)} B)" in shown
    # An output goes into the next run as it is.
    again = plane.run("files.py", "plain", "--data", f"file://{io['inputs']['file']['path']}")
    assert again.outputs == {"o0": 3}


@pytest.mark.parametrize("local", [True, False])
def test_a_missing_path_is_an_error_at_its_option(local: bool, tmp_path: Path) -> None:
    options = ("--local",) if local else ()
    done = flyte("run", *options, "files.py", "upper", "--file", "nothing.csv", expect=2)
    assert "--file" in done.stderr
    assert "there is no file nothing.csv" in done.stderr


def test_a_file_that_is_not_there_fails_where_it_is_made(plane: Plane) -> None:
    for ended in (plane.run("files.py", "missing"), here("files.py", "missing")):
        assert ended.phase == "failed"
        assert ended.error is not None
        assert "outputs.o0" in ended.error["message"]
        assert "there is no file nowhere.csv" in ended.error["message"]
