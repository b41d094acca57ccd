"""Every family of types through real tasks: each kind of hint has a task of its own, which gives back what it got.

Parent and children draw the same kinds from the same seed, in processes of their own.  Run with the repository as root:
the strategies are those of the unit tests.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import strategies

import flyte

env = flyte.TaskEnvironment(name="families")

EXAMPLES = 5000 if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else 200
"""How many per family at least (fewer only where a family has no more different values, as enumerations have)."""
KINDS = EXAMPLES // 10


def drawn(values: st.SearchStrategy[Any], count: int) -> list[Any]:
    """The same values in every process: `count` different ones, or all that there are."""
    found: list[Any] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(values)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


def echo(name: str, hint: Any) -> Any:
    """A task that gives back the values that it gets."""

    async def body(values: list[Any]) -> list[Any]:
        return values

    body.__name__ = body.__qualname__ = name
    body.__annotations__ = {"values": list[hint], "return": list[hint]}
    return env.task(body)


@dataclass(frozen=True)
class Echo:
    """A kind, and the task that gives its values back."""

    kind: strategies.Kind
    task: Callable[..., Any]


ECHOES: dict[str, list[Echo]] = {
    family: [
        Echo(kind, echo(f"{family}_{number}", kind.hint))
        for number, kind in enumerate(drawn(kinds, KINDS))
    ]
    for family, kinds in strategies.FAMILIES.items()
}
# A worker finds a task by its name in the module.
globals().update({echo.task.func.__name__: echo.task for each in ECHOES.values() for echo in each})


@dataclass
class Tally:
    """What the round trips of a family gave."""

    examples: int = 0
    different: list[str] = field(default_factory=list)


@env.task
async def check(family: str) -> Tally:
    """Round trips of one family; of every kind that came back different, one pair of values."""
    tally = Tally()
    for echo in ECHOES[family]:
        sent = drawn(echo.kind.values, 2 * EXAMPLES // len(ECHOES[family]) + 1)
        back = await echo.task(sent)
        tally.examples += len(sent)
        pairs = zip(sent, back, strict=True)
        wrong = next((pair for pair in pairs if not strategies.same(*pair)), None)
        if wrong:
            tally.different.append(f"{echo.kind.hint}: {wrong[0]!r} became {wrong[1]!r}")
    return tally


@env.task
async def check_all() -> dict[str, Tally]:
    """All families at once."""
    names = list(ECHOES)
    return dict(zip(names, await asyncio.gather(*map(check, names)), strict=True))
