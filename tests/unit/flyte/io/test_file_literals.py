"""`File` and `Dir` on the wire: their literals, inside of everything, as other Flyte SDKs write them."""

import asyncio
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import msgpack
import pydantic
import pytest
from flyteidl2.core import literals_pb2, types_pb2
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.runtime import FakeRuntime

from flyte._context import RawDataPath
from flyte._kit import stepping
from flyte.io import Dir, EmptyDir, File
from flyte.types import TypeTransformerFailedError, _engine

KEY = "v1"
REMOTE = File.from_existing_remote("s3://b/x.csv", file_cache_key=KEY)
FOLDER = Dir.from_existing_remote("s3://b/pages", dir_cache_key=KEY)


@dataclasses.dataclass
class Record:
    file: File
    folder: Dir
    files: list[File]
    maybe: File | None = None


class Model(pydantic.BaseModel):
    file: File
    by_name: dict[str, Dir]


class Pair(NamedTuple):
    file: File
    n: int


class Keyed(TypedDict):
    file: File


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The raw data of the task in which the test runs, in a working directory of its own."""
    run, work = tmp_path / "run", tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    with FakeRuntime().task(raw_data_path=RawDataPath(f"{run}/raw"), run_base_dir=str(run)):
        yield run / "raw"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "x.csv"
    path.write_text("a,b")
    return path


async def travelled(value: Any, hint: Any) -> Any:
    literal = await _engine.to_literal(value, hint)
    read = literals_pb2.Literal.FromString(literal.SerializeToString())
    return await _engine.to_python(read, hint)


def content(path: str | Path) -> str:
    return Path(path).read_text()


def overwrite(path: Path, text: str) -> None:
    path.write_text(text)


def from_json(document: dict[str, Any]) -> literals_pb2.Literal:
    return json_format.ParseDict(document, literals_pb2.Literal())


# --- the literals


async def test_a_file_is_a_blob() -> None:
    literal = await _engine.to_literal(REMOTE, File)
    assert json_format.MessageToDict(literal) == {
        "scalar": {"blob": {"metadata": {"type": {}}, "uri": "s3://b/x.csv"}},
        "hash": KEY,
    }
    assert _engine.literal_type(File) == types_pb2.LiteralType(blob=types_pb2.BlobType())
    assert _engine.literal_type(File[int]) == _engine.literal_type(File)


async def test_a_directory_is_a_blob_of_several_parts() -> None:
    literal = await _engine.to_literal(FOLDER, Dir)
    assert json_format.MessageToDict(literal) == {
        "scalar": {
            "blob": {
                "metadata": {"type": {"dimensionality": "MULTIPART"}},
                "uri": "s3://b/pages",
            }
        },
        "hash": KEY,
    }
    assert _engine.literal_type(Dir).blob.dimensionality == 1


async def test_literals_of_an_official_client_are_read() -> None:
    file = from_json(
        {
            "scalar": {
                "blob": {"metadata": {"type": {"format": "csv"}}, "uri": "s3://b/official/t.csv"}
            },
            "hash": "their-key",
        }
    )
    assert await _engine.to_python(file, File) == File(
        path="s3://b/official/t.csv", format="csv", hash="their-key"
    )
    empty = from_json(
        {
            "scalar": {
                "blob": {
                    "metadata": {"type": {"dimensionality": "MULTIPART"}},
                    "uri": "::flyte-empty-dir::",
                }
            }
        }
    )
    assert isinstance(await _engine.to_python(empty, Dir), EmptyDir)
    record = literals_pb2.Literal()
    record.scalar.binary.tag = "msgpack"
    record.scalar.binary.value = msgpack.packb(
        {
            "file": {"path": "s3://b/x.csv", "name": "x.csv", "format": "", "hash": None},
            "n": 1,
        }
    )
    pair = await _engine.to_python(record, Pair)
    assert pair == Pair(File(path="s3://b/x.csv"), 1)


async def test_inside_of_records_it_is_the_map_of_its_fields() -> None:
    literal = await _engine.to_literal(Record(REMOTE, FOLDER, [REMOTE]), Record)
    tree = msgpack.unpackb(literal.scalar.binary.value)
    fields = {"path": "s3://b/x.csv", "name": "x.csv", "format": "", "hash": KEY}
    assert tree["file"] == fields
    assert tree["files"] == [fields]
    assert tree["folder"]["path"] == "s3://b/pages"


# --- round trips


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (REMOTE, File),
        (REMOTE, File[str]),
        (File(path="s3://a/x", name="y", format="csv", hash="h"), File),
        (FOLDER, Dir),
        (Dir(path="s3://b/d/", name="other"), Dir[int]),
        (Dir.empty(), Dir),
        ([REMOTE, File(path="s3://b/y")], list[File]),
        ({"a": REMOTE}, dict[str, File]),
        ({1: FOLDER}, dict[int, Dir]),
        ((REMOTE, FOLDER), tuple[File, Dir]),
        (REMOTE, File | None),
        (None, File | None),
        (FOLDER, File | Dir),
        ("s3://b/x.csv", File | str),
        (REMOTE, File | str),
        (Record(REMOTE, FOLDER, [REMOTE], REMOTE), Record),
        ([Record(REMOTE, FOLDER, [])], list[Record]),
        (Model(file=REMOTE, by_name={"a": FOLDER, "e": Dir.empty()}), Model),
        (Pair(REMOTE, 1), Pair),
        ({"file": REMOTE}, Keyed),
        ({"any": [REMOTE, FOLDER]}, dict),
        (REMOTE, Any),
    ],
)
async def test_round_trips(value: Any, hint: Any) -> None:
    back = await travelled(value, hint)
    assert back == value
    assert isinstance(back, type(value))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
references = st.builds(
    lambda kind, path, **fields: kind(path=f"s3://bucket/{path}", **fields),
    st.sampled_from([File, Dir, File[int], Dir[str]]),
    texts,
    name=st.none() | texts,
    format=texts,
    hash=st.none() | texts.filter(bool),
)


@given(references)
def test_every_reference_comes_back(value: File | Dir) -> None:
    kind = type(value)
    back = stepping.drive(travelled(value, kind))
    assert back == value
    assert type(back) is kind
    record = Keyed(file=value) if isinstance(value, File) else {"folder": value}
    for around, hint in (
        ([value], list[kind]),
        ({"a": value}, dict[str, kind]),
        (value, kind | None),
        ({"a": value}, dict),
        (record, Keyed if isinstance(value, File) else dict[str, Dir]),
    ):
        assert stepping.drive(travelled(around, hint)) == around


def test_a_name_that_is_no_text_is_refused(raw: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.csv")
    path.touch()
    for value in (File.pending(path), File(path=f"s3://b/{path.name}")):
        with pytest.raises(TypeTransformerFailedError, match=r"outputs\.o0: "):
            stepping.drive(_engine.to_literal(value, File, "outputs.o0"))


@pytest.mark.parametrize("hint", [File, File[str]])
async def test_a_value_is_of_the_declared_class(hint: Any) -> None:
    assert type(await travelled(REMOTE, hint)) is hint
    assert (await travelled(Pair(REMOTE, 1), Pair)).file.lazy_uploader is None


async def test_an_address_is_understood_as_a_file() -> None:
    text = from_json({"scalar": {"primitive": {"stringValue": "s3://b/x"}}})
    assert await _engine.to_python(text, File) == File(path="s3://b/x")


# --- what is local is copied on the way


async def test_local_files_are_copied_when_they_travel(raw: Path, source: Path) -> None:
    folder = source.parent / "d"
    folder.mkdir()
    (folder / "1").touch()
    for value, hint in (
        (File.pending(source), File),
        ([File(path=str(source))], list[File]),
        (Record(File.pending(source), Dir.pending(folder), []), Record),
        ({"a": File.pending(source)}, Any),
    ):
        back = await travelled(value, hint)
        found = back if isinstance(back, File) else None
        if isinstance(back, list):
            found = back[0]
        elif isinstance(back, dict):
            found = back["a"]
        elif isinstance(back, Record):
            found = back.file
            assert Path(back.folder.path).is_relative_to(raw)
        assert isinstance(found, File)
        assert Path(found.path).is_relative_to(raw)
        assert found.hash is not None
        assert content(found.path) == "a,b"


async def test_what_travels_on_is_not_copied_again(raw: Path, source: Path) -> None:
    once = await travelled(File.pending(source), File)
    assert await travelled(once, File) == once


def test_conversion_works_without_an_event_loop(raw: Path, source: Path) -> None:
    literal = stepping.drive(_engine.to_literal(File.pending(source), File))
    assert Path(literal.scalar.blob.uri).read_text() == "a,b"
    record = Record(File.pending(source), Dir.empty(), [])
    assert stepping.drive(_engine.to_literal(record, Record)).hash


# --- identities


async def test_equal_content_is_equal_for_caching(raw: Path, source: Path) -> None:
    async def identity(value: Any, hint: Any) -> str:
        return (await _engine.to_literal(value, hint)).hash

    values: list[Any] = [
        (lambda: File.pending(source), File),
        (lambda: [File.pending(source)], list[File]),
        (lambda: Record(File.pending(source), FOLDER, [File.pending(source)]), Record),
        (lambda: Pair(File.pending(source), 1), Pair),
        (lambda: File.pending(source), File | None),
    ]
    for make, hint in values:
        one, two = await asyncio.gather(identity(make(), hint), identity(make(), hint))
        assert one
        assert one == two
        overwrite(source, "other")
        assert await identity(make(), hint) != one
        overwrite(source, "a,b")


async def test_without_a_key_the_address_is_the_identity() -> None:
    assert not (await _engine.to_literal(File(path="s3://b/x"), File)).hash


# --- refusals


@pytest.mark.parametrize(
    ("value", "hint", "told"),
    [
        ("x.csv", File, r"File\.from_local\(path\)"),
        (Path("x.csv"), Dir, r"Dir\.from_local\(path\)"),
        (FOLDER, File, "expected File"),
    ],
)
async def test_other_values_are_refused(value: Any, hint: Any, told: str) -> None:
    with pytest.raises(TypeTransformerFailedError, match=told):
        await _engine.to_literal(value, hint, "inputs.data")


async def test_a_local_file_that_is_not_there_fails_with_its_path(raw: Path) -> None:
    missing = File(path="/nowhere/x.csv")
    with pytest.raises(
        TypeTransformerFailedError, match=r"outputs\.o0\.file: .*there is no file /nowhere/x\.csv"
    ):
        await _engine.to_literal(Pair(missing, 1), Pair, "outputs.o0")


async def test_a_file_is_no_directory() -> None:
    literal = await _engine.to_literal(FOLDER, Dir)
    with pytest.raises(TypeTransformerFailedError, match="declare it as Dir"):
        await _engine.to_python(literal, File)


def test_subclasses_with_fields_of_their_own_are_refused() -> None:
    class Odd(File):
        size: int = 0

    with pytest.raises(TypeTransformerFailedError, match="into a dataclass"):
        _engine.literal_type(Odd)


# --- schemas


def test_wire_types_are_guessed_back() -> None:
    for hint in (File, Dir, list[File]):
        assert _engine.guess(_engine.literal_type(hint)) == hint
