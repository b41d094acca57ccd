"""`{{.input}}` and its like in the arguments of a task.

Names are compared without regard to case; `{{ $input }}` is the same as `{{.input}}`.  What is no
name of ours stays as it is: it may mean something to the program that is started.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

_PLACEHOLDER = re.compile(
    r"\{\{\s*[.$]([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)\s*\}\}"
)
_INPUTS = "inputs."


def render(texts: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """The texts with every known placeholder replaced.

    Args:
        values: by lower-case name, e.g. `{"input": "/data/inputs.pb"}`.

    Example:
        >>> render(["--in={{ .Input }}", "{{.mine}}"], {"input": "/x"})
        ('--in=/x', '{{.mine}}')
    """
    return tuple(_rendered(text, values) if "{{" in text else text for text in texts)


def needs_inputs(texts: Sequence[str]) -> bool:
    """Whether some `{{.inputs.NAME}}` asks for the value of an input."""
    return any(
        part.name.startswith(_INPUTS) for text in texts if "{{" in text for part in _parts(text)
    )


def _rendered(text: str, values: Mapping[str, str]) -> str:
    return "".join(values.get(part.name, part.text) for part in _parts(text))


class _Part(NamedTuple):
    """A piece of a text: a placeholder with its name in lower case, or what stands between two (no name)."""

    text: str
    name: str


@lru_cache(maxsize=4096)
def _parts(text: str) -> tuple[_Part, ...]:
    """A thousand attempts of one task have the same texts, so they are taken apart once."""
    found: list[_Part] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        found.append(_Part(text[end : match.start()], ""))
        found.append(_Part(match.group(0), match.group(1).lower()))
        end = match.end()
    return (*found, _Part(text[end:], ""))
