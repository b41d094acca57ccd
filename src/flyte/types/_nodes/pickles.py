"""The last resort: a value that nothing else can carry travels as a pickle."""

import base64
import functools
import io
import logging
import pickle
import typing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flyte._kit import optional
from flyte.types._nodes import hints
from flyte.types._nodes.base import (
    Build,
    Definitions,
    Fit,
    Kind,
    Mismatch,
    Node,
    Schema,
    Unstorable,
    found,
)

T = TypeVar("T")
TAG = "pickle"
"""`Binary.tag` of a pickle on the wire."""
FORMAT = "PythonPickle"
"""`BlobType.format` of a pickled type."""
_ADDRESS = "data:application/x-python-pickle;base64,"

_DEEPEST, _MOST_PARTS = 10, 1000
"""How far a part that has no pickle is looked for."""

logger = logging.getLogger(__name__)


class FlytePickle(Generic[T]):
    """A hint that asks for a pickle: `FlytePickle[Model]` says so without the warning that `Model` alone gives.

    Example:
        >>> def train() -> FlytePickle[Model]: ...
    """

    @classmethod
    def python_type(cls) -> Any:
        """The type of the values; `Any` until `FlytePickle[...]` names one."""
        return Any

    @classmethod
    async def to_pickle(cls, python_val: Any) -> str:
        """An address (`data:…`) that holds the pickled value itself."""
        return _ADDRESS + base64.b64encode(dumps(python_val)).decode()

    @classmethod
    async def from_pickle(cls, uri: str) -> Any:
        """The value behind an address made by `to_pickle`.

        Raises:
            ValueError: for another kind of address.
        """
        if not uri.startswith(_ADDRESS):
            raise ValueError(
                f"{uri!r:.80} was not made by FlytePickle.to_pickle; download it first"
            )
        return loads(base64.b64decode(uri.removeprefix(_ADDRESS)))


def dumps(value: Any) -> bytes:
    """The pickle of a value; raises Mismatch when it has none."""
    out = io.BytesIO()
    try:
        _pickler()(out).dump(value)
        return out.getvalue()
    except Exception as error:
        steps, part = _culprit(value)
        unstorable = Unstorable(
            "a value that can be stored",
            found(part),
            f"it cannot be pickled ({error}); return its data instead, or register a TypeTransformer for "
            f"{type(part).__name__}",
        )
        for step in reversed(steps):
            unstorable.at(step)
        raise unstorable from error


def _culprit(value: Any) -> tuple[list[str], Any]:
    """The smallest part of a value that has no pickle, and the way to it."""
    steps: list[str] = []
    while len(steps) < _DEEPEST:
        below = next(((step, part) for step, part in _parts(value) if not _has_pickle(part)), None)
        if below is None:
            break
        steps.append(below[0])
        value = below[1]
    return steps, value


def _parts(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        pairs: list[tuple[Any, Any]] = list(value.items())
        found_parts = [(f"[{key!r}]", part) for key, part in pairs]
    elif isinstance(value, list | tuple):
        items: list[Any] = list(value)
        found_parts = [(f"[{number}]", part) for number, part in enumerate(items)]
    else:
        attributes: dict[str, Any] = getattr(value, "__dict__", None) or {}
        found_parts = [(f".{name}", part) for name, part in attributes.items()]
    return found_parts[:_MOST_PARTS]


def _has_pickle(value: Any) -> bool:
    try:
        _pickler()(io.BytesIO()).dump(value)
    except Exception:  # noqa: BLE001 - whatever it says: it has none
        return False
    return True


@functools.cache
def _pickler() -> Any:
    """cloudpickle's, but for open files: of these it would keep the content, and give it back as another type."""
    base = optional.module("cloudpickle", "values without a type of their own").Pickler
    table = {
        cls: reduce for cls, reduce in base.dispatch_table.items() if cls is not io.TextIOWrapper
    }
    return type("Pickler", (base,), {"dispatch_table": table})


def loads(data: bytes) -> Any:
    """The value of a pickle; raises Mismatch when it cannot be restored here."""
    try:
        return pickle.loads(data)
    except Exception as error:
        raise Mismatch(
            "a pickle that can be read here",
            f"{len(data)} bytes",
            f"unpickling failed ({type(error).__name__}: {error}); use the same Python and package versions "
            "on both sides",
        ) from error


@functools.lru_cache(maxsize=1024)
def warn(name: str) -> None:
    """Say once per type that its values travel as pickles."""
    logger.warning(
        "type %s has no transformer, so its values travel as pickles: both sides need the same Python and package "
        "versions. Use a dataclass or pydantic model, register a TypeTransformer, or write FlytePickle[%s] to "
        "silence this.",
        name,
        name,
    )


@dataclass(frozen=True, slots=True)
class Pickled:
    """A pickle inside a tree that is not packed yet; unpacking gives the value itself."""

    data: bytes


class PickleNode(Node):
    """A type that only pickle can carry."""

    kinds: frozenset[Kind] = frozenset({"ext"})
    tag = "FlytePickle"

    def __init__(self, name: str, python_type: type | None, *, asked_for: bool = False) -> None:
        self.name = name
        self._type = python_type
        self._asked_for = asked_for

    def pack(self, value: Any) -> Any:
        return Pickled(self.dumps(value))

    def dumps(self, value: Any) -> bytes:
        """The pickle of a value; raises Mismatch when it is of another type."""
        if self._type is not None and not isinstance(value, self._type):
            raise self.mismatch(value)
        if not self._asked_for:
            warn(self.name)
        return dumps(value)

    def unpack(self, tree: Any) -> Any:
        # Not checked: a class of a script has another identity where the script was imported as a module.
        return loads(tree.data) if isinstance(tree, Pickled) else tree

    def fit(self, value: Any) -> Fit:
        if type(value) is self._type:
            return Fit.EXACT
        return Fit.NEAR if self._type is None or isinstance(value, self._type) else Fit.NO

    def schema(self, definitions: Definitions) -> Schema:
        return {"title": self.name, "format": FORMAT}


def build(hint: Any, build: Build) -> Node:
    """The node of any hint at all."""
    asked_for = typing.get_origin(hint) is FlytePickle or hint is FlytePickle
    if asked_for:
        hint = next(iter(typing.get_args(hint)), Any)
    return PickleNode(hints.show(hint), _class(hint), asked_for=asked_for)


def _class(hint: Any) -> type | None:
    """The class that values of a hint are instances of; None for hints that no value can be checked against."""
    cls: Any = typing.get_origin(hint) or hint
    checkable = isinstance(cls, type) and not getattr(cls, "_is_protocol", False)
    return cls if checkable and cls is not Any else None
