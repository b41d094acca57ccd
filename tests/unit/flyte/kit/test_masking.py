"""Secrets in texts: replaced in every form that a text gives them."""

import html
import json

import pytest

from flyte._kit.masking import masked

PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END KEY-----\n"
ODD = "a\"b\\c<d>'é"


@pytest.mark.parametrize(
    ("text", "hidden", "expected"),
    [
        ("401 for hunter2", ["hunter2"], "401 for ***"),
        ("hunter2hunter2 and hunter22", ["hunter2", "hunter22"], "****** and ***"),
        ("nothing to hide", ["hunter2"], "nothing to hide"),
        ("a.cd abcd", ["a.cd"], "*** abcd"),
        ("1 2 3", ["1", "23"], "1 2 3"),
        ("the line MIIEvQIBADANBgkqhkiG of it", [PEM], "the line *** of it"),
        (f"KeyError: {PEM!r}", [PEM], "KeyError: '***'"),
        ("padded hunter2", [" hunter2\n"], "padded ***"),
        ("", ["hunter2"], ""),
        ("hunter2", [], "hunter2"),
    ],
)
def test_values_are_replaced(text: str, hidden: list[str], expected: str) -> None:
    assert masked(text, hidden) == expected


@pytest.mark.parametrize("form", [str, repr, json.dumps, html.escape])
def test_every_form_is_known(form: object) -> None:
    assert callable(form)
    assert ODD[:3] not in masked(form(ODD), [ODD])
