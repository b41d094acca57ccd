"""The special knots of a tree: what msgpack has no word for, or what is not there yet."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Choice:
    """A tree that says which member of a union it is."""

    member: str
    tree: Any


@dataclass(frozen=True, slots=True)
class Embedded:
    """A literal inside a tree: the value of a registered transformer."""

    literal: bytes


@dataclass(frozen=True, slots=True)
class Mutable:
    """A bytearray, which msgpack would silently write as bytes."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a map that msgpack could not give back as a key: a tuple, a frozen record."""

    tree: bytes


@dataclass(frozen=True, slots=True)
class Arrived:
    """A value that was waited for, in the place of its tree (see `Waiting`)."""

    value: Any


class Wait:
    """One thing to wait for, and where its value belongs."""

    def __init__(self, arrive: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self.arrive = arrive
        self.place: tuple[Any, Any] | None = None
        """The list or map around it, and its index or key there."""
        self.steps: list[str] = []


class Waiting(Exception):  # noqa: N818 - a question, no error: `waiting.unpacked` answers it
    """Raised by `Node.unpack`: the value of this tree must be waited for.

    Containers let their other parts ask too, so that everything is waited for together; then the tree is read again,
    with `Arrived` in the place of what was missing.

    Args:
        arrive: gives a coroutine of the value.
    """

    def __init__(self, arrive: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        super().__init__()
        self.waits = [Wait(arrive)]

    def at(self, tree: Any, key: Any, step: str, *, others: "Waiting | None") -> "Waiting":
        """The same, one step further out, together with `others`."""
        for wait in self.waits:
            wait.place = wait.place or (tree, key)
            wait.steps.append(step)
        if others is None:
            return self
        others.waits += self.waits
        return others


class Later(ABC):
    """A part of a tree that must be waited for, such as the address of a file that is still to be stored."""

    @abstractmethod
    async def tree(self) -> Any:
        """The part itself; raises Mismatch when there is none."""


@dataclass(frozen=True, slots=True)
class Identified:
    """A part whose identity is not its bytes: those hold a random address, the identity is a hash of the content."""

    tree: Any
    identity: str
