"""How one value is read from the command line."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import pandas
import pydantic
import pytest

from flyte.cli.run import values
from flyte.io import DataFrame, Dir, File


class Colour(Enum):
    RED = "r"
    DARK_BLUE = "b"


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.5


class Model(pydantic.BaseModel):
    name: str
    sizes: list[int]


class Opaque:
    """Nothing that JSON knows."""


def read(hint: Any, text: str) -> Any:
    return values.parameter_type(hint).convert(text, None, None)


def complaint(hint: Any, text: str) -> str:
    with pytest.raises(click.BadParameter) as caught:
        read(hint, text)
    return caught.value.message


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (int, "-7", -7),
        (float, "1e-3", 0.001),
        (str, "7", "7"),
        (bytes, "ü", "ü".encode()),
        (Annotated[int, "a count"], "3", 3),
        (Colour, "DARK_BLUE", Colour.DARK_BLUE),
        (Literal["a", 1], "1", 1),
        (int | None, "4", 4),
        (int | str, "4", 4),
        (str | int, "4", 4),
        (int | str, "four", "four"),
        (date, "2026-01-31", date(2026, 1, 31)),
        (datetime, "2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        (
            datetime,
            "2026-01-31T12:00:00+01:00",
            datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=1))),
        ),
        (list[int], "[1, 2]", [1, 2]),
        (dict[str, float], '{"a": 1}', {"a": 1.0}),
        (tuple[int, str], '[1, "b"]', (1, "b")),
        (Point, '{"x": 1, "y": 2}', Point(1, 2.0)),
        (Model, '{"name": "m", "sizes": [1]}', Model(name="m", sizes=[1])),
        (list[Point], '[{"x": 1}]', [Point(1)]),
        (Any, '{"a": [1]}', {"a": [1]}),
    ],
)
def test_value_is_read_as_its_type(hint: Any, text: str, value: Any) -> None:
    assert read(hint, text) == value
    assert type(read(hint, text)) is type(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        (":22", 22),
        ("1:24", 84),
        ("1:00:00", 3600),
        ("1 minute", 60),
        ("2 hours, 5 minutes", 7500),
        ("1h 30m", 5400),
        ("10 days", 864000),
        ("250ms", 0.25),
        ("-5s", -5),
    ],
)
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert read(timedelta, text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "1:2:3:4", "3 h x"])
def test_no_length_of_time(text: str) -> None:
    assert "is not like 90s" in complaint(timedelta, text)


def test_now_and_today_are_moments_with_a_time_zone() -> None:
    assert read(datetime, "now").tzinfo is not None
    assert read(date, "today") <= read(datetime, "now").date()


def test_bad_json_points_at_the_character() -> None:
    said = complaint(dict[str, int], '{"a": 1 "b": 2}')
    first, line, mark = said.splitlines()
    assert first == "not JSON at column 9: expected ',' or '}', found '\"b\"'"
    assert line[mark.index("^")] == '"'


def test_json_of_another_type_says_where_and_what() -> None:
    said = complaint(dict[str, Point], '{"start": {"x": "one"}}')
    assert said.startswith("value.start.x: ")
    assert said.endswith('found "one"')


def test_the_place_in_a_value_begins_with_its_option() -> None:
    option = click.Option(["--way-points"])
    with pytest.raises(click.BadParameter) as caught:
        values.parameter_type(list[Point]).convert(
            '[{"x": 1}, {"x": 2, "y": []}, {}]', option, None
        )
    said = caught.value.message
    assert said == ("--way-points[1].y: input should be a valid number, found [] (and 1 more)")


def test_json_does_not_turn_text_into_numbers() -> None:
    assert "valid integer" in complaint(list[int], '["1"]')


def test_json_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "point.json"
    file.write_text('{"x": 5}')
    assert read(Point, f"@{file}") == Point(5)
    assert "cannot be read" in complaint(Point, f"@{tmp_path / 'none.json'}")


def test_bad_json_in_a_file_is_named_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "point.json"
    file.write_text('{\n  "x": 5,\n  "y": one\n}')
    first, line, mark = complaint(Point, f"@{file}").splitlines()
    assert first == f"not JSON in {file} at line 3, column 8: expected a value, found 'one'"
    assert line[mark.index("^")] == "o"


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "point.json"
    file.write_bytes(b'{"x": \xff}')
    assert "byte 0xff at 6" in complaint(Point, f"@{file}")
    file.write_bytes(b'\xef\xbb\xbf{"x": 5}')
    assert read(Point, f"@{file}") == Point(5), "the mark that some editors write is no harm"


def test_bytes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "raw"
    file.write_bytes(b"\xff\x00")
    assert read(bytes, f"@{file}") == b"\xff\x00"


def test_a_type_that_has_no_text_says_what_to_do() -> None:
    assert "give the task a default for it" in complaint(Opaque, "{}")


def test_wrong_member_of_an_enum_lists_the_members() -> None:
    assert "DARK_BLUE" in complaint(Colour, "GREEN")


def test_union_without_text_says_what_would_fit() -> None:
    assert complaint(int | float, "x") == "'x' is not integer or float"


@pytest.mark.parametrize(
    ("hint", "name"),
    [
        (int, "int"),
        (list[Point], "list[Point]"),
        (dict[str, Colour], "dict[str, Colour]"),
        (Point, "Point"),
    ],
)
def test_types_are_named_as_their_author_wrote_them(hint: Any, name: str) -> None:
    assert values.hint_name(hint) == name


def test_a_file_is_a_path_or_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.csv").write_text("a")
    monkeypatch.chdir(tmp_path)
    here = read(File, "x.csv")
    assert here.path == str(tmp_path / "x.csv")
    assert here.lazy_uploader is not None
    assert read(File[str] | None, "./x.csv") == here
    assert read(File, "s3://bucket/x.csv") == File.from_existing_remote("s3://bucket/x.csv")
    assert read(Dir, str(tmp_path)).lazy_uploader is not None
    assert read(list[File], '["s3://b/x", {"path": "/y"}]') == [
        File(path="s3://b/x"),
        File(path="/y"),
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert complaint(File, "nothing.csv") == "there is no file nothing.csv; correct the path"
    assert complaint(Dir, "nothing") == "there is no folder nothing; correct the path"
    assert "use Dir.from_local" in complaint(File, str(tmp_path))


def test_a_table_is_a_file_or_an_address(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    for hint in (DataFrame, pandas.DataFrame, pandas.DataFrame | None):
        here = read(hint, str(tmp_path / "t.csv"))
        assert isinstance(here, DataFrame)
        assert here.lazy_uploader is not None
        assert here.format == "csv"
    assert read(DataFrame, "s3://bucket/t.parquet").uri == "s3://bucket/t.parquet"
    assert "there is no table" in complaint(pandas.DataFrame, str(tmp_path / "nothing.csv"))
