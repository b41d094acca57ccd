"""Reading and writing of objects by address, on local paths and in object stores.

`_store` and `_transfer` have the verbs, `_files` what is open, `_official` what users of Flyte know by name. Below
them are the two kinds of stores, `_local` and `_objects`, and `_config`, which says how stores are reached. Values,
types, sessions and run directories are not known here.
"""

from flyte.storage._addresses import is_local, is_of_plane, is_remote, join, local_path
from flyte.storage._config.kinds import ABFS, GCS, S3, Settings, Storage
from flyte.storage._files.readers import Reader, Source, reader
from flyte.storage._files.sync_readers import sync_reader
from flyte.storage._files.sync_writers import SyncWriter, sync_writer
from flyte.storage._files.writers import Writer, writer
from flyte.storage._fsspec import get_configured_fsspec_kwargs, get_underlying_filesystem
from flyte.storage._official import (
    exists_sync,
    get,
    get_random_local_directory,
    get_random_local_path,
    get_stream,
    open,  # noqa: A004
    put,
    put_stream,
)
from flyte.storage._store import (
    Entry,
    Stat,
    delete,
    exists,
    map,  # noqa: A004
    read,
    stat,
    walk,
    write,
)
from flyte.storage._transfer import download, upload
from flyte.storage.digests import Digest

__all__ = [
    "ABFS",
    "GCS",
    "S3",
    "Digest",
    "Entry",
    "Reader",
    "Settings",
    "Source",
    "Stat",
    "Storage",
    "SyncWriter",
    "Writer",
    "delete",
    "download",
    "exists",
    "exists_sync",
    "get",
    "get_configured_fsspec_kwargs",
    "get_random_local_directory",
    "get_random_local_path",
    "get_stream",
    "get_underlying_filesystem",
    "is_local",
    "is_of_plane",
    "is_remote",
    "join",
    "local_path",
    "map",
    "open",
    "put",
    "put_stream",
    "read",
    "reader",
    "stat",
    "sync_reader",
    "sync_writer",
    "upload",
    "walk",
    "write",
    "writer",
]
