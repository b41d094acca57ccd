"""What the engine makes of one type hint: a node that packs values into a tree and gets them back.

A *tree* is made of what msgpack holds: None, bool, int, float, str, bytes, lists and maps (see `trees`).  The node
of `list[int]` has the node of `int` as its item, and so on; it is built once per hint.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from enum import IntEnum
from reprlib import Repr
from typing import Any, Literal

Kind = Literal["nil", "bool", "int", "float", "str", "bin", "list", "map", "ext"]
"""What one knot of a tree is."""

Schema = dict[str, Any]
"""A JSON schema."""

_REPR = Repr()
_REPR.maxother = _REPR.maxstring = _REPR.maxlong = 60


class Fit(IntEnum):
    """How well a value fits a node; a union takes the member that fits best."""

    NO = 0
    NEAR = 1
    """Accepted, but it arrives as another type: an `int` for a `float`, a subclass for its base."""
    EXACT = 2


class Mismatch(Exception):  # noqa: N818 - never leaves the package: the engine turns it into the public error
    """A value or tree that does not fit; gathers its path on the way out.

    Args:
        expected: what should have been there.
        found: what was there (see `found`).
        fix: what to do about it.
    """

    def __init__(self, expected: str, found: str, fix: str = "") -> None:
        super().__init__(expected, found, fix)
        self.expected = expected
        self.found = found
        self.fix = fix
        self.steps: list[str] = []

    def at(self, step: str) -> "Mismatch":
        """The same, one step (`.field`, `[3]`) further out."""
        self.steps.append(step)
        return self

    @property
    def path(self) -> str:
        """Where it was, from the outermost value: `.points[3].when`."""
        return "".join(reversed(self.steps))

    def __str__(self) -> str:
        text = f"expected {self.expected}, found {self.found}"
        return f"{text}; {self.fix}" if self.fix else text


class Unstorable(Mismatch):
    """A value of the right type that nothing can store."""


def found(value: Any) -> str:
    """A value as messages show it: its type and a short form.

    >>> found("abc")
    "str 'abc'"
    """
    if value is None:
        return "None"
    return f"{type(value).__name__} {_REPR.repr(value)}"


class Definitions:
    """Schemas of records that a schema refers to by name (`$defs`)."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self._names: dict[Any, str] = {}

    def reference(self, key: Any, name: str, build: Callable[[], Schema]) -> Schema:
        """A reference to the schema of `key`, which is built at its first use only."""
        if key not in self._names:
            unique = name if name not in self.schemas else f"{name}{len(self.schemas) + 1}"
            self._names[key] = unique
            self.schemas[unique] = {}  # taken, so that a record that contains itself ends here
            self.schemas[unique] = build()
        return {"$ref": f"#/$defs/{self._names[key]}"}


class Node(ABC):
    """One type hint, ready to convert values of it."""

    kinds: frozenset[Kind]
    """Which kinds of tree it packs into."""
    native: Kind | None = None
    """The kind that stands for this type without being told (so a union need not tag it)."""
    tag: str
    """Name of the type's transformer on the wire; tells members of a union apart."""
    name: str
    """The hint as messages show it."""
    waits: bool = False
    """Whether its own conversion may wait for something (see `waiting`); that of its parts does not count."""

    def parts(self) -> "Iterable[Node]":
        """The nodes of its parts: items, fields, members."""
        return ()

    @abstractmethod
    def pack(self, value: Any) -> Any:
        """The tree of `value`; raises Mismatch when it does not fit the hint."""

    @abstractmethod
    def unpack(self, tree: Any) -> Any:
        """The value of `tree`; raises Mismatch when it is of another form."""

    @abstractmethod
    def fit(self, value: Any) -> Fit:
        """How well `value` fits."""

    @abstractmethod
    def schema(self, definitions: Definitions) -> Schema:
        """The JSON schema of its trees."""

    def to_html(self, value: Any) -> str | None:
        """A value for a report; None: its text will do."""
        return None

    def converter(self) -> Any:
        """The `Converter` of a node that brings its own; None: the table in `_literals` says which."""
        return None

    def mismatch(self, value: Any, fix: str = "") -> Mismatch:
        """The error for a value or tree of another type."""
        return Mismatch(
            self.name, found(value), fix or "convert the value, or change the type hint"
        )


Build = Callable[[Any], Node]
"""Gives the node of a hint; builders use it for the parts of theirs."""
