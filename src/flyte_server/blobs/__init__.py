"""Files of runs and uploads under the data directory, and signed links with which clients reach them over HTTP.

`links` signs and checks links, `arriving` takes a stream in, `reading` gives ranges of a file out, `listing` finds
files, `local` joins them to one store, `bucket` gives the files addresses of an object store too.  Links only ever
lead into the data directory: neither `..` nor a symbolic link gets out.  Does not live here: HTTP, and who may have a
link to what.
"""

from flyte_server.blobs.arriving import Announced, Received
from flyte_server.blobs.bucket import Bucket
from flyte_server.blobs.links import LINK_PREFIX, BadLink, Link, load_key
from flyte_server.blobs.listing import Found
from flyte_server.blobs.local import LocalBlobs, digest, local_path
from flyte_server.blobs.reading import OpenBlob

__all__ = [
    "LINK_PREFIX",
    "Announced",
    "BadLink",
    "Bucket",
    "Found",
    "Link",
    "LocalBlobs",
    "OpenBlob",
    "Received",
    "digest",
    "load_key",
    "local_path",
]
