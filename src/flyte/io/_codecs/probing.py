"""Whether a format holds a schema: it is asked by writing and reading a table without rows."""

from collections.abc import Callable
from typing import Any

from flyte.io._codecs import notes
from flyte.types._nodes.base import Mismatch


def check(schema: Any, comes_back: Callable[[Any], Any], format_name: str, fix: str) -> None:
    """Raise Mismatch, at its column, for the first field that the format does not give back.

    Args:
        schema: an Arrow schema.
        comes_back: writes a table without rows and gives the schema that was read.
        format_name: for the message.
        fix: what to do instead.
    """
    names = schema.names
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise Mismatch(
            "columns with names of their own",
            f"{names.count(repeated)} columns of this name",
            "rename them",
        ).at(f"[{repeated!r}]")
    if _holds(schema, comes_back) is None:
        return
    pa = notes.arrow()
    for field in schema:
        reason = _holds(pa.schema([field]), comes_back)
        if reason is not None:
            raise Mismatch(
                f"a column that {format_name} can hold", f"the type {field.type}{reason}", fix
            ).at(f"[{field.name!r}]")
    raise Mismatch(f"a table that {format_name} can hold", f"the schema {schema}", fix)


def _holds(schema: Any, comes_back: Callable[[Any], Any]) -> str | None:
    """Why a schema is not held; None if it is."""
    pa = notes.arrow()
    try:
        found = comes_back(schema)
    except (pa.ArrowException, TypeError, ValueError) as error:
        return f" ({str(error).strip().splitlines()[0]})"
    if found.equals(schema, check_metadata=True):
        return None
    return f", which would come back as {found.field(0).type}" if len(found) else ", which is lost"
