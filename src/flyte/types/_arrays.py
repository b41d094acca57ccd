"""NumPy: arrays as `.npy` bytes in a binary, scalars with their dtype.

`.npy` is NumPy's own, documented form: it keeps dtype, byte order, shape and the order of the axes.  A large array
travels without a copy, and what arrives lives on the memory that it was read into.
"""

import typing
from typing import Any

import numpy as np
from flyteidl2.core import literals_pb2, types_pb2

from flyte.types import _families, _framing, _npy
from flyte.types._converters import Converter
from flyte.types._nodes import hints
from flyte.types._nodes.base import Build, Definitions, Fit, Kind, Mismatch, Node, Schema

TAG = "npy"
"""`Binary.tag` of an array on the wire."""
_PREFIX = "numpy."


class ArrayNode(Node):
    """`numpy.ndarray`, `NDArray[np.float64]`: any dtype but objects.

    Args:
        hint: says which dtype and how many axes are wanted, or nothing of it.
    """

    kinds: frozenset[Kind] = frozenset({"ext"})
    tag = _families.ARRAY_FORMAT

    def __init__(self, hint: Any) -> None:
        self._axes, self._scalar = _wanted(hint)
        self.name = "ndarray" if self._scalar is np.generic else f"NDArray[{self._scalar.__name__}]"

    def pack(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            raise self.mismatch(value)
        _npy.check_storable(value)
        if self.fit(value) is Fit.NO:
            found = f"an array of {value.dtype} with {value.ndim} axes"
            axes = "" if self._axes is None else f" with {self._axes} axes"
            raise Mismatch(f"{self.name}{axes}", found, "convert it with .astype() or .reshape()")
        return value if type(value) is np.ndarray else value.view(np.ndarray)

    def unpack(self, tree: Any) -> Any:
        return self.pack(tree)

    def fit(self, value: Any) -> Fit:
        if not isinstance(value, np.ndarray) or not issubclass(value.dtype.type, self._scalar):
            return Fit.NO
        if self._axes is not None and value.ndim != self._axes:
            return Fit.NO
        return Fit.EXACT if type(value) is np.ndarray else Fit.NEAR

    def schema(self, definitions: Definitions) -> Schema:
        return {"title": self.name, "format": f"{_PREFIX}ndarray"}

    def converter(self) -> Converter:
        return ArrayConverter(self)


class ArrayConverter(Converter):
    """An array by itself: its `.npy` bytes in a binary."""

    def _literal_type(self) -> types_pb2.LiteralType:
        single = types_pb2.BlobType.BlobDimensionality.SINGLE
        blob = types_pb2.BlobType(format=_families.ARRAY_FORMAT, dimensionality=single)
        return types_pb2.LiteralType(blob=blob)

    async def write(self, value: Any, out: literals_pb2.Literal) -> None:
        binary = out.scalar.binary
        header, data = _npy.parts(self.node.pack(value), TAG)
        binary.value = b"".join((header, data))
        binary.tag = TAG

    async def read(self, literal: literals_pb2.Literal) -> Any:
        if literal.scalar.binary.tag == TAG:
            return self.node.unpack(
                _npy.array_of(memoryview(literal.scalar.binary.value), copy=True)
            )
        return await super().read(literal)

    def pieces(self, value: Any) -> _framing.Pieces | None:
        array = self.node.pack(value)
        if array.nbytes < _framing.WORTHWHILE:
            return None
        return _framing.binary(_npy.parts(array, TAG), TAG)

    async def from_buffer(self, view: memoryview) -> Any:
        payload = _framing.binary_payload(view, TAG)
        if payload is None:
            return await super().from_buffer(view)
        return self.node.unpack(_npy.array_of(payload, copy=payload.readonly))


class ScalarNode(Node):
    """`numpy.float32`, `numpy.int64`, …: a plain number where that is exact, else as an array without axes."""

    def __init__(self, cls: type[np.generic]) -> None:
        self._type = cls
        self.name = cls.__name__
        self.tag = f"{_PREFIX}{cls.__name__}"
        self._plain = _plain_kind(cls)
        self.kinds: frozenset[Kind] = frozenset({self._plain or "ext"})

    def pack(self, value: Any) -> Any:
        if type(value) is not self._type:
            value = self._converted(value)
        if value.dtype.hasobject:
            raise self.mismatch(value, "return what it holds")
        return _EXACT[self._plain](value) if self._plain else value

    def _converted(self, value: Any) -> Any:
        """A Python number as one of ours, if it is the same then."""
        if self.fit(value) is Fit.NO:
            raise self.mismatch(value)
        return self._type(value)

    def unpack(self, tree: Any) -> Any:
        return tree if type(tree) is self._type else self._converted(tree)

    def fit(self, value: Any) -> Fit:
        if type(value) is self._type:
            return Fit.EXACT
        if self._plain is None or type(value) not in _PLAIN_TYPES[self._plain]:
            return Fit.NO
        try:
            same = _EXACT[self._plain](self._type(value)) == value or value != value
        except (OverflowError, ValueError):
            return Fit.NO
        return Fit.NEAR if same else Fit.NO

    def schema(self, definitions: Definitions) -> Schema:
        schema: Schema = {"title": self.name, "format": self.tag}
        return {**schema, "type": _JSON[self._plain]} if self._plain else schema

    def converter(self) -> Converter | None:
        return ScalarConverter(self) if self._plain else None


class ScalarConverter(Converter):
    """A number of NumPy by itself: the primitive of its kind, its type in the tag."""

    node: ScalarNode

    def _literal_type(self) -> types_pb2.LiteralType:
        simple = _SIMPLE[next(iter(self.node.kinds))]
        literal_type = types_pb2.LiteralType(simple=simple)
        literal_type.structure.tag = self.node.tag
        return literal_type

    async def write(self, value: Any, out: literals_pb2.Literal) -> None:
        item = self.node.pack(value)
        if type(item) is bytes:
            out.scalar.binary.value = item
            return
        try:
            setattr(out.scalar.primitive, _FIELD[type(item)], item)
        except ValueError:  # a uint64 that no signed integer holds, half of a surrogate pair
            await self.write_tree(value, out)


_EXACT: dict[str, Any] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str.__str__,
    "bin": bytes,
}
_PLAIN_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bin": (bytes,),
}
_JSON = {"bool": "boolean", "int": "integer", "float": "number", "str": "string", "bin": "string"}
_SIMPLE: dict[str, types_pb2.SimpleType] = {
    "bool": types_pb2.BOOLEAN,
    "int": types_pb2.INTEGER,
    "float": types_pb2.FLOAT,
    "str": types_pb2.STRING,
    "bin": types_pb2.BINARY,
}
_FIELD: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "float_value",
    str: "string_value",
}


