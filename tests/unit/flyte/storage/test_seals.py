"""Messages in files: what is cut or changed is noticed, here and by the control plane's twin of the code."""

import re

import pytest
from flyteidl2.task import common_pb2
from hypothesis import given
from hypothesis import strategies as st

from flyte import errors
from flyte.storage import seals
from flyte_server.blobs import seals as twin


def message(count: int = 2) -> bytes:
    made = common_pb2.Outputs()
    for number in range(count):
        named = common_pb2.NamedLiteral(name=f"o{number}")
        named.value.scalar.primitive.integer = number
        made.literals.append(named)
    return made.SerializeToString()


def test_every_reader_of_protobuf_skips_the_seal() -> None:
    read = common_pb2.Outputs.FromString(seals.sealed(message()))
    assert [named.name for named in read.literals] == ["o0", "o1"]
    assert (
        twin.message(seals.sealed(message()))
        == seals.opened(seals.sealed(message()), "x")
        == message()
    )


@given(st.integers(3, 27 + len(message()) - 1))
def test_a_cut_message_is_damaged_although_it_may_be_a_valid_one(end: int) -> None:
    cut = seals.sealed(message())[:end]
    with pytest.raises(errors.DataCorruptionError, match=r"r/a0/1/outputs\.pb is damaged: written"):
        seals.opened(cut, "r/a0/1/outputs.pb")
    assert twin.damage(cut) is not None


@given(st.integers(3, 27 + len(message()) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, change: int) -> None:
    changed = bytearray(seals.sealed(message()))
    changed[place] ^= change
    with pytest.raises(errors.DataCorruptionError, match="run the task again"):
        seals.opened(bytes(changed), "outputs.pb")
    assert twin.damage(bytes(changed)) is not None


def test_sizes_and_checksums_are_named() -> None:
    whole = seals.sealed(message())
    size = len(message())
    said = re.escape(f"written were {size} bytes, found {size - 1}")
    with pytest.raises(errors.DataCorruptionError, match=said):
        seals.opened(whole[:-1], "x")
    assert re.search(said, str(twin.damage(whole[:-1])))


def test_what_others_wrote_has_no_seal_and_is_read_as_it_is() -> None:
    assert seals.opened(message(), "x") == twin.message(message()) == message()
    assert twin.damage(message()) is None
    assert seals.opened(b"", "x") == b""
