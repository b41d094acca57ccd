"""JSON that people write: what is wrong with it, and where, to the character.

>>> check('{"a": 1 "b": 2}')
Traceback (most recent call last):
    ...
flyte.cli.run.json_text.MalformedError: not JSON at column 9: expected ',' or '}', found '"b"'
  {"a": 1 "b": 2}
          ^
"""

import json
import re
from collections.abc import Sequence
from typing import Any

_BEFORE, _AFTER = 40, 40
_WORD = re.compile(r'"[^"\n]{0,20}"?|\'[^\'\n]{0,20}\'?|[\w.+-]{1,20}|\S')
_NAME = re.compile(r"[A-Za-z_]\w*")

_EXPECTED = {
    "Expecting value": "a value",
    "Expecting ',' delimiter": "',' or the end of the list or object",
    "Expecting ':' delimiter": "':' and the value of this name",
    "Expecting property name enclosed in double quotes": "a name in double quotes",
    "Illegal trailing comma before end of object": "another name after the comma, or no comma",
    "Illegal trailing comma before end of array": "another value after the comma, or no comma",
    "Extra data": "nothing more after the value",
    "Unterminated string starting at": "the '\"' that ends this text",
    "Invalid control character at": "no line break or tab inside a text (write \\n, \\t)",
    "Invalid \\escape": 'one of \\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX',
    "Invalid \\uXXXX escape": "four hexadecimal digits after \\u",
}
"""What the parser of the standard library says, in the words of somebody who writes JSON."""

_HINTS = {
    "True": "JSON writes true",
    "False": "JSON writes false",
    "None": "JSON writes null",
    "'": "JSON has double quotes only",
}
"""By the beginning of what was found: Python is not JSON."""


class MalformedError(ValueError):
    """The text is no JSON; the message says where and what was expected, with a mark under the character."""


def check(text: str, *, source: str = "") -> None:
    """Nothing, if the text is JSON.

    Args:
        source: the file that it comes from, for the message.

    Raises:
        MalformedError: it is not.
    """
    within = f" in {source}" if source else ""
    try:
        json.loads(text, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        raise MalformedError(_pointed_at(error, within)) from None
    except RecursionError:
        raise MalformedError(f"the JSON{within} is nested too deeply to be read") from None
    except ValueError as error:  # a number with thousands of digits, or our own
        raise MalformedError(f"the JSON{within} cannot be read: {error}") from None


def path(option: str, location: Sequence[Any]) -> str:
    """Where in the value of an option something is.

    >>> path("--point", ["corners", 3, "x"])
    '--point.corners[3].x'
    """
    return option + "".join(map(_step, location))


def shown(value: object, limit: int = 60) -> str:
    """A value as JSON writes it, cut to a readable length."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _step(part: Any) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _NAME.fullmatch(str(part)) else f"[{json.dumps(str(part))}]"


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise ValueError(
                f"the name {name!r} is there twice in one object, so one value would be lost"
            )
        made[name] = value
    return made


def _pointed_at(error: json.JSONDecodeError, within: str) -> str:
    """The place, what was expected there, what was found, and the line with a mark under the character."""
    text, at = error.doc, error.pos
    if not text.strip():
        return f"not JSON{within}: expected a value, found nothing"
    line = f"line {error.lineno}, " if "\n" in text.strip() else ""
    place = f"{within} at {line}column {error.colno}"
    return f"not JSON{place}: expected {_expected(error)}, found {_found(text, at)}\n{_marked(text, at)}"


def _expected(error: json.JSONDecodeError) -> str:
    if error.msg == "Expecting ',' delimiter":
        return f"',' or '{_closing(error.doc[: error.pos])}'"
    return _EXPECTED.get(error.msg, error.msg)


def _closing(before: str) -> str:
    """What would end the innermost list or object that is open at the end of `before`."""
    structure = re.sub(r'"(?:[^"\\]|\\.)*"', "", before)
    depth = 0
    for character in reversed(structure):
        depth += (character in "}]") - (character in "{[")
        if depth < 0:
            return "}" if character == "{" else "]"
    return "}"


def _found(text: str, at: int) -> str:
    word = _WORD.match(text, at)
    if word is None:
        return "the end" if not text[at:].strip() else "a line break"
    hint = next((said for start, said in _HINTS.items() if word[0].startswith(start)), None)
    return f"{word[0]!r}" + (f" ({hint})" if hint else "")


def _marked(text: str, at: int) -> str:
    """The line of a character, cut around it, and a mark below."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[start : len(text) if end < 0 else end]
    column = at - start
    first = max(0, column - _BEFORE)
    # A tab is as wide as the terminal likes, which would move the mark away from its character.
    cut = line[first : column + _AFTER].replace("\t", " ")
    return f"  {cut}\n  {' ' * (column - first)}^"
