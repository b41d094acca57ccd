"""Types that other rooms bring: the room is imported when the first such hint is met.

So `import flyte.types` loads neither numpy nor `flyte.io`, and a task may still take a `pandas.DataFrame` without
importing anything of flyte.  A room offers `build(hint, build) -> Node | None`, as the modules of `_nodes` do; its
nodes bring their converter along (`Node.converter`).  It may offer `guess(literal_type) -> hint | None`.
"""

import importlib.util
import typing
from typing import Any

from flyteidl2.core import types_pb2

from flyte._kit import optional
from flyte.types._nodes import hints
from flyte.types._nodes.base import Build, Node

_IO = "flyte.io._types"
_ARRAYS = "flyte.types._arrays"
_ROOMS = {
    "flyte.io": _IO,
    "google": "flyte.types._messages",
    "numpy": _ARRAYS,
    "pandas": _IO,
    "polars": _IO,
    "pyarrow": _IO,
}
"""Package in which a class is defined → module that knows its values."""

ARRAY_FORMAT = "NumpyArray"
"""`BlobType.format` of arrays."""


MESSAGE = "pb_type"
"""Key in `LiteralType.metadata`, and word of a schema, for the class of a protobuf message."""


def build(hint: Any, build: Build) -> Node | None:
    """The node of a hint whose class, or a base of it, belongs to a family; None for others.

    The room gets the hint as it was written, `Annotated` included: the annotation may say more (columns, a format).
    """
    plain = hints.normal(hint)
    cls = typing.get_origin(plain) or plain
    for base in getattr(cls, "__mro__", ()):
        name: str = base.__module__
        package = "flyte.io" if _is_io(name) else name.partition(".")[0]
        if package in _ROOMS:
            return _room(_ROOMS[package], cls.__qualname__).build(hint, build)
    return None


def guess(literal_type: types_pb2.LiteralType) -> Any:
    """The hint of a file, folder, table or array; None for other wire types, and where its package is missing."""
    if literal_type.blob.format == ARRAY_FORMAT:
        found = importlib.util.find_spec("numpy")
        return _room(_ARRAYS, "array").guess(literal_type) if found else None
    if literal_type.WhichOneof("type") in ("blob", "structured_dataset_type"):
        return _room(_IO, "file").guess(literal_type)
    return None


def named(name: str) -> Any:
    """The class that a schema means by a format such as `flyte.io.File`; None if it means none of ours."""
    package, _, cls = name.rpartition(".")
    known = (package == "flyte.io" and cls in ("File", "Dir", "DataFrame")) or (
        package == "numpy" and cls.isidentifier() and importlib.util.find_spec("numpy")
    )
    return getattr(optional.module(package, name), cls, None) if known else None


def message(name: str) -> Any:
    """The class of a protobuf message by its full name, if its module is loaded; else `dict`."""
    module, _, cls = name.rpartition(".")
    return getattr(optional.module(module, name), cls, dict) if optional.loaded(module) else dict


def binary(tag: str, value: bytes) -> Any:
    """The value of a binary with a tag of a family; the bytes themselves for other tags."""
    if tag == "npy" and importlib.util.find_spec("numpy"):
        return _room("flyte.types._npy", "array").array_of(memoryview(value), copy=True)
    return value


def packed(name: str, value: Any) -> Any:
    """The tree of a value of a class of `flyte.io`, where no hint says that it is one."""
    return _named_node(name).pack(value)


def restored(name: str, tree: Any) -> Any:
    """The value of such a tree."""
    return _named_node(name).unpack(tree)


def _named_node(name: str) -> Node:
    return _room(_IO, name).build(named(name), _no_parts)


def _no_parts(hint: Any) -> Node:
    raise TypeError(f"{hint} was asked for without an engine")


def _is_io(module: str) -> bool:
    return module == "flyte.io" or module.startswith("flyte.io.")


def _room(name: str, what: str) -> Any:
    return optional.module(name, f"values of type {what}")
