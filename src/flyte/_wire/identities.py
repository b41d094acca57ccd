"""When two values count as equal: for cache keys, names of calls, and values that are kept by their content.

A literal is identified by its `hash` if it has one (files, tables, values by reference, own types), else by its
content: whatever has no meaning for the value (the order of a dictionary's keys) is taken out first.  The control
plane computes the same for the inputs of a run's first action (`services/wire/identities`): change both sides
together, and only with a reason: every cache that exists forgets its entries.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator
from operator import itemgetter
from typing import Any

from flyteidl2.core import literals_pb2
from flyteidl2.task import common_pb2
from google.protobuf.message import DecodeError

from flyte._kit import optional
from flyte.storage import digests
from flyte.types import _guess
from flyte.types._nodes import pickles, trees

Literal = literals_pb2.Literal

_HASH_TAG = b'"'
"""First byte of `Literal.hash` on the wire: without it, no literal inside another has one."""
_MARKS = (_guess.ORDER.encode(), trees.TAG.encode(), _HASH_TAG)
NESTED = frozenset({2, 3, 4, 20, 22})
"""Extension codes of trees whose data is another tree."""
LITERAL = 21
"""Extension code of a literal inside a tree."""
_PICKLE = 30
NO_TREE = (ValueError, TypeError, OverflowError, RecursionError, DecodeError)
"""What reading bytes raises that are no tree."""


def identity(literal: Literal) -> str:
    """The same text for equal values, in every process and version of Python.

    >>> identity(Literal(hash="abc"))
    'abc'
    """
    return literal.hash or digests.digest([_canonical(literal)])


def input_hash(inputs: common_pb2.Inputs, ignore: Collection[str] = ()) -> str:
    """Identity of input values; the run's custom context does not count.

    Args:
        inputs: the values.
        ignore: names of inputs that do not count.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, identified in sorted(by_name(inputs, ignore).items()):
        digest.update(f"{name}\0{len(identified)}\0{identified}".encode())
    return digest.hexdigest()


def by_name(inputs: common_pb2.Inputs, ignore: Collection[str] = ()) -> dict[str, str]:
    """The identity of each input that counts."""
    return {
        named.name: identity(named.value) for named in inputs.literals if named.name not in ignore
    }


def has_identity(literal: Literal) -> bool:
    """Whether anything identifies the value: a hash, or content that is the same wherever it is made.

    A pickle has none.  Its bytes depend on the process and the versions that made it, and a class in it goes by its
    name, not by its code; so they say neither that two values are equal nor that they differ.
    """
    if literal.hash or literal.WhichOneof("value") not in {"collection", "map", "scalar"}:
        return not _is_unidentified(literal)
    if not literal.scalar.HasField("binary"):
        data = literal.SerializeToString()  # far quicker than a walk through a million items
        if pickles.TAG.encode() not in data and trees.TAG.encode() not in data:
            return True
    return not any(_is_unidentified(each) for each in nested(literal, hashed=False))


def without_identity(inputs: common_pb2.Inputs, ignore: Collection[str] = ()) -> list[str]:
    """Names of inputs that nothing identifies: calls with them are not cached."""
    return [
        named.name
        for named in inputs.literals
        if named.name not in ignore and not has_identity(named.value)
    ]


def _canonical(literal: Literal) -> bytes:
    data = literal.SerializeToString(deterministic=True)
    if not any(mark in data for mark in _MARKS):
        return data
    copy = Literal.FromString(data)
    for each in nested(copy, hashed=False):
        _normalize(each)
    return copy.SerializeToString(deterministic=True)


def nested(literal: Literal, *, hashed: bool = True) -> Iterator[Literal]:
    """A literal and those inside it that are more than a primitive, the outer one first.

    Args:
        literal: where to begin.
        hashed: also look inside of literals that have a hash.
    """
    waiting = [literal]
    while waiting:
        current = waiting.pop()
        yield current
        match current.WhichOneof("value"):
            case _ if current.hash and not hashed:
                pass
            case "collection":
                waiting.extend(filter(_is_more, current.collection.literals))
            case "map":
                waiting.extend(filter(_is_more, current.map.literals.values()))
            case "scalar" if current.scalar.HasField("union"):
                waiting.append(current.scalar.union.value)
            case _:
                pass


def _is_more(literal: Literal) -> bool:
    return not literal.scalar.HasField("primitive") or bool(literal.hash)


def _normalize(literal: Literal) -> None:
    if known := literal.hash:
        literal.Clear()
        literal.hash = known
        return
    if literal.HasField("map"):
        literal.metadata.pop(_guess.ORDER, None)
    elif literal.scalar.HasField("binary") and literal.scalar.binary.tag == trees.TAG:
        literal.scalar.binary.value = _canonical_tree(literal.scalar.binary.value)


def _canonical_tree(data: bytes) -> bytes:
    """A tree with the keys of its maps sorted; bytes that are no tree stay."""

    def extension(code: int, content: bytes) -> Any:
        if code in NESTED:
            content = _canonical_tree(content)
        elif code == LITERAL:
            inner = Literal.FromString(content)
            content = inner.hash.encode() or _canonical(inner)
        return _msgpack().ExtType(code, content)

    try:
        return _packed(_unpacked(data, extension, object_pairs_hook=_sorted))
    except NO_TREE:
        return data


def _sorted(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    if all(type(key) is str for key, _ in pairs):
        return dict(sorted(pairs, key=itemgetter(0)))
    return dict(sorted(pairs, key=lambda pair: _packed(pair[0])))


def _is_unidentified(literal: Literal) -> bool:
    """Whether it is a pickle itself, or a reference to something without a hash."""
    if literal.hash:
        return False
    if literal.HasField("offloaded_metadata"):
        return True
    binary = literal.scalar.binary
    return binary.tag == pickles.TAG or (binary.tag == trees.TAG and _tree_pickled(binary.value))


def _tree_pickled(data: bytes) -> bool:
    found: list[bool] = []

    def extension(code: int, content: bytes) -> None:
        nested = code in NESTED and _tree_pickled(content)
        literal = code == LITERAL and not has_identity(Literal.FromString(content))
        found.append(code == _PICKLE or nested or literal)

    try:
        _unpacked(data, extension)
    except NO_TREE:
        return False
    return any(found)


def _packed(tree: Any) -> bytes:
    return _msgpack().packb(tree, unicode_errors="surrogatepass")


def _unpacked(data: bytes, extension: Callable[[int, bytes], Any], **options: Any) -> Any:
    return _msgpack().unpackb(
        data,
        ext_hook=extension,
        use_list=False,  # a list cannot be the key of a map
        strict_map_key=False,
        unicode_errors="surrogatepass",
        **options,
    )


def _msgpack() -> Any:
    return optional.module("msgpack", "values that travel as msgpack")
