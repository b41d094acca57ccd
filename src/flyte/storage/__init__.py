"""Reading and writing of whole objects by address, on local paths and in object stores.

`_store` has the three verbs the runtime needs (`read`, `write`, `exists`), `_backends` the stores
behind them. Values, types and run directories are not known here.
"""

from flyte.storage._store import exists, is_local, join, read, write

__all__ = ["exists", "is_local", "join", "read", "write"]
