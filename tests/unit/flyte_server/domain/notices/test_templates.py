"""Places in texts of notifications."""

from hypothesis import given
from hypothesis import strategies as st

from flyte_server.domain.notices import templates

VALUES = {".Run.Name": "r1", ".Error": '"{{.Run.Name}}"\n'}


def test_places_may_have_spaces_and_marks() -> None:
    text = "{{.Run.Name}} {{ .Run.Name }} {{- .Run.Name -}} { {x}"
    assert templates.filled(text, VALUES) == "r1 r1 r1 { {x}"
    assert templates.unknown(text) is None
    assert templates.unknown("{{.Run.Name}} {{if .Error}}") == "{{if .Error}}"


def test_what_a_value_says_is_not_looked_at_again() -> None:
    body = {"a": ["{{.Error}}", 1, None], "{{.Error}}": True}
    filled = templates.filled_within(body, VALUES)
    assert filled == {"a": ['"{{.Run.Name}}"\n', 1, None], "{{.Error}}": True}


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    if templates.unknown(text) is None:
        assert isinstance(templates.filled(text, VALUES), str)
