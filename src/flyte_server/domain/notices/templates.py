"""Texts with places like `{{.Run.Name}}`, and what stands there when a run has ended."""

import re
from collections.abc import Mapping
from typing import Any

PLACES = (".Run.Name", ".Run.Project", ".Run.Domain", ".Run.Org", ".Phase", ".Error")
_PLACE = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)


def unknown(text: str) -> str | None:
    """The first place in a text that nothing can stand in; None: there is none.

    >>> unknown("{{.Run.Name}} took {{ .Duration }}")
    '{{ .Duration }}'
    """
    found = (each for each in _PLACE.finditer(text) if each[1] not in PLACES)
    return next((each[0] for each in found), None)


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with the values in their places.  What a value says is not looked at again.

    >>> filled("run {{.Run.Name}}: {{ .Phase }}", {".Run.Name": "r1", ".Phase": "FAILED"})
    'run r1: FAILED'
    """
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), text)


def filled_within(value: Any, values: Mapping[str, str]) -> Any:
    """A value of JSON with all its texts filled: what a value says cannot break out of its text."""
    if isinstance(value, str):
        return filled(value, values)
    if isinstance(value, dict):
        return {key: filled_within(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [filled_within(each, values) for each in value]
    return value
