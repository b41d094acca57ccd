"""Conversions that really wait: users' transformers and uploads, wherever in a value they are, in both directions."""

import asyncio
import dataclasses
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
from flyteidl2.core import literals_pb2, types_pb2

from flyte._kit.aio import drive
from flyte.types import TypeEngine, TypeTransformer, TypeTransformerFailedError, _engine
from flyte.types._nodes import trees
from flyte.types._nodes.base import Definitions, Fit, Node

# A user's own type, kept in a file


class Note:
    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Note) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Note({self.text!r})"


class NoteTransformer(TypeTransformer[Note]):
    """Writes each note into a file of its own, under a random name, and identifies it by its text."""

    def __init__(self, folder: Path) -> None:
        super().__init__("note", Note)
        self.folder = folder
        self.at_once = 0
        self.most_at_once = 0

    def get_literal_type(self, t: Any) -> types_pb2.LiteralType:
        return types_pb2.LiteralType(
            simple=types_pb2.STRING, structure=types_pb2.TypeStructure(tag="note")
        )

    async def to_literal(
        self, python_val: Note, python_type: Any, expected: Any
    ) -> literals_pb2.Literal:
        await self._wait()
        if not python_val.text:
            raise TypeTransformerFailedError("an empty note cannot be kept")
        path = self.folder / f"{id(python_val)}-{len(list(self.folder.iterdir()))}"
        await asyncio.to_thread(path.write_text, python_val.text)
        primitive = literals_pb2.Primitive(string_value=str(path))
        scalar = literals_pb2.Scalar(primitive=primitive)
        return literals_pb2.Literal(scalar=scalar, hash=f"note:{python_val.text}")

    async def to_python_value(self, lv: literals_pb2.Literal, expected_python_type: Any) -> Note:
        await self._wait()
        path = Path(lv.scalar.primitive.string_value)
        try:
            return Note(await asyncio.to_thread(path.read_text))
        except FileNotFoundError as error:
            raise TypeTransformerFailedError("the note is gone") from error

    async def _wait(self) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.at_once -= 1


@pytest.fixture
def transformer(tmp_path: Path) -> Iterator[NoteTransformer]:
    folder = tmp_path / "notes"
    folder.mkdir()
    made = NoteTransformer(folder)
    TypeEngine.register(made)
    yield made
    del _engine.registry.transformers[Note]
    _engine._forget()


@dataclasses.dataclass
class Page:
    title: Note
    lines: list[Note | str]
    by_name: dict[str, Note] = dataclasses.field(default_factory=dict)
    pair: tuple[int, Note] | None = None


