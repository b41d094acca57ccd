"""What is said about JSON that is none."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flyte.cli.run import json_text


def complaint(text: str, source: str = "") -> str:
    with pytest.raises(json_text.MalformedError) as caught:
        json_text.check(text, source=source)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "place", "expected", "found"),
    [
        ('{"a": 1 "b": 2}', "column 9", "',' or '}'", "'\"b\"'"),
        ('[1, {"a": "]"} 2]', "column 16", "',' or ']'", "'2'"),
        ("[1, 2", "column 6", "',' or ']'", "the end"),
        ('{"a" 1}', "column 6", "':'", "'1'"),
        ("{x: 1}", "column 2", "a name in double quotes", "'x'"),
        ("{'x': 1}", "column 2", "a name in double quotes", "JSON has double quotes only"),
        ("[True]", "column 2", "a value", "JSON writes true"),
        ("[None]", "column 2", "a value", "JSON writes null"),
        ("[1] 2", "column 5", "nothing more", "'2'"),
        ('["a]', "column 2", "ends this text", "'\"a]'"),
        ('["a\nb"]', "line 1, column 4", "no line break", "a line break"),
        ('["\\x"]', "column 3", "one of", "'\\\\'"),
        ('{\n\t"a": 1,\n\t"b": ?\n}', "line 3, column 7", "a value", "'?'"),
    ],
)
def test_place_expectation_and_finding_are_told(
    text: str, place: str, expected: str, found: str
) -> None:
    first = complaint(text).partition("\n")[0]
    assert f"not JSON at {place}: " in first
    assert expected in first.partition(": expected ")[2]
    assert found in first.partition(", found ")[2]


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_nothing_is_no_value(text: str) -> None:
    assert complaint(text) == "not JSON: expected a value, found nothing"


def test_the_mark_is_under_the_character() -> None:
    for text, character in (
        ("[1, x]", "x"),
        ('{\n\t"a":\t!}', "!"),
        ("[" + "1, " * 100 + "x]", "x"),
    ):
        _, line, mark = complaint(text).splitlines()
        assert line[mark.index("^")] == character
        assert len(line) < 100


def test_the_file_is_named() -> None:
    assert complaint("x", "points.json").startswith("not JSON in points.json at column 1: ")


def test_a_name_that_is_there_twice_is_refused() -> None:
    assert "'a' is there twice" in complaint('[{"a": 1, "b": {"a": 2}, "a": 3}]')


def test_what_no_parser_can_hold_is_refused() -> None:
    assert "nested too deeply" in complaint("[" * 100_000)
    assert "cannot be read" in complaint("1" * 5_000)


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ([], "--p"),
        (["x"], "--p.x"),
        (["corners", 3, "x"], "--p.corners[3].x"),
        (["a b", "3", 'say "hi"'], '--p["a b"]["3"]["say \\"hi\\""]'),
    ],
)
def test_paths_read_like_the_value(location: list[object], path: str) -> None:
    assert json_text.path("--p", location) == path


def test_long_values_are_cut() -> None:
    assert len(json_text.shown(["x" * 1000])) <= 60
    assert json_text.shown({"a": object}).startswith('{"a": "<class')


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(values)
def test_json_is_left_alone(value: object) -> None:
    json_text.check(json.dumps(value))
    json_text.check(json.dumps(value, ensure_ascii=False, indent=1))


@given(values, st.data())
def test_a_mark_never_misses(value: object, data: st.DataObject) -> None:
    text = json.dumps(value)
    text = text[: data.draw(st.integers(0, len(text)))] + data.draw(st.text(max_size=3))
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        assume("\r" not in text)
        assume(text.strip())
        *_, line, mark = complaint(text).split("\n")
        at = mark.index("^")
        there = text[error.pos : error.pos + 1].replace("\t", " ").strip("\n")
        assert line[at : at + 1] == there
