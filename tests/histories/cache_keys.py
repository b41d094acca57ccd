"""Tasks and inputs whose cache keys are recorded in `cache_keys.json`: they must stay what they are.

A key that changes makes every user's cache forget its results, so a release that changes one has to say so.  Then, and
for new cases, `python -m tests.histories.cache_keys` writes the record anew.
"""

import dataclasses
import datetime
import enum
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from flyteidl2.core import tasks_pb2
from flyteidl2.task import common_pb2

import flyte
from flyte._cache import FunctionBodyPolicy, VersionParameters
from flyte._kit.aio import drive
from flyte._wire import values
from flyte._wire.caching import keys

RECORD = Path(__file__).with_suffix(".json")

env = flyte.TaskEnvironment("golden")


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5
    tags: dict[str, list[int]] = dataclasses.field(default_factory=dict[str, list[int]])
    inner: "Point | None" = None


class Split(NamedTuple):
    train: list[int]
    share: float


class Monthly:
    def get_version(self, salt: str, params: VersionParameters) -> str:
        return f"{salt}-may"


@env.task(cache="auto")
async def scalars(
    n: int, x: float = 1.5, s: str = "ü", b: bytes = b"\x00", flag: bool = True
) -> int:
    """The docstring does not count."""
    return n if flag else round(x)  # nor does a comment


@env.task(cache=flyte.Cache("auto", ignored_inputs="verbose", salt="s1"))
async def salted(n: int, verbose: bool = False) -> str:
    return f"{n:>{8}} of {n!r}"


@env.task(cache=flyte.Cache("override", version_override="v7"))
def by_version(when: datetime.datetime, colour: Colour, limit: int | str | None = None) -> Split:
    return Split([when.year], 0.5)


@env.task(cache=flyte.Cache("auto", policies=[FunctionBodyPolicy(), Monthly()]))
async def by_policies(points: list[Point], counts: dict[str, int]) -> Point:
    match points:
        case [first, *_]:
            return first
        case _:
            return Point(0)


@env.task(cache="auto")
async def anything(value: Any) -> Any:
    return value


NOON = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "scalars": (scalars, {"n": 3}),
    "other scalars": (
        scalars,
        {"n": 2**70, "x": float("nan"), "s": "", "b": b"abc", "flag": False},
    ),
    "salted": (salted, {"n": 3, "verbose": True}),
    "a version of one's own": (by_version, {"when": NOON, "colour": Colour.BLUE, "limit": "4"}),
    "another member of the union": (by_version, {"when": NOON, "colour": Colour.RED, "limit": 4}),
    "policies": (
        by_policies,
        {"points": [Point(1, tags={"b": [1], "a": []})], "counts": {"z": 1, "a": 2}},
    ),
    "a record in a record": (by_policies, {"points": [Point(1, inner=Point(2))], "counts": {}}),
    "untyped": (anything, {"value": {"b": [1, 2.5, None, (3, "x")], "a": {4, 5}, 6: b"7"}}),
}


def of_case(name: str) -> tuple[tasks_pb2.TaskTemplate, common_pb2.Inputs]:
    """A case as it is on the wire."""
    task, arguments = CASES[name]
    bound = task.interface.bind((), arguments, what=name)
    return keys.template(task), drive(values.inputs(task.interface, bound))


def with_hashes() -> Iterator[tuple[str, tasks_pb2.TaskTemplate, common_pb2.Inputs]]:
    """Inputs that carry a hash of their own: a file, a list of files, a large value by reference."""
    template, inputs = of_case("untyped")
    literal = inputs.literals[0].value
    literal.Clear()
    literal.hash = "xxh3-128:0123"
    literal.scalar.blob.uri = "/random/1"
    yield "a file", template, inputs
    several = common_pb2.Inputs()
    item = several.literals.add(name="value").value.collection.literals.add()
    item.CopyFrom(literal)
    yield "files in a list", template, several
    literal.Clear()
    literal.hash = "0123"
    literal.offloaded_metadata.uri = "/random/2"
    yield "a large value", template, inputs


def recorded() -> dict[str, str]:
    """The keys as they were written down."""
    return json.loads(RECORD.read_text())


def computed() -> dict[str, str | None]:
    """The keys as they are now."""
    made = {name: keys.key(*of_case(name)) for name in CASES}
    return made | {name: keys.key(template, inputs) for name, template, inputs in with_hashes()}


if __name__ == "__main__":
    RECORD.write_text(json.dumps(computed(), indent=2) + "\n")
