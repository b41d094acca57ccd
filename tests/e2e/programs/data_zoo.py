"""Data in every form and every ending that belongs to it; one parent calls all cases and says what it got."""

import asyncio
import tempfile
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
from flyteidl2.core import identifier_pb2
from marking import mark

import flyte
import flyte.errors
from flyte.io import DataFrame, Dir, File

env = flyte.TaskEnvironment(name="data_zoo")

TABLE = pd.DataFrame({"n": [1, 2, 3], "word": ["a", None, "ü"], "x": [0.5, -0.0, 1e300]})
LARGE = 3 << 20
"""Bytes of a value that goes by reference."""


@dataclass
class Bundle:
    """Values that live in a store, inside of a record."""

    name: str
    data: File
    more: list[File] = field(default_factory=list)
    folder: Dir | None = None
    table: DataFrame | None = None


class Card(pydantic.BaseModel):
    """The same in a pydantic model."""

    title: str
    picture: File | None = None


class Parts(NamedTuple):
    text: File
    count: int


@dataclass
class Deep:
    points: list[dict[str, Any]]
    when: datetime


# Files and directories


async def written(name: str, text: str) -> File:
    file = File.new_remote(name)
    async with file.open("wb") as out:
        await out.write(text.encode())
    return file


async def text_of(file: File) -> str:
    async with file.open("rb") as source:
        return (await source.read()).decode()


@env.task
async def make_file(text: str) -> File:
    return await written("made.txt", text)


@env.task
def local_file(text: str) -> File:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scratch.txt"
        path.write_text(text)
        return File.from_local_sync(path)


@env.task
async def read_file(file: File) -> str:
    return await text_of(file)


@env.task
def read_plain(file: File) -> str:
    with file.open_sync("r") as source:
        return source.read()


@env.task
def make_dir() -> Dir:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "inner").mkdir()
        (root / "a.txt").write_text("a")
        (root / "inner" / "b.txt").write_text("bb")
        (root / "inner" / "empty").write_text("")
        return Dir.from_local_sync(root)


@env.task
async def read_dir(folder: Dir) -> dict[str, str]:
    return {file.name or "": await text_of(file) async for file in folder.walk()}


@env.task
async def bundled(bundle: Bundle) -> Bundle:
    text = await text_of(bundle.data)
    more = [*bundle.more, await written("more.txt", text * 2)]
    table = DataFrame.from_df(TABLE)
    return Bundle(bundle.name.upper(), bundle.data, more, await make_dir.aio(), table)


@env.task
async def carded(card: Card) -> Card:
    return Card(title=card.title + "!", picture=card.picture)


@env.task
async def parted(text: str) -> Parts:
    return Parts(await written("t", text), len(text))


@env.task
async def listed(files: list[File], named: dict[str, File], maybe: File | str | None) -> list[str]:
    third = await text_of(maybe) if isinstance(maybe, File) else repr(maybe)
    return [*[await text_of(f) for f in files], *[await text_of(f) for f in named.values()], third]


# Tables


