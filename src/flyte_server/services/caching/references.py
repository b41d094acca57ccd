"""What stored inputs and specifications refer to, for retention."""

import logging
from collections.abc import Iterable
from pathlib import Path

from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2, task_definition_pb2
from google.protobuf.message import DecodeError

from flyte_server import blobs
from flyte_server.blobs import Bucket
from flyte_server.domain.errors import ControlPlaneError
from flyte_server.services.caching import addresses
from flyte_server.services.launch import templates

_log = logging.getLogger(__name__)


class FileReferences:
    """Implements `engine.retention.pins.References` on local files.

    Args:
        data: the data directory.
        bucket: other addresses of the same files.
    """

    def __init__(self, data: Path, bucket: Bucket | None = None) -> None:
        self._data = data.resolve()
        self._bucket = bucket
        self._bases = addresses.bases(str(self._data), bucket)

    def of_inputs(self, uri: str) -> frozenset[str]:
        try:
            inputs = common_pb2.Inputs.FromString(blobs.local_path(uri).read_bytes())
        except (FileNotFoundError, NotADirectoryError, ControlPlaneError):
            return self._below([uri])
        except DecodeError as error:
            _log.warning("the inputs %s cannot be read (%s); what they refer to may go", uri, error)
            return self._below([uri])
        return self._below([uri, *self._of_literals(each.value for each in inputs.literals)])

    def of_spec(self, body: bytes) -> frozenset[str]:
        try:
            spec = task_definition_pb2.TaskSpec.FromString(body)
            bundle = templates.template(body).bundle
        except (DecodeError, ControlPlaneError):  # of a trace, or of a task without a process
            return frozenset()
        defaults = self._of_literals(each.parameter.default for each in spec.default_inputs)
        return self._below([bundle, spec.task_template.metadata.code_bundle_uri, *defaults])

    def _of_literals(self, literals: Iterable[literals_pb2.Literal]) -> list[str]:
        return [uri for literal in literals for uri in addresses.of(literal, self._bases)]

    def _below(self, uris: Iterable[str]) -> frozenset[str]:
        """Those that lead below the data directory, relative to it."""
        paths = [path for uri in uris if uri and (path := self._path(uri)) is not None]
        return frozenset(
            path.relative_to(self._data).as_posix()
            for path in paths
            if path.is_relative_to(self._data)
        )

    def _path(self, uri: str) -> Path | None:
        kept = self._bucket.path(uri) if self._bucket else None
        return kept or _local(uri)


def _local(uri: str) -> Path | None:
    try:
        return blobs.local_path(uri)
    except ControlPlaneError:
        return None
