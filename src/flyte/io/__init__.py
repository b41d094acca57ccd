"""Values that live in a store and are named by an address: files, directories, tables.

What lives here: `File`, `Dir`, `DataFrame`, where new data goes (`_place`) and how these values travel (`_types`).
What does not: moving bytes (`flyte.storage`), literals of everything else (`flyte.types`).
"""

from typing import TYPE_CHECKING, Any

from flyte._kit import optional

if TYPE_CHECKING:
    from flyte.io._dataframe import PARQUET, DataFrame
    from flyte.io._dir import Dir, EmptyDir
    from flyte.io._file import File
    from flyte.io._hashing import HashFunction

__all__ = ["PARQUET", "DataFrame", "Dir", "EmptyDir", "File", "HashFunction"]

_HOMES = {
    "PARQUET": "flyte.io._dataframe",
    "DataFrame": "flyte.io._dataframe",
    "Dir": "flyte.io._dir",
    "EmptyDir": "flyte.io._dir",
    "File": "flyte.io._file",
    "HashFunction": "flyte.io._hashing",
}
"""Where the names live.  Each is loaded at its first use: most programs have no files, and pydantic is large."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(optional.module(_HOMES[name], needed_for="files and tables"), name)
