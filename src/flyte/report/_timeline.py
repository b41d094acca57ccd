"""`Timeline`: what happened, one row after the other, in a tab of the running task's report."""

import html
from datetime import datetime
from typing import Any

from flyte.report import _verbs


class Timeline:
    """Writes headings and rows into a tab; everything is plain text, so that any value can be shown.

    Args:
        tab_name: the tab; it is made if need be.

    Example:
        >>> timeline = flyte.report.Timeline("Calls")
        >>> timeline.heading("Agent")
        >>> timeline.row(icon="🔧", label="search", meta="120 ms", detail='{"q": "tides"}')
    """

    def __init__(self, tab_name: str = "main") -> None:
        self._tab_name = tab_name

    def heading(self, text: Any) -> None:
        """Begin a section."""
        self._log(f'<h3 class="flyte-heading">{html.escape(abbreviate(text))}</h3>')

    def row(
        self,
        *,
        icon: str = "•",
        label: Any = "",
        meta: str = "",
        detail: str = "",
        error: Any = None,
    ) -> None:
        """Add a row.

        Args:
            icon: a character or two.
            label: what happened; a value that is not text is shown by its `repr`, cut if it is long.
            meta: a short remark at the end of the row, such as a duration.
            detail: more to read, shown when the row is opened.
            error: what went wrong, if something did.
        """
        parts = [
            f'<span class="flyte-icon" aria-hidden="true">{html.escape(icon)}</span>',
            f'<span class="flyte-label">{html.escape(abbreviate(label))}</span>',
            f'<span class="flyte-meta">{html.escape(meta)}</span>',
        ]
        if error is not None:
            parts.append(f'<p class="flyte-error">{html.escape(_complaint(error))}</p>')
        if detail:
            parts.append(
                f"<details><summary>Details</summary><pre>{html.escape(detail)}</pre></details>"
            )
        self._log(f'<div class="flyte-row">{"".join(parts)}</div>')

    def _log(self, content: str) -> None:
        _verbs.get_tab(self._tab_name).log(content)


def abbreviate(value: Any, limit: int = 300) -> str:
    """A value as text of at most `limit` characters; text as it is, anything else by its `repr`.

    The text is not escaped.

    >>> abbreviate([1, 2, 3], limit=6)
    '[1, 2…'
    """
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else f"{text[: max(limit - 1, 0)]}…"


def duration_ms(start_iso: Any, end_iso: Any) -> str:
    """The time between two moments (ISO 8601 texts or datetimes), in milliseconds; empty when one is missing.

    >>> duration_ms("2025-01-31T12:00:00Z", "2025-01-31T12:00:01.234Z")
    '1234 ms'
    """
    start, end = _moment(start_iso), _moment(end_iso)
    if start is None or end is None or (start.tzinfo is None) != (end.tzinfo is None):
        return ""
    return f"{round((end - start).total_seconds() * 1000)} ms"


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _complaint(error: Any) -> str:
    if isinstance(error, BaseException):
        return abbreviate(f"{type(error).__name__}: {error}")
    return abbreviate(error)
