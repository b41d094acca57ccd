"""Tables between tasks, and from the command line: the same in every mode."""

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.e2e.plane import Marks, Plane, flyte, here

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

EXPECTED = {
    "pandas": True,
    "polars": [[10, "a"], [20, None], [30, "ü"]],
    "lazy": [[20, None], [30, "ü"]],
    "arrow": [2, 4, 6],
    "reference": [[6]],
    "stored": ["parquet", True],
    "text": True,
    "some": ["word", "n"],
    "report": [True, [1], [[1]]],
    "counted": [3, 3, 2],
}
REFUSED = [
    ("outputs.o0['col']", "int 1 in row 0 and str 'x' in row 1", "astype"),
    ("outputs.o0.index", "MultiIndex", "reset_index"),
    ("outputs.o0['missing']", "the columns n, word", "hint"),
]


def test_tables_are_the_same_in_every_mode(plane: Plane, tmp_path: Path) -> None:
    marks = Marks(tmp_path / "remote"), Marks(tmp_path / "local")
    remote = plane.run("frames.py", "main", "--marks", str(marks[0]))
    assert remote.outputs is not None, remote.error
    local = here("frames.py", "main", "--marks", str(marks[1]))
    assert local.outputs is not None, local.error
    for outputs in (remote.outputs["o0"], local.outputs["o0"]):
        said = {name: json.loads(value) for name, value in outputs.items()}
        refused = said.pop("refused")
        assert said == EXPECTED
        for message, parts in zip(refused, REFUSED, strict=True):
            assert all(part in message for part in parts), message
    # Equal content is equal for the cache.
    assert marks[0].counts() == marks[1].counts() == {"counted": 2}


@pytest.mark.parametrize("local", [True, False])
def test_tables_come_from_the_command_line(plane: Plane, tmp_path: Path, local: bool) -> None:
    frame = pd.DataFrame({"n": [1, 2, 3]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    given = "--table", str(tmp_path / "x.csv"), "--frame", str(tmp_path / "x.parquet")
    ended = (here if local else plane.run)("frames.py", "summed", *given)
    assert ended.outputs == {"o0": 12}, ended.error


def test_what_a_task_made_is_shown(plane: Plane) -> None:
    done = plane.run("frames.py", "report", "--frame", str(example(plane.home)))
    assert done.outputs is not None, done.error
    io = json.loads(flyte("-of", "json", "get", "io", done.run).stdout)
    assert io["inputs"]["frame"]["format"] == "parquet"
    assert io["outputs"]["o0"]["text"]["uri"].endswith(".csv")


def example(folder: Path) -> Path:
    path = folder / "example.parquet"
    pd.DataFrame({"n": [1, 2, 3]}).to_parquet(path)
    return path
