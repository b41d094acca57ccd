"""A task for each kind of value and of ending; one parent calls them all and says what it got."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, Literal, NamedTuple

import pydantic
from marking import mark

import flyte
import flyte.errors

env = flyte.TaskEnvironment(name="zoo")


class Colour(Enum):
    RED = "r"
    BLUE = "b"


@dataclass(frozen=True)
class Point:
    x: int
    y: float
    tags: dict[str, list[int]] = field(default_factory=dict)
    inner: "Point | None" = None


class Model(pydantic.BaseModel):
    name: str
    points: list[Point]
    level: Literal["low", "high"] = "low"


class Split(NamedTuple):
    train: list[int]
    share: float


class Odd(Exception):  # noqa: N818 - its name is what the test is about
    """An exception class of the user's own."""


class Unheard:
    """Known to no type engine: goes as a pickle."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __repr__(self) -> str:
        return f"Unheard({self.n})"


@env.task
async def scalars(
    n: int, x: float, s: str, b: bool, raw: bytes
) -> tuple[int, float, str, bool, bytes]:
    return n + 1, x * 2, s + "é", not b, raw[::-1]


@env.task
async def times(at: datetime, day: date, span: timedelta) -> tuple[datetime, date, timedelta]:
    return at + span, day, span * 2


@env.task
async def containers(
    xs: list[int], table: dict[str, list[float]], pair: tuple[int, str]
) -> dict[str, list[float]]:
    return {**table, "xs": [float(x) for x in xs], pair[1]: [pair[0] / 2]}


@env.task
async def maybe(n: int | None) -> int | None:
    return None if n is None else n + 1


@env.task
async def either(value: int | str | list[int]) -> int | str | list[int]:
    return value


@env.task
async def choices(colour: Colour, level: Literal["low", "high"]) -> tuple[Colour, str]:
    return Colour.BLUE if colour is Colour.RED else Colour.RED, level


@env.task
async def records(point: Point, model: Model) -> Model:
    return Model(name=model.name, points=[*model.points, Point(point.x, point.y, inner=point)])


@env.task
async def named(n: int) -> Split:
    return Split(list(range(n)), n / 10)


@env.task
async def nothing() -> None:
    return None


@env.task
async def pickled(value: Unheard) -> Unheard:
    return Unheard(value.n + 1)


@env.task
def plain(n: int, factor: int = 3) -> int:
    return n * factor


@env.task
def plain_parent(n: int) -> int:
    return plain(n) + plain(n, factor=1)


@env.task
async def raises(kind: str) -> int:
    match kind:
        case "value":
            raise ValueError("no such value")
        case "own":
            raise Odd("strange")
        case "empty":
            raise KeyError
        case "custom":
            raise flyte.errors.CustomError("NoData", "the table is empty")
        case "exit":
            raise SystemExit(3)
        case _:
            raise ExceptionGroup("several", [ValueError("a"), TypeError("b")])


@env.task(retries=2)
async def flaky(marks: str, until: int) -> int:
    mark(marks, f"flaky-{until}")
    attempt = flyte.ctx().attempt_number
    if attempt < until:
        raise ConnectionError(f"attempt {attempt}")
    return attempt


@env.task(retries=4)
async def hopeless(marks: str) -> int:
    mark(marks, "hopeless")
    raise flyte.errors.NonRecoverableError("closed for good")


@env.task(timeout=1)
async def slow(marks: str) -> int:
    mark(marks, "slow")
    await asyncio.sleep(600)
    return 1


@env.task
async def wrong_output() -> int:
    return "seven"  # type: ignore[return-value]


@env.task
async def leaf(n: int) -> int:
    if n == 3:
        raise ValueError(f"leaf {n}")
    return n


@env.task
async def through(n: int) -> int:
    """A failure that nobody catches on its way up."""
    return sum(await asyncio.gather(*(leaf(i) for i in range(n))))


@flyte.trace
async def traced(marks: str, n: int) -> int:
    mark(marks, f"traced-{n}")
    if n < 0:
        raise ValueError("negative")
    return n * 10


@flyte.trace
async def calls_a_task(n: int) -> int:
    return await leaf(n)


@env.task
async def context() -> tuple[str, bool]:
    with flyte.custom_context(tenant="t1"):
        return await tenant(), flyte.ctx() is not None


@env.task
async def tenant() -> str:
    return flyte.ctx().custom_context["tenant"]


@env.task
def mapped(n: int) -> str:
    return str(
        [r if isinstance(r, int) else type(r).__name__ for r in flyte.map(leaf_plain, range(n))]
    )


@env.task
def leaf_plain(n: int) -> int:
    if n == 2:
        raise ValueError("two")
    return n


POINT = Point(1, 2.5, {"a": [1, 2]})
NOON = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)

CASES: dict[str, Callable[[str], Awaitable[Any]]] = {
    "scalars": lambda m: scalars(2, 0.1, "ü", True, b"\x00\xff"),
    "big_int": lambda m: plain.aio(2**53 + 1, factor=1),
    "times": lambda m: times(NOON, date(2026, 1, 31), timedelta(days=1, microseconds=5)),
    "containers": lambda m: containers([1, 2], {"e": []}, (3, "half")),
    "none": lambda m: maybe(None),
    "some": lambda m: maybe(4),
    "either_int": lambda m: either(4),
    "either_str": lambda m: either("4"),
    "either_list": lambda m: either([4]),
    "choices": lambda m: choices(Colour.RED, "high"),
    "records": lambda m: records(POINT, Model(name="m", points=[POINT])),
    "named": lambda m: named(4),
    "nothing": lambda m: nothing(),
    "pickled": lambda m: pickled(Unheard(1)),
    "plain": lambda m: plain.aio(5),
    "plain_parent": lambda m: plain_parent.aio(5),
    "mapped": lambda m: mapped.aio(4),
    "context": lambda m: context(),
    "override": lambda m: flaky.override(retries=0)(m, 1),
    "value_error": lambda m: raises("value"),
    "own_error": lambda m: raises("own"),
    "empty_error": lambda m: raises("empty"),
    "custom_error": lambda m: raises("custom"),
    "exits": lambda m: raises("exit"),
    "group_error": lambda m: raises("group"),
    "retried": lambda m: flaky(m, 2),
    "retries_used_up": lambda m: flaky(m, 9),
    "not_retried": hopeless,
    "timed_out": slow,
    "wrong_output": lambda m: wrong_output(),
    "wrong_input": lambda m: plain.aio("x"),  # type: ignore[arg-type]
    "missing_input": lambda m: plain.aio(),  # type: ignore[call-arg]
    "extra_input": lambda m: plain.aio(1, colour=2),  # type: ignore[call-arg]
    "uncaught_below": lambda m: through(5),
    "traced": lambda m: traced(m, 4),
    "traced_error": lambda m: traced(m, -1),
    "task_in_trace": lambda m: calls_a_task(1),
}


async def told(case: Callable[[str], Awaitable[Any]], marks: str) -> str:
    try:
        value = await case(marks)
    except Exception as error:  # noqa: BLE001 - the table is about every kind of error
        said = f"{type(error).__name__} {getattr(error, 'code', '')}: {error}".partition("\n")[0]
        # That is the clock's word, not ours; and where it was, only a process of its own can tell.
        said = re.sub(r"ran for [\d.]+ s", "ran for … s", said)
        return re.sub(r"; (it was at \S+ in \w+\.|raise it or make the task faster\.)$", "", said)
    return f"{type(value).__name__} {value!r}"


@env.task
async def everything(marks: str) -> dict[str, str]:
    """What each case gives: the value with its type, or the error with its class and code."""
    return {name: await told(case, marks) for name, case in CASES.items()}


@env.task
async def fails(kind: str) -> int:
    return await raises(kind)


if __name__ == "__main__":
    flyte.init_from_config()
    print(flyte.run(scalars, 1, 2.0, "s", True, b"").outputs())
