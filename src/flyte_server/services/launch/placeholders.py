"""`{{.input}}` and its like in the arguments of a task.

Names are compared without regard to case; `{{ $input }}` is the same as `{{.input}}`.  What is no
name of ours stays as it is: it may mean something to the program that is started.
"""

import re
from collections.abc import Mapping, Sequence

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

    def value(match: re.Match[str]) -> str:
        return values.get(match.group(1).lower(), match.group(0))

    return tuple(_PLACEHOLDER.sub(value, text) if "{{" in text else text for text in texts)


def needs_inputs(texts: Sequence[str]) -> bool:
    """Whether some `{{.inputs.NAME}}` asks for the value of an input."""
    return any(
        match.group(1).lower().startswith(_INPUTS)
        for text in texts
        if "{{" in text
        for match in _PLACEHOLDER.finditer(text)
    )
