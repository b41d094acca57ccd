"""Values that live in a store and are named by an address: files, directories, tables.

What lives here: `File`, `Dir`, `DataFrame`, where new data goes (`_place`) and how these values travel (`_types`).
What does not: moving bytes (`flyte.storage`), literals of everything else (`flyte.types`).
"""

from typing import TYPE_CHECKING, Any

from flyte._kit import optional
from flyte.io._dir import Dir, EmptyDir
from flyte.io._file import File
from flyte.io._hashing import HashFunction

if TYPE_CHECKING:
    from flyte.io._dataframe import PARQUET, DataFrame

__all__ = ["PARQUET", "DataFrame", "Dir", "EmptyDir", "File", "HashFunction"]

_TABLES = "flyte.io._dataframe"
_OF_TABLES = frozenset({"DataFrame", "PARQUET"})


def __getattr__(name: str) -> Any:
    """Tables are loaded at their first use: most programs have none."""
    if name in _OF_TABLES:
        return getattr(optional.module(_TABLES, needed_for="data frames"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
