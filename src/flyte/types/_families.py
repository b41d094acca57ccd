"""Types that other rooms bring: the room is imported when the first such hint is met.

So `import flyte.types` loads neither numpy nor `flyte.io`, and a task may still take a `pandas.DataFrame` without
importing anything of flyte.  A room offers `build(hint, build) -> Node | None`, as the modules of `_nodes` do; its
nodes bring their converter along (`Node.converter`).
"""

import typing
from typing import Any

from flyte._kit import optional
from flyte.types._nodes.base import Build, Node

_ROOMS = {
    "flyte.io": "flyte.io._types",
    "numpy": "flyte.types._arrays",
    "pandas": "flyte.io._types",
    "polars": "flyte.io._types",
    "pyarrow": "flyte.io._types",
}
"""Package in which a class is defined → module that knows its values."""


def build(hint: Any, build: Build) -> Node | None:
    """The node of a hint whose class, or a base of it, belongs to a family; None for others."""
    cls = typing.get_origin(hint) or hint
    for base in getattr(cls, "__mro__", ()):
        name: str = base.__module__
        package = "flyte.io" if name.startswith("flyte.io.") else name.partition(".")[0]
        if package in _ROOMS:
            room = optional.module(_ROOMS[package], f"values of type {cls.__qualname__}")
            return room.build(hint, build)
    return None