def build(hint: Any, build: Build) -> Node | None:
    """The node of an array's or scalar's hint; None for other classes of NumPy, which travel as pickles.

    Raises:
        Mismatch: for masked arrays, which `.npy` cannot hold.
    """
    hint = hints.normal(hint)
    cls = typing.get_origin(hint) or hint
    if cls is np.ndarray:
        return ArrayNode(hint)
    if issubclass(cls, np.ma.MaskedArray):
        raise Mismatch("a type whose values can travel", hints.show(hint), _npy.MASKED)
    if not issubclass(cls, np.generic) or cls is np.object_:
        return None
    return ScalarNode(cls) if cls is np.void or not cls.__subclasses__() else None


def guess(literal_type: types_pb2.LiteralType) -> Any:
    """The hint of an array's wire type."""
    return np.ndarray


def _wanted(hint: Any) -> tuple[int | None, type[np.generic]]:
    """How many axes and which scalars a hint asks for."""
    shape, dtype = (*typing.get_args(hint), Any, Any)[:2]
    sizes = typing.get_args(shape)
    axes = len(sizes) if sizes and Ellipsis not in sizes else None
    scalar = next(iter(typing.get_args(dtype)), np.generic)
    concrete = isinstance(scalar, type) and issubclass(scalar, np.generic)
    return axes, scalar if concrete else np.generic


def _plain_kind(cls: type[np.generic]) -> Kind | None:
    """The kind of Python number that holds every value of a scalar type."""
    if cls is np.bool_:
        return "bool"
    if issubclass(cls, np.integer) and not issubclass(cls, np.timedelta64):
        return "int"
    if issubclass(cls, np.floating):
        return None if cls is np.longdouble else "float"
    if issubclass(cls, np.str_):
        return "str"
    return "bin" if issubclass(cls, np.bytes_) else None
