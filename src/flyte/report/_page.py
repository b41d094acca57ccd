"""The page of a report: a template, a head, and one frame per tab.

Each tab is an `<iframe srcdoc>` with a sandbox: the only border that HTML of a stranger cannot cross.  A shadow root or
a `<template>` would hold styles back, but neither a script nor a tag that is not closed.  The frame may run scripts
(charts need them) but has an origin of its own: it reaches neither the page, nor its siblings, nor the console around.
"""

import html
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from flyte import errors

TEMPLATE = Path(__file__).with_name("page.html")
_FRAME = Path(__file__).with_name("frame.html")

_SANDBOX = "allow-scripts allow-popups allow-popups-to-escape-sandbox allow-downloads allow-forms"
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_LOOKED_AT = 1 << 18
"""Characters of a tab in which signs of its colours are looked for: a report may have 50 MB."""
_KNOWS_SCHEMES = re.compile(r"color-scheme|light-dark\(", re.IGNORECASE)
_HAS_COLOURS = re.compile(
    r"<(?:style|script|link|img|svg|canvas|iframe|font|html|!doctype)\b|bgcolor|"
    r"\bcolor\s*:|\bbackground|\bfill\s*[:=]",
    re.IGNORECASE,
)
_WHOLE_DOCUMENT = re.compile(
    r"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL
)


def render(
    title: str, facts: Sequence[str], tabs: Sequence[tuple[str, str]], *, template: Path
) -> list[str]:
    """The pieces of a page.

    Args:
        title: plain text.
        facts: plain texts below the title.
        tabs: name (plain text) and HTML of each.
        template: the file with the placeholders `{{title}}`, `{{facts}}`, `{{tabs}}`, `{{panels}}`.

    Raises:
        DefinitionError: when the template cannot be read, or has a placeholder that is not known.
    """
    values = {
        "title": [html.escape(title)],
        "facts": [f"<li>{html.escape(fact)}</li>" for fact in facts],
        "tabs": [_label(number, name) for number, (name, _) in enumerate(tabs, 1)],
        "panels": [
            part for number, tab in enumerate(tabs, 1) for part in _panel(number, *tab)
        ] or ["<p class=\"empty\">Nothing has been reported yet.</p>"],
    }  # fmt: skip
    return _filled(template, values)


def framed(page: str) -> str:
    """A page for a place in another document (a notebook's cell), where its styles must not leak."""
    return (
        f'<iframe title="Report" sandbox="{_SANDBOX}" srcdoc="{_attribute(page)}" '
        'style="width:100%;height:640px;border:1px solid #8884;border-radius:8px"></iframe>'
    )


def _label(number: int, name: str) -> str:
    return (
        f'<button type="button" role="tab" id="tab-{number}" aria-controls="panel-{number}">'
        f"{html.escape(name)}</button>"
    )


def _panel(number: int, name: str, content: str) -> list[str]:
    paper = _wants_paper(content)
    title = html.escape(name)
    # Lazy: a frame that is not shown has no size, and a chart drawn in it would have none for ever.
    head = (
        f'<section class="panel" role="tabpanel" id="panel-{number}" aria-labelledby="tab-{number}">'
        f"<h2>{title}</h2>"
        f'<iframe title="{title}" class="{"paper" if paper else "plain"}" loading="lazy" '
        f'sandbox="{_SANDBOX}" srcdoc="'
    )
    if _WHOLE_DOCUMENT.match(content):
        return [head, _attribute(content), '"></iframe></section>\n']
    values = {"scheme": ["light" if paper else "light dark"], "content": [content]}
    frame = [_attribute(piece) for piece in _filled(_FRAME, values)]
    return [head, *frame, '"></iframe></section>\n']


def _wants_paper(content: str) -> bool:
    """Whether the tab is shown on a light ground, whatever the reader prefers.

    HTML with colours of its own was most likely tried on white only: dark text would vanish on a dark ground.
    """
    start = content[:_LOOKED_AT]
    return bool(_HAS_COLOURS.search(start)) and not _KNOWS_SCHEMES.search(start)


def _attribute(text: str) -> str:
    """Text as the value of an attribute in double quotes: nothing in it can end the value."""
    return text.replace("&", "&amp;").replace('"', "&quot;")


def _filled(template: Path, values: Mapping[str, Sequence[str]]) -> list[str]:
    pieces: list[str] = []
    for number, part in enumerate(_PLACEHOLDER.split(_text(template))):
        if number % 2 == 0:
            pieces.append(part)
        elif part in values:
            pieces.extend(values[part])
        else:
            known = ", ".join(f"{{{{{name}}}}}" for name in values)
            raise errors.DefinitionError(
                f"report template {template} has the placeholder {{{{{part}}}}}, which is not known; use {known}"
            )
    return pieces


def _text(template: Path) -> str:
    return _own(template) if template in (TEMPLATE, _FRAME) else _read(template)


@cache
def _own(template: Path) -> str:
    return _read(template)


def _read(template: Path) -> str:
    try:
        return template.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.DefinitionError(
            f"report template {template} cannot be read ({error}); correct Report.template_path"
        ) from error
