"""Whether the outputs behind a cache entry are still there, whole, with everything they refer to."""

from pathlib import Path

from flyteidl2.task import common_pb2
from google.protobuf.message import DecodeError

from flyte_server import blobs
from flyte_server.blobs import Bucket, seals
from flyte_server.domain.errors import Conflict
from flyte_server.services.caching import addresses
from flyte_server.services.wire.commands import OUTPUTS_FILE


class FileOutputs:
    """Implements `engine.ports.Outputs` on attempt directories that are local files.

    Args:
        data: the directory below which tasks put what their outputs refer to; addresses inside of records are looked
            at only there.
        bucket: other addresses of the same files.
    """

    def __init__(self, data: Path, bucket: Bucket | None = None) -> None:
        self._bucket = bucket
        self._bases = addresses.bases(str(data), bucket)

    def problem(self, output_uri: str, count: int | None) -> str | None:
        path = _local(f"{output_uri}/{OUTPUTS_FILE}")
        if path is None:
            return None  # another kind of storage: reading it here would take too long
        try:
            content = path.read_bytes()
            outputs = common_pb2.Outputs.FromString(seals.message(content))
        except FileNotFoundError:
            return None if count == 0 else f"{path} is gone"
        except (OSError, DecodeError) as error:
            return f"{path} cannot be read ({error})"
        if (damage := seals.damage(content)) is not None:
            return f"{path} {damage}"
        if count is not None and len(outputs.literals) < count:
            return f"{path} has {len(outputs.literals)} of {count} outputs"
        return self._missing(outputs)

    def _missing(self, outputs: common_pb2.Outputs) -> str | None:
        for named in outputs.literals:
            for uri in addresses.of(named.value, self._bases):
                path = (self._bucket and self._bucket.path(uri)) or _local(uri)
                if path is not None and not _is_there(path):
                    return f"{path}, to which output {named.name} refers, is gone"
        return None


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # what cannot even be looked at cannot be used either
        return False


def _local(uri: str) -> Path | None:
    try:
        return blobs.local_path(uri)
    except Conflict:
        return None
