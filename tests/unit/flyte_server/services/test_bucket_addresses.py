"""Objects of our own bucket are files of ours: for caches, and for what retention must keep."""

from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest
from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2

from flyte_server.blobs import Bucket
from flyte_server.blobs.kept import KeptFiles
from flyte_server.services.caching.outputs import FileOutputs
from flyte_server.services.caching.references import FileReferences

BUCKET = "flyte-objects-12ab"
KEY = "p/d/r/a0/raw/x"
URI = f"s3://{BUCKET}/{KEY}"
ELSEWHERE = f"s3://flyte-objects-34cd/{KEY}"


def blob(uri: str) -> literals_pb2.Literal:
    literal = literals_pb2.Literal()
    literal.scalar.blob.uri = uri
    return literal


def record(uri: str) -> literals_pb2.Literal:
    literal = literals_pb2.Literal()
    literal.scalar.binary.tag = "msgpack"
    literal.scalar.binary.value = msgpack.packb({"file": {"path": uri}}) or b""
    return literal


@pytest.mark.parametrize("made", [blob, record])
def test_outputs_whose_object_is_gone_are_of_no_use(
    tmp_path: Path, made: Callable[[str], literals_pb2.Literal]
) -> None:
    outputs = FileOutputs(tmp_path, Bucket(BUCKET, tmp_path))
    for uri, is_ours in ((URI, True), (ELSEWHERE, False)):
        value = common_pb2.NamedLiteral(name="o0", value=made(uri))
        content = common_pb2.Outputs(literals=[value]).SerializeToString()
        (tmp_path / "outputs.pb").write_bytes(content)
        path = tmp_path / KEY
        path.unlink(missing_ok=True)
        problem = outputs.problem(str(tmp_path), 1)
        assert (problem is not None) == is_ours
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert outputs.problem(str(tmp_path), 1) is None


@pytest.mark.parametrize("made", [blob, record])
def test_inputs_keep_the_run_whose_objects_they_name(
    tmp_path: Path, made: Callable[[str], literals_pb2.Literal]
) -> None:
    references = FileReferences(tmp_path, Bucket(BUCKET, tmp_path))
    values = [common_pb2.NamedLiteral(name=uri, value=made(uri)) for uri in (URI, ELSEWHERE)]
    path = tmp_path / "inputs.pb"
    path.write_bytes(common_pb2.Inputs(literals=values).SerializeToString())
    assert references.of_inputs(str(path)) == {"inputs.pb", KEY}


def test_a_bucket_is_named_after_its_key(tmp_path: Path) -> None:
    first, other = Bucket.of(b"1", tmp_path), Bucket.of(b"2", tmp_path)
    assert first.name != other.name
    assert first.name.startswith("flyte-objects-")
    assert first.path(first.uri("a/b")) == tmp_path / "a/b"
    assert first.path(other.uri("a/b")) is None


def test_uploads_that_nobody_ends_go_with_other_leftovers(tmp_path: Path) -> None:
    folder = tmp_path / "work" / f"multipart-{'0' * 32}"
    folder.mkdir(parents=True)
    assert list(KeptFiles(tmp_path).leftovers(folder.stat().st_mtime + 1)) == [folder]
    assert not list(KeptFiles(tmp_path).leftovers(folder.stat().st_mtime))
