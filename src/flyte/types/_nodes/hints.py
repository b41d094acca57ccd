"""Reading type hints: aliases taken away, parts found, names for messages, fields of generic classes."""

import collections.abc
import functools
import inspect
import operator
import types
import typing
from typing import Any

from flyte.types._nodes.base import Mismatch

_SEQUENCES = {
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Collection,
    collections.abc.Iterable,
}
_MAPPINGS = {collections.abc.Mapping, collections.abc.MutableMapping}
_SETS = {collections.abc.Set, collections.abc.MutableSet}


def normal(hint: Any) -> Any:
    """The hint itself: no `Annotated`, `NewType`, `Final` or type variables; abstract containers as unions.

    >>> normal(typing.Annotated[int, "a comment"])
    <class 'int'>
    """
    while True:
        plainer = _peeled(hint)
        if plainer is hint:
            return hint
        hint = plainer


def annotated(hint: Any) -> Any:
    """The same, but `Annotated` stays where it is the outermost: its extras are of interest to some types."""
    while typing.get_origin(hint) is not typing.Annotated:
        plainer = _peeled(hint)
        if plainer is hint:
            return hint
        hint = plainer
    return hint


def _peeled(hint: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in _WRAPPERS:
        return typing.get_args(hint)[0]
    if type(hint).__name__ == "TypeAliasType":  # `type X = …` of Python 3.12
        return hint.__value__
    if isinstance(hint, typing.NewType):
        return hint.__supertype__
    if isinstance(hint, typing.TypeVar):
        return _bound(hint)
    if isinstance(hint, str | typing.ForwardRef) or hint is typing.Final or hint is object:
        return Any
    return _concrete(hint, origin or hint)


def _bound(variable: typing.TypeVar) -> Any:
    constraints = variable.__constraints__
    if constraints:
        return functools.reduce(operator.or_, constraints)
    return Any if variable.__bound__ is None else variable.__bound__


_WRAPPERS = {typing.Annotated, typing.Final, typing.ClassVar, typing.Required, typing.NotRequired}


def _concrete(hint: Any, origin: Any) -> Any:
    """None by its type; abstract containers by the built-in ones that they are in practice."""
    if hint is None:
        return types.NoneType
    args = typing.get_args(hint) or (Any, Any)
    if origin in _SEQUENCES:
        return list[args[0]] | tuple[args[0], ...]
    if origin in _SETS:
        return set[args[0]] | frozenset[args[0]]
    if origin in _MAPPINGS:
        return dict[args[0], args[1]]
    return hint


def is_union(hint: Any) -> bool:
    """Whether a hint is `A | B` or `Union[A, B]` (so also `Optional`)."""
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def mentions(hint: Any, cls: type) -> bool:
    """Whether a hint is a subclass of `cls`, or has one among its parts."""
    if isinstance(hint, type) and typing.get_origin(hint) is None:
        return issubclass(hint, cls)
    return any(mentions(part, cls) for part in typing.get_args(hint))


def show(hint: Any) -> str:
    """A hint as messages show it: `list[int]`, `Point`, `int | None`."""
    if hint is types.NoneType:
        return "None"
    if hint is Any:
        return "Any"
    if hint is Ellipsis:
        return "..."
    args = typing.get_args(hint)
    if is_union(hint):
        return " | ".join(show(arg) for arg in args)
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    name = getattr(origin or hint, "__name__", None) or repr(hint)
    return f"{name}[{', '.join(show(arg) for arg in args)}]" if args else name


def fields(hint: Any) -> dict[str, Any]:
    """The annotated fields of a class, bases first; type variables are replaced by what `hint` and the bases bind.

    Raises:
        Mismatch: when an annotation names something unknown.

    Example: for `class Box(Generic[T])` with `value: T`, `fields(Box[int])` is `{"value": int}`.
    """
    cls = typing.get_origin(hint) or hint
    bound = dict(zip(getattr(cls, "__parameters__", ()), typing.get_args(hint), strict=False))
    found: dict[str, Any] = {}
    for base in reversed(cls.__dict__.get("__orig_bases__", cls.__bases__)):
        base_class = typing.get_origin(base) or base
        if isinstance(base_class, type) and base_class not in (object, typing.Generic):
            found.update(fields(_substituted(base, bound)))
    own = inspect.get_annotations(cls)
    resolved = _resolved(cls)
    found.update({name: _substituted(resolved[name], bound) for name in own if name in resolved})
    return found


@functools.lru_cache(maxsize=1024)
def _resolved(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
    except NameError as error:
        raise Mismatch(
            f"type hints of {cls.__qualname__} that can be resolved",
            f"{error}",
            "define or import the type at the module's top level, outside of `if TYPE_CHECKING`",
        ) from error


def _substituted(hint: Any, bound: dict[Any, Any]) -> Any:
    if isinstance(hint, typing.TypeVar):
        return bound.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if not bound or not parameters or isinstance(hint, type):
        return hint
    return hint[tuple(bound.get(parameter, parameter) for parameter in parameters)]
