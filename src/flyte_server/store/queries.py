"""Named statements: every file of `sql/` is one set of functions with named parameters."""

from pathlib import Path
from typing import Any

import aiosql

_FOLDER = Path(__file__).parent / "sql"


def load(name: str) -> Any:
    """The statements of `sql/<name>.sql`, each a function that takes a connection first.

    Example:
        statements = queries.load("runs")
        row = statements.by_id(connection, id=7)
    """
    return aiosql.from_path(_FOLDER / f"{name}.sql", "sqlite3", mandatory_parameters=False)