class Book(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    pages: list[Page]
    cover: Note | None = None


class Named(typing.NamedTuple):
    number: int
    note: Note


class Entry(typing.TypedDict):
    note: Note
    more: typing.NotRequired[list[Note]]


PAGE = Page(Note("t"), [Note("a"), "b", Note("c")], {"x": Note("d")}, (1, Note("e")))

CASES = [
    (Note("a"), Note),
    ([Note("a"), Note("b")], list[Note]),
    ({"a": Note("b")}, dict[str, Note]),
    ({1: Note("b")}, dict[int, Note]),
    ((Note("a"), 2), tuple[Note, int]),
    ((Note("a"), Note("b")), tuple[Note, ...]),
    ({Note("a"), Note("b")}, set[Note]),
    (Note("a"), Note | str | None),
    ([None, Note("a"), "a"], list[Note | str | None]),
    (PAGE, Page),
    ([PAGE, PAGE], list[Page]),
    (Named(1, Note("a")), Named),
    ([Named(1, Note("a"))], list[Named]),
    ({"note": Note("a"), "more": [Note("b")]}, Entry),
    (Book(pages=[PAGE], cover=Note("c")), Book),
    ((Book(pages=[]), [[PAGE]]), tuple[Book, list[list[Page]]]),
]


async def travelled(value: Any, hint: Any) -> Any:
    literal = await _engine.to_literal(value, hint)
    arrived = literals_pb2.Literal.FromString(literal.SerializeToString())
    return await _engine.to_python(arrived, hint)


@pytest.mark.parametrize(("value", "hint"), CASES)
async def test_it_may_wait_everywhere(transformer: NoteTransformer, value: Any, hint: Any) -> None:
    arrived = await travelled(value, hint)

    assert arrived == value
    assert type(arrived) is type(value)


@pytest.mark.parametrize(("value", "hint"), CASES)
def test_where_no_loop_runs_the_background_one_waits(
    transformer: NoteTransformer, value: Any, hint: Any
) -> None:
    assert drive(travelled(value, hint)) == value


async def test_a_blocking_call_on_a_running_loop_waits_too(transformer: NoteTransformer) -> None:
    # So a plain task is called from an async one in local mode.
    assert drive(travelled(PAGE, Page)) == PAGE


async def test_the_parts_of_a_value_wait_together(transformer: NoteTransformer) -> None:
    page = Page(Note("t"), [Note(str(i)) for i in range(20)])

    literal = await _engine.to_literal(page, Page)
    assert transformer.most_at_once == 21
    transformer.most_at_once = 0
    assert await _engine.to_python(literal, Page) == page
    assert transformer.most_at_once == 21


@pytest.mark.parametrize(
    ("value", "hint", "place"),
    [
        ([Note("a"), Note("")], list[Note], "outputs.o0[1]"),
        (Page(Note("t"), [Note("a"), "b", Note("")]), Page, "outputs.o0.lines[2]"),
        (Page(Note("t"), [], {"k": Note("")}), Page, "outputs.o0.by_name['k']"),
        (Page(Note("t"), [], {}, (1, Note(""))), Page, "outputs.o0.pair[1]"),
        ([Named(1, Note(""))], list[Named], "outputs.o0[0].note"),
        (Book(pages=[PAGE, Page(Note(""), [])]), Book, "outputs.o0.pages[1].title"),
        ({"note": Note("a"), "more": [Note("")]}, Entry, "outputs.o0['more'][0]"),
    ],
)
async def test_a_part_that_cannot_be_written_is_named(
    transformer: NoteTransformer, value: Any, hint: Any, place: str
) -> None:
    with pytest.raises(TypeTransformerFailedError, match="an empty note cannot be kept") as caught:
        await _engine.to_literal(value, hint, "outputs.o0")
    assert caught.value.path == place


@pytest.mark.parametrize(
    ("value", "hint", "place"),
    [
        (Page(Note("t"), ["a", Note("gone")]), Page, "inputs.x.lines[1]"),
        ((1, [Named(1, Note("gone"))]), tuple[int, list[Named]], "inputs.x[1][0].note"),
        (
            Book(pages=[Page(Note("t"), [], {"k": Note("gone")})]),
            Book,
            "inputs.x.pages[0].by_name['k']",
        ),
    ],
)
async def test_a_part_that_cannot_be_read_is_named(
    transformer: NoteTransformer, value: Any, hint: Any, place: str
) -> None:
    literal = await _engine.to_literal(value, hint)
    for path in transformer.folder.iterdir():
        if path.read_text() == "gone":
            path.unlink()

    with pytest.raises(TypeTransformerFailedError, match="the note is gone") as caught:
        await _engine.to_python(literal, hint, "inputs.x")
    assert caught.value.path == place


@pytest.mark.parametrize(("value", "hint"), CASES)
async def test_the_hash_of_a_part_makes_that_of_the_whole(
    transformer: NoteTransformer, value: Any, hint: Any
) -> None:
    one, other = await _engine.to_literal(value, hint), await _engine.to_literal(value, hint)

    assert one.hash
    assert one.hash == other.hash
    assert one != other  # the addresses differ


async def test_another_content_has_another_hash(transformer: NoteTransformer) -> None:
    hashes = {
        (await _engine.to_literal(value, hint)).hash
        for value, hint in [
            ([Note("a"), Note("b")], list[Note]),
            ([Note("b"), Note("a")], list[Note]),
            ([Note("ab")], list[Note]),
            ({"a": Note("b")}, dict[str, Note]),
            ({"b": Note("a")}, dict[str, Note]),
            (Page(Note("a"), []), Page),
            (Page(Note("a"), ["x"]), Page),
            (Page(Note("b"), []), Page),
        ]
    }

    assert len(hashes) == 8


async def test_a_value_without_such_parts_has_no_hash(transformer: NoteTransformer) -> None:
    assert not (await _engine.to_literal(["a", None], list[Note | str | None])).hash
    assert not (await _engine.to_literal([1], list[int])).hash


# What other rooms put into trees: here a stand-in for a file


class Upload(trees.Later):
    def __init__(self, name: str) -> None:
        self.name = name

    async def tree(self) -> Any:
        await asyncio.sleep(0)
        return trees.Identified({"path": f"store/{id(self)}/{self.name}"}, f"hash of {self.name}")


class Stored:
    """A class that no transformer knows: its node is given by hand."""

    def __init__(self, name: str) -> None:
        self.name = name


class StoredNode(Node):
    kinds = frozenset({"map"})
    tag = "stored"
    name = "Stored"
    waits = True

    def pack(self, value: Any) -> Any:
        return Upload(value.name)

    def unpack(self, tree: Any) -> Any:
        if isinstance(tree, trees.Arrived):
            return tree.value
        raise trees.Waiting(lambda: self._load(tree))

    async def _load(self, tree: Any) -> Stored:
        await asyncio.sleep(0)
        return Stored(tree["path"].rpartition("/")[2])

    def fit(self, value: Any) -> Fit:
        return Fit.EXACT if type(value) is Stored else Fit.NO

    def schema(self, definitions: Definitions) -> dict[str, Any]:
        return {"type": "object"}


class StoredTransformer(TypeTransformer[Stored]):
    def get_literal_type(self, t: Any) -> types_pb2.LiteralType:
        return types_pb2.LiteralType(simple=types_pb2.STRUCT)

    async def to_literal(self, python_val: Any, python_type: Any, expected: Any) -> Any:
        raise NotImplementedError

    async def to_python_value(self, lv: Any, expected_python_type: Any) -> Any:
        raise NotImplementedError

    def node(self, hint: Any, build: Any) -> Node:
        return StoredNode()


@dataclasses.dataclass
class Folder:
    files: list[Stored | None]
    best: Stored | dict[str, int] | None = None


@pytest.fixture
def stored() -> Iterator[None]:
    TypeEngine.register(StoredTransformer("stored", Stored))
    yield
    del _engine.registry.transformers[Stored]
    _engine._forget()


async def test_a_node_of_another_room_waits_in_both_directions(stored: None) -> None:
    folder = Folder([Stored("a"), None, Stored("b")], best=Stored("c"))

    literal = await _engine.to_literal(folder, Folder)
    arrived = await _engine.to_python(literal, Folder)

    assert [each and each.name for each in arrived.files] == ["a", None, "b"]
    assert arrived.best.name == "c"
    assert literal.hash == (await _engine.to_literal(folder, Folder)).hash
    tree = trees.unpack(literal.scalar.binary.value)
    assert tree["files"][0]["path"].endswith("/a")  # bare, as every SDK writes it
    assert tree["files"][1] is None


async def test_its_neighbours_in_a_union_are_told_apart(stored: None) -> None:
    literal = await _engine.to_literal(Folder([], best={"path": 1}), Folder)

    assert (await _engine.to_python(literal, Folder)).best == {"path": 1}
