"""Whether the outputs behind a cache entry can be used."""

from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest
from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2
from tests.fakes import messages

from flyte_server.services.caching.outputs import FileOutputs

Literal = literals_pb2.Literal


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    (made / "raw").mkdir(parents=True)
    (made / "a0" / "1").mkdir(parents=True)
    return made


def problem(data: Path, outputs: common_pb2.Outputs, count: int | None = None) -> str | None:
    attempt = data / "a0" / "1"
    (attempt / "outputs.pb").write_bytes(outputs.SerializeToString())
    return FileOutputs(data).problem(str(attempt), count)


def one(literal: Literal) -> common_pb2.Outputs:
    return common_pb2.Outputs(literals=[common_pb2.NamedLiteral(name="o0", value=literal)])


def blob(uri: str) -> Literal:
    literal = Literal(hash="known")
    literal.scalar.blob.uri = uri
    return literal


def table(uri: str) -> Literal:
    literal = Literal()
    literal.scalar.structured_dataset.uri = uri
    return literal


def large(uri: str) -> Literal:
    literal = Literal(hash="known")
    literal.offloaded_metadata.uri = uri
    return literal


def listed(uri: str) -> Literal:
    return Literal(collection=literals_pb2.LiteralCollection(literals=[blob(uri)]))


def chosen(uri: str) -> Literal:
    literal = Literal()
    literal.scalar.union.value.CopyFrom(blob(uri))
    return literal


def record(uri: str) -> Literal:
    literal = Literal()
    literal.scalar.binary.tag = "msgpack"
    inner = msgpack.ExtType(2, msgpack.packb([{"path": uri}]))
    literal.scalar.binary.value = msgpack.packb({"name": "x", "files": [1, inner]})
    return literal


def test_outputs_that_are_there_can_be_used(data: Path) -> None:
    assert problem(data, messages.outputs(o0=1, o1=2), 2) is None
    assert problem(data, messages.outputs(o0=1, o1=2)) is None


def test_a_missing_file_is_fine_only_where_nothing_is_expected(data: Path) -> None:
    outputs = FileOutputs(data)
    assert outputs.problem(str(data / "gone"), 0) is None
    for count in (1, None):
        found = outputs.problem(str(data / "gone"), count)
        assert found is not None
        assert "gone" in found


def test_what_is_cut_or_foreign_cannot_be_used(data: Path) -> None:
    whole = messages.outputs(o0=1, o1=2).SerializeToString()
    file = data / "a0" / "1" / "outputs.pb"
    for cut in range(len(whole)):
        file.write_bytes(whole[:cut])
        assert FileOutputs(data).problem(str(file.parent), 2) is not None, cut
    file.write_bytes(b"\xff" * 30)
    assert "cannot be read" in (FileOutputs(data).problem(str(file.parent), 2) or "")


@pytest.mark.parametrize("around", [blob, table, large, listed, chosen, record])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_what_outputs_refer_to_must_be_there(
    data: Path, around: Callable[[str], Literal], scheme: str
) -> None:
    file = data / "raw" / "x"
    file.write_bytes(b"x")
    assert problem(data, one(around(f"{scheme}{file}"))) is None
    file.unlink()
    assert (
        problem(data, one(around(f"{scheme}{file}")))
        == f"{file}, to which output o0 refers, is gone"
    )


def test_another_store_is_trusted(data: Path) -> None:
    assert problem(data, one(blob("s3://bucket/x"))) is None
    assert FileOutputs(data).problem("s3://bucket/r/a0/1", 1) is None


def test_a_text_that_is_no_address_of_ours_is_left_alone(data: Path) -> None:
    assert problem(data, one(record("/nowhere/at/all"))) is None
    assert problem(data, one(record(f"see {data}/raw/x"))) is None


def test_nonsense_is_a_reason_and_never_an_error(data: Path) -> None:
    assert "gone" in (problem(data, one(blob("/" + "x" * 5000))) or "")
    assert "gone" in (problem(data, one(blob("/a\0b"))) or "")
    broken = record("x")
    embedded = msgpack.ExtType(21, b"\xff\xff")
    broken.scalar.binary.value = msgpack.packb({"path": f"{data}/gone", "odd": embedded})
    assert problem(data, one(broken)) is None, "a tree that cannot be read refers to nothing"
