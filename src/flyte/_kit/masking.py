"""Secrets never reach a text that leaves an attempt: their values are replaced, in every form that text gives them."""

import html
import json
import re
from collections.abc import Collection, Iterable

MASK = "***"
SHORTEST = 4
"""Characters of the shortest value that is hidden: to hide every `1` would hide the text."""
_SHORTEST_LINE = 8
"""A line of a value of several lines (a key file) is hidden by itself from this length on."""


def masked(text: str, hidden: Collection[str]) -> str:
    """The text without the values.

    Example:
        >>> masked("401 for key hunter2", ["hunter2"])
        '401 for key ***'
    """
    if not hidden:
        return text
    known = sorted(forms(hidden), key=len, reverse=True)  # a value may be the beginning of another
    return re.sub("|".join(map(re.escape, known)), MASK, text) if known else text


def forms(values: Iterable[str]) -> set[str]:
    """Values as they may be printed: whole, line by line, in a repr, in JSON, in HTML."""
    found: set[str] = set()
    for value in values:
        parts = [value, value.strip()]
        lines = [line.strip() for line in value.splitlines()]
        if len(lines) > 1:
            parts += [line for line in lines if len(line) >= _SHORTEST_LINE]
        for part in parts:
            if len(part.strip()) >= SHORTEST:
                found |= {part, repr(part)[1:-1], json.dumps(part)[1:-1], html.escape(part)}
    return found
