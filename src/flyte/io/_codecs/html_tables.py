"""Tables as plain HTML for reports: no colours of their own, so that they follow the reader's."""

import html
from collections.abc import Iterable, Sequence
from typing import Any


def of(
    names: Sequence[str], types: Sequence[str], rows: Iterable[Sequence[Any]], count: int
) -> str:
    """The first rows of a table.

    Args:
        names: of the columns.
        types: of the columns, as their library names them.
        rows: those to show.
        count: how many rows the whole table has.
    """
    head = "".join(
        f"<th>{_text(name)}<br><small>{_text(kind)}</small></th>"
        for name, kind in zip(names, types, strict=True)
    )
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return table + size(count, len(names))


def size(rows: int, columns: int) -> str:
    """How large a table is."""
    return f"<p>{rows:,} rows × {columns:,} columns</p>"  # noqa: RUF001 - the sign that every library prints


def _text(value: Any) -> str:
    return html.escape(str(value))
