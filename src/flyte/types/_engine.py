"""The engine of types: which node and which converter belong to a hint.  Registry and dispatch only."""

import functools
import typing
from collections.abc import Callable
from typing import Any

from flyteidl2.core import literals_pb2, types_pb2

from flyte import errors
from flyte.types import _converters, _families, _guess, _literals, _registered
from flyte.types._converters import Converter
from flyte.types._framing import Pieces
from flyte.types._nodes import (
    choices,
    containers,
    hints,
    models,
    pickles,
    records,
    rows,
    scalars,
    unions,
)
from flyte.types._nodes.base import Mismatch, Node, Unstorable
from flyte.types._transformer import TypeTransformer, TypeTransformerFailedError

Literal = literals_pb2.Literal
LiteralType = types_pb2.LiteralType

_CACHED_HINTS = 4096
_TOO_DEEP = "the value contains itself or is nested too deeply; flatten it"


class Registry:
    """Transformers that users registered, and types that they may not use."""

    def __init__(self) -> None:
        self.transformers: dict[Any, TypeTransformer[Any]] = {}
        self.restricted: dict[Any, str] = {}

    def find(self, hint: Any) -> TypeTransformer[Any] | None:
        """The transformer of a hint: that of its class, or of the nearest base."""
        cls = typing.get_origin(hint) or hint
        for base in cls.__mro__ if isinstance(cls, type) else (cls,):
            if base in self.transformers:
                return self.transformers[base]
        return None


registry = Registry()


def node(hint: Any) -> Node:
    """The node of a hint."""
    try:
        return _node(hint, _spelling(hint))
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return _uncached_node(hint)  # such as Annotated[int, []]


def converter(hint: Any) -> Converter:
    """The converter of a hint."""
    try:
        return _converter(hint, _spelling(hint))
    except TypeError as error:
        if "unhashable" not in str(error):
            raise
        return _uncached_converter(hint)


def literal_type(hint: Any) -> LiteralType:
    """The wire's type for a hint.

    Raises:
        RestrictedTypeError: for a type that was registered as restricted.
        TypeTransformerFailedError: for a record whose own hints cannot be resolved.
    """
    try:
        return converter(hint).type
    except Mismatch as mismatch:
        raise _failure(mismatch, hints.show(hint)) from mismatch


def schema(hint: Any) -> dict[str, Any]:
    """The JSON schema of a hint's values: what a form for them is built from.

    Raises as `literal_type`.
    """
    try:
        return _converters.schema(node(hint))
    except Mismatch as mismatch:
        raise _failure(mismatch, hints.show(hint)) from mismatch


async def write(value: Any, hint: Any, out: Literal, *, path: str = "") -> None:
    """Fill the empty literal `out` with a value; see `to_literal`."""
    try:
        await converter(hint).write(value, out)
    except Mismatch as mismatch:
        raise _failure(mismatch, path) from mismatch
    except RecursionError as error:
        raise TypeTransformerFailedError(_TOO_DEEP, path) from error


async def to_literal(value: Any, hint: Any, path: str = "") -> Literal:
    """The literal of a value.

    Args:
        value: what to convert.
        hint: its declared type.
        path: where it is, for messages: `inputs.points`.

    Raises:
        TypeTransformerFailedError: when the value does not fit the hint; names the exact place inside it.
    """
    out = Literal()
    await write(value, hint, out, path=path)
    return out


async def to_python(literal: Literal, hint: Any, path: str = "") -> Any:
    """The value of a literal, equal to what went in and of the same type.

    Raises:
        TypeTransformerFailedError: when the literal does not fit the hint.
    """
    try:
        return await converter(hint).read(literal)
    except Mismatch as mismatch:
        raise _failure(mismatch, path) from mismatch
    except RecursionError as error:
        raise TypeTransformerFailedError(_TOO_DEEP, path) from error


