"""Tables in a real object store: every library and format, and only the columns that are needed."""

from collections import OrderedDict
from contextlib import suppress
from socket import SHUT_RDWR, socket
from typing import Annotated, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal
from tests.storage_servers import Line, SeaweedFS

from flyte import _session, errors
from flyte._session import Session
from flyte.io import DataFrame
from flyte.types import _engine

pytestmark = pytest.mark.timeout(120)

FRAME = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
FRAMES = {
    "pandas": FRAME,
    "polars": pl.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]}),
    "lazy": pl.LazyFrame({"a": [1, 2, 3], "b": ["x", None, "z"]}),
    "arrow": pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]}),
}


@pytest.mark.parametrize("format_name", ["parquet", "csv", "arrow"])
@pytest.mark.parametrize("name", FRAMES)
async def test_tables_come_back(in_s3: str, name: str, format_name: str) -> None:
    hint = Annotated[type(FRAMES[name]), format_name]
    literal = await _engine.to_literal(FRAMES[name], hint)
    assert literal.scalar.structured_dataset.uri.startswith(in_s3)
    for other in FRAMES.values():
        table = await _engine.to_python(literal, DataFrame)
        frame = await table.open(type(other)).all()
        assert type(frame) is type(other)
        assert rows(frame) == [(1, "x"), (2, None), (3, "z")]
        one = await _engine.to_python(literal, Annotated[type(other), OrderedDict(a=int)])
        assert rows(one) == [(1,), (2,), (3,)]
        pieces = [rows(piece) async for piece in table.open(type(other)).iter()]
        assert [row for piece in pieces for row in piece] == rows(frame)


def rows(frame: Any) -> list[tuple[Any, ...]]:
    if isinstance(frame, pd.DataFrame):
        frame = pa.Table.from_pandas(frame)
    if isinstance(frame, pa.Table):
        return list(zip(*(column.to_pylist() for column in frame.columns), strict=True))
    return frame.lazy().collect().rows()


class CountingLine(Line):
    """Knows how many bytes came from the server."""

    received = 0

    def _pump(self, source: socket, target: socket, *_: object) -> None:
        with suppress(OSError):
            comes_in = source.getpeername()[1] == self._server
            while data := source.recv(64 * 1024):
                self.received += len(data) * comes_in
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(SHUT_RDWR)


@pytest.mark.parametrize("cls", [pd.DataFrame, pa.Table])
async def test_only_the_columns_that_are_needed_are_transferred(
    in_s3: str, seaweedfs: SeaweedFS, cls: Any
) -> None:
    noise = np.random.default_rng(0).random((8, 500_000))
    wide = pa.table({f"c{number}": column for number, column in enumerate(noise)})
    literal = await _engine.to_literal(wide, pa.Table)
    with CountingLine(seaweedfs.port) as line, _session.using(Session(storage=line.settings)):
        frame = await _engine.to_python(literal, Annotated[cls, OrderedDict(c3=float)])
        assert np.array_equal(np.asarray(frame["c3"]), noise[3])
        assert line.received < 1.5 * noise[3].nbytes


async def test_a_folder_of_others_is_one_table(in_s3: str, seaweedfs: SeaweedFS) -> None:
    for number, piece in enumerate((FRAME[:2], FRAME[2:])):
        await DataFrame.from_local(piece, remote_destination=f"{in_s3}/rows/{number:05}")
    table = DataFrame.from_existing_remote(f"{in_s3}/rows")
    assert_frame_equal(
        (await table.open(pd.DataFrame).all()).reset_index(drop=True), FRAME, check_index_type=False
    )
    assert (await table.open(pl.DataFrame).all()).height == 3


async def test_a_table_that_is_gone_is_not_found(in_s3: str) -> None:
    table = DataFrame.from_existing_remote(f"{in_s3}/nothing.parquet")
    with pytest.raises(errors.StorageNotFoundError, match=r"nothing\.parquet"):
        await table.open(pd.DataFrame).all()