@env.task
async def as_pandas(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(n=table["n"] * 2)


@env.task
async def as_arrow(table: pa.Table) -> pa.Table:
    return table.slice(1)


@env.task
async def as_reference(table: DataFrame) -> DataFrame:
    frame = await table.open(pa.Table).all()
    return DataFrame.from_df(frame.select(["n"]))


@env.task
async def one_column(table: Annotated[pd.DataFrame, {"n": int}]) -> list[str]:
    return list(table.columns)


@env.task
async def as_csv(table: pd.DataFrame) -> Annotated[pd.DataFrame, "csv"]:
    return table[["n"]]


# Arrays, messages, large values


@env.task
async def array(values: np.ndarray) -> np.ndarray:
    return values * 2


@env.task
async def scalar(value: np.float32) -> np.float32:
    return value + np.float32(1)


@env.task
async def message(value: identifier_pb2.Identifier) -> identifier_pb2.Identifier:
    return identifier_pb2.Identifier(name=value.name, version="2")


@env.task
async def bytes_back(value: bytes) -> bytes:
    return value[::-1]


@env.task
async def text_back(value: str) -> str:
    return value + "."


@env.task
async def numbers_back(value: list[int]) -> list[int]:
    return value[::-1]


@env.task
async def large_error() -> int:
    raise ValueError("x" * 2_000_000)


# What must fail


@env.task
async def deep_wrong() -> Deep:
    return Deep([{"a": 1}, {"b": threading.Lock()}], datetime.now(UTC))


@env.task
async def wrong_record() -> Bundle:
    return Bundle("n", "not a file")  # type: ignore[arg-type]


@env.task
async def mixed_column() -> pd.DataFrame:
    return pd.DataFrame({"n": [1, "two", {"three": 3}]})


@env.task
async def read_missing() -> str:
    return await text_of(File.from_existing_remote(f"{flyte.ctx().raw_data_path.path}/no/such"))


@env.task
async def read_corrupt() -> str:
    file = await make_file("whole")
    await asyncio.to_thread(Path(file.path).write_text, "wrong")
    return await text_of(file)


@env.task
async def not_a_file() -> File:
    return await File.from_local("/no/such/file.txt")


# Caching


@env.task(cache="auto")
async def counted(marks: str, file: File) -> str:
    mark(marks, "counted-file")
    return await text_of(file)


@env.task(cache="auto")
async def counted_table(marks: str, table: pd.DataFrame) -> int:
    mark(marks, "counted-table")
    return int(table["n"].sum())


@env.task(cache=flyte.Cache("auto", ignored_inputs=("verbose",)))
async def counted_ignoring(marks: str, n: int, verbose: bool) -> int:
    mark(marks, "counted-ignoring")
    return n


@env.task(cache=flyte.Cache("auto", salt="one"))
async def salted(marks: str, n: int) -> int:
    mark(marks, "salted")
    return n


@env.task(cache="override")
async def overriding(marks: str, n: int) -> int:
    mark(marks, "overriding")
    return n


@env.task(cache=flyte.Cache("auto", serialize=True))
async def serialized(marks: str, n: int) -> int:
    mark(marks, "serialized")
    await asyncio.sleep(0.3)
    return n


@env.task(cache=flyte.Cache("auto", max_age=3600))
async def aged(marks: str, large: bytes) -> bytes:
    mark(marks, "aged")
    return large[:2] + bytes(LARGE)


@env.task(cache="auto")
async def failing(marks: str) -> int:
    mark(marks, "failing")
    raise ValueError("never kept")


async def same_content(marks: str) -> list[str]:
    first, second = await make_file("same"), await local_file.aio("same")
    return [await counted(marks, first), await counted(marks, second)]


async def same_rows(marks: str) -> list[int]:
    return [await counted_table(marks, TABLE), await counted_table(marks, TABLE.copy())]


async def other_rows(marks: str) -> int:
    return await counted_table(marks, TABLE.assign(n=[9, 9, 9]))


async def twice(task: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> list[Any]:
    return [await task(*args, **kwargs), await task(*args, **kwargs)]


async def ignoring(marks: str) -> list[int]:
    return [await counted_ignoring(marks, 1, True), await counted_ignoring(marks, 1, False)]


async def at_once(marks: str) -> list[int]:
    return await asyncio.gather(*(serialized(marks, 1) for _ in range(4)))


async def failing_twice(marks: str) -> None:
    try:
        await failing(marks)
    except flyte.errors.RuntimeUserError:
        await failing(marks)


# What the parent shows


async def bundle_told(_: str) -> list[str]:
    made = await bundled(Bundle("b", await make_file("in"), [await make_file("one")]))
    assert made.folder
    assert made.table
    table = await made.table.open(pd.DataFrame).all()
    files = sorted([file.name or "" async for file in made.folder.walk()])
    texts = [await text_of(made.data), *[await text_of(file) for file in made.more]]
    return [made.name, *texts, *files, repr(table.equals(TABLE))]


async def card_told(_: str) -> list[str]:
    made = await carded(Card(title="t", picture=await make_file("pixels")))
    assert made.picture
    return [made.title, await text_of(made.picture), repr(await carded(Card(title="u")))]


async def parts_told(_: str) -> tuple[str, int]:
    made = await parted("four")
    return await text_of(made.text), made.count


async def list_told(_: str) -> list[list[str]]:
    one, two, three = await asyncio.gather(*(make_file(text) for text in ("1", "2", "3")))
    return [
        await listed([one, two], {"x": three}, three),
        await listed([], {}, None),
        await listed([one], {}, "s"),
    ]


async def frames_told(_: str) -> list[str]:
    doubled = await as_pandas(TABLE)
    less = await as_arrow(pa.Table.from_pandas(TABLE))
    return [repr(list(doubled.dtypes)), repr(doubled), repr(less.to_pydict())]


async def reference_told(_: str) -> list[str]:
    made = await as_reference(DataFrame.from_df(TABLE))
    return [type(made).__name__, repr(await made.open(pd.DataFrame).all()), made.format]


async def csv_told(_: str) -> str:
    return repr(await as_csv(TABLE))


async def arrays_told(_: str) -> list[str]:
    small, large = np.arange(6, dtype="<i2").reshape(2, 3), np.ones(LARGE // 8)
    twice_large = await array(large)
    return [
        repr(await array(small)),
        f"{type(twice_large).__name__} {twice_large.dtype} {twice_large.shape} {twice_large.sum()}",
        repr(await scalar(np.float32(0.1))),
    ]


async def large_told(_: str) -> list[Any]:
    raw = bytes(range(256)) * (LARGE // 256)
    text = "é" * LARGE
    numbers = list(range(400_000))
    return [
        await bytes_back(raw) == raw[::-1],
        await text_back(text) == text + ".",
        await numbers_back(numbers) == numbers[::-1],
    ]


CASES: dict[str, Callable[[str], Awaitable[Any]]] = {
    "file": lambda m: chained(make_file("é\n"), read_file),
    "file_from_local": lambda m: chained(local_file.aio("gone"), read_plain.aio),
    "dir": lambda m: chained(make_dir.aio(), read_dir),
    "in_a_record": bundle_told,
    "in_a_model": card_told,
    "in_a_named_tuple": parts_told,
    "in_containers": list_told,
    "frames": frames_told,
    "table_by_reference": reference_told,
    "column_subset": lambda m: one_column(TABLE),
    "csv": csv_told,
    "arrays": arrays_told,
    "message": lambda m: message(identifier_pb2.Identifier(name="n")),
    "large": large_told,
    "large_error": lambda m: large_error(),
    "unserializable": lambda m: deep_wrong(),
    "wrong_record": lambda m: wrong_record(),
    "mixed_column": lambda m: mixed_column(),
    "missing_file": lambda m: read_missing(),
    "corrupt_file": lambda m: read_corrupt(),
    "not_a_file": lambda m: not_a_file(),
    "cached_by_content": same_content,
    "cached_table": same_rows,
    "cached_other_table": other_rows,
    "cached_ignoring": ignoring,
    "cached_salted": lambda m: twice(salted, m, 1),
    "cached_overriding": lambda m: twice(overriding, m, 1),
    "cached_serialized": at_once,
    "cached_large": lambda m: lengths(twice(aged, m, b"ab" + bytes(LARGE))),
    "not_cached_failure": failing_twice,
}


async def chained(first: Awaitable[Any], then: Callable[[Any], Awaitable[Any]]) -> Any:
    return await then(await first)


async def lengths(values: Awaitable[list[bytes]]) -> list[int]:
    return [len(value) for value in await values]


async def told(case: Callable[[str], Awaitable[Any]], marks: str) -> str:
    try:
        value = await case(marks)
    except Exception as error:  # noqa: BLE001 - the table is about every kind of error
        text = f"{type(error).__name__} {getattr(error, 'code', '')}: {error}".partition("\n")[0]
        return text.replace(flyte.ctx().run_base_dir, "<run>")[:400]
    return f"{type(value).__name__} {value!r}"


@env.task
async def everything(marks: str) -> dict[str, str]:
    """What each case gives: the value with its type, or the error with its class and code."""
    return {name: await told(case, marks) for name, case in CASES.items()}
