"""Conversions that wait: uploads and users' own transformers inside trees, all of one value together.

Packing and unpacking are plain functions; what must be waited for is left open in the tree (`trees.Later`) or asked for
(`trees.Waiting`), awaited here, and then the function runs again.
"""

from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from flyte._kit import optional, stepping
from flyte.types._nodes import trees
from flyte.types._nodes.base import Mismatch, Node

T = TypeVar("T")


async def settle(packer: trees.Packer, tree: Any, value: Any) -> bytes:
    """The bytes of a tree with open parts: they are waited for until none is left.

    Args:
        packer: has packed the tree once.
        tree: what it packed.
        value: what the tree was made of, to find the place of a part that fails.

    Raises:
        Mismatch: of the first part that fails.
    """
    data = b""
    while packer.open:
        parts, packer.open = packer.open, []
        for part, came in zip(parts, await _together([p.tree() for p in parts]), strict=True):
            if isinstance(came, Mismatch):
                raise located(came, value, tree, part)
            packer.settled[id(part)] = came
        data = packer.pack(tree)
    return data


async def unpacked(node: Node, tree: Any, waiting: trees.Waiting) -> Any:
    """The value of a tree whose first reading asked to wait.

    Raises:
        Mismatch: when the tree does not fit, or of the first part that fails.
    """
    root = [tree]
    while True:
        waiting.at(root, 0, "", others=None)
        waits = waiting.waits
        for wait, came in zip(waits, await _together([w.arrive() for w in waits]), strict=True):
            if isinstance(came, Mismatch):
                came.steps += wait.steps
                raise came
            container, key = wait.place or (root, 0)
            container[key] = trees.Arrived(came)
        try:
            return node.unpack(root[0])
        except trees.Waiting as again:
            waiting = again


def whole(node: Node) -> Iterator[Node]:
    """A node and all of its parts, down to the last; each once, since a record may contain itself."""
    seen: set[int] = set()
    ahead = [node]
    while ahead:
        here = ahead.pop()
        if id(here) not in seen:
            seen.add(id(here))
            ahead += here.parts()
            yield here


def may_wait(node: Node) -> bool:
    """Whether a conversion of this node, or of any of its parts, may wait."""
    return any(part.waits for part in whole(node))


def located(mismatch: Mismatch, value: Any, tree: Any, part: Any) -> Mismatch:
    """A mismatch of a part of a tree, with the part's place in the value."""
    steps = _find(value, tree, part, ())
    mismatch.steps += reversed(steps or ())
    return mismatch


async def wait(coro: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine that may really wait; where the caller is stepped in place, the background loop runs it."""
    return await coro if stepping.may_wait() else _aio().background().wait(coro)


async def _together(coros: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """The results in their order; a Mismatch is a result."""
    tried = [_tried(coro) for coro in coros]
    if len(tried) > 1 and stepping.may_wait():
        asyncio = optional.module("asyncio", "conversions that wait")
        return await asyncio.gather(*tried)
    return [await each for each in tried]


def _aio() -> Any:
    return optional.module("flyte._kit.aio", "conversions that wait")


async def _tried(coro: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await coro
    except Mismatch as mismatch:
        return mismatch


def _find(value: Any, tree: Any, part: Any, around: tuple[Any, ...]) -> list[str] | None:
    """The steps from a value to the part of it whose tree is `part`."""
    while isinstance(tree, trees.Choice | trees.Identified):
        tree = tree.tree
    if tree is part:
        return []
    if any(tree is outer for outer in around):
        return None  # it contains itself
    for step, item, branch in _branches(value, tree):
        found = _find(item, branch, part, (*around, tree))
        if found is not None:
            return [step, *found]
    return None


def _branches(value: Any, tree: Any) -> Iterator[tuple[str, Any, Any]]:
    """Each part of a tree with its step and its value."""
    if isinstance(tree, dict):
        values = value.values() if isinstance(value, dict) else ()
        items = dict(zip(tree, values, strict=False))
        as_record = not isinstance(value, dict)
        for key, branch in tree.items():
            item = getattr(value, str(key), None) if as_record else items.get(key)
            yield (f".{key}" if as_record else f"[{key!r}]"), item, branch
    elif isinstance(tree, list | tuple | set | frozenset):
        names: Sequence[str] = getattr(value, "_fields", ())
        items_in_order = list(value) if isinstance(value, list | tuple) else []
        for index, branch in enumerate(tree):
            item = items_in_order[index] if index < len(items_in_order) else None
            yield (f".{names[index]}" if index < len(names) else f"[{index}]"), item, branch