def pieces(value: Any, hint: Any, *, path: str = "") -> Pieces | None:
    """The serialized literal of a large value, its payload not copied; None: use `write`.

    Raises:
        TypeTransformerFailedError: when the value does not fit its hint.
    """
    try:
        return converter(hint).pieces(value)
    except Mismatch as mismatch:
        raise _failure(mismatch, path) from mismatch


async def from_buffer(view: memoryview, hint: Any, *, path: str = "") -> Any:
    """The value of a serialized literal; see `to_python`.  It may live on `view`, if that is writable."""
    try:
        return await converter(hint).from_buffer(view)
    except Mismatch as mismatch:
        raise _failure(mismatch, path) from mismatch


def guess(literal_type: LiteralType) -> Any:
    """A hint for a wire type: a registered type that recognizes it, or one made from its schema."""
    for transformer in dict.fromkeys(registry.transformers.values()):
        try:
            return transformer.guess_python_type(literal_type)
        except ValueError:
            continue
    return _guess.guess(literal_type)


def register(
    transformer: TypeTransformer[Any], *additional_types: Any, override: bool = False
) -> None:
    """Use `transformer` for its type and for `additional_types`.

    One of the same name may take its own place again (a notebook's cell is run twice).

    Raises:
        ValueError: when a type has another transformer already and `override` is off.
    """
    for python_type in (transformer.python_type, *additional_types):
        register_only(transformer, python_type, override=override)


def register_only(
    transformer: TypeTransformer[Any], python_type: Any, *, override: bool = False
) -> None:
    """Use `transformer` for one type; see `register`."""
    present = registry.transformers.get(python_type)
    if present is not None and present.name != transformer.name and not override:
        raise ValueError(
            f"{hints.show(python_type)} has the transformer {present.name!r} already; "
            f"register {transformer.name!r} with override=True to replace it"
        )
    registry.transformers[python_type] = transformer
    _forget()


def restrict(name: str, python_type: Any) -> None:
    """Forbid a type in signatures."""
    registry.restricted[python_type] = name
    _forget()


_BUILDERS: tuple[Callable[[Any, Callable[[Any], Node]], Node | None], ...] = (
    scalars.build,
    choices.build,
    containers.build,
    unions.build,
    _families.build,
    models.build,
    records.build,
    rows.build,
    pickles.build,
)
"""Asked in this order; the last one takes everything."""


def _uncached_node(written: Any) -> Node:
    written = hints.annotated(written)
    hint = hints.normal(written)
    if _is_restricted(hint):
        raise errors.RestrictedTypeError(
            f"{hints.show(hint)} may not be used in the signature of a task; use another type"
        )
    if transformer := registry.find(hint):
        own = transformer.node(written, node)
        return own or _registered.TransformedNode(transformer, hint)
    if hint is not written and (found := _families.build(written, node)):
        return found
    return next(built for build in _BUILDERS if (built := build(hint, node)))


def _uncached_converter(hint: Any) -> Converter:
    return _literals.build(node(hint))


def _is_restricted(hint: Any) -> bool:
    return bool(registry.restricted) and hint in registry.restricted


def _spelling(hint: Any) -> str:
    """What tells hints apart that Python calls equal: `int | str` and `str | int`, whose bytes differ."""
    return "" if type(hint) is type else repr(hint)


@functools.lru_cache(maxsize=_CACHED_HINTS)
def _node(hint: Any, spelling: str) -> Node:
    return _uncached_node(hint)


@functools.lru_cache(maxsize=_CACHED_HINTS)
def _converter(hint: Any, spelling: str) -> Converter:
    return _uncached_converter(hint)


def _forget() -> None:
    _node.cache_clear()
    _converter.cache_clear()


def _failure(mismatch: Mismatch, path: str) -> TypeTransformerFailedError:
    error = TypeTransformerFailedError(str(mismatch), f"{path}{mismatch.path}".removeprefix("."))
    if isinstance(mismatch, Unstorable):
        error.code = "Unserializable"
    return error
