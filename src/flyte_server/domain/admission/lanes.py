"""In which line an action waits: by the limits that hold for it and by what it needs of the machine.

Actions with the same limits and the same needs wait in one lane, so that a lane without room is not looked into.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import NamedTuple

from flyte_server.domain.needs import Needs, Pool

RUN, ENVIRONMENT, QUEUE, POOL = "run", "environment", "queue", "pool"
LIMITABLE = (ENVIRONMENT, QUEUE)
"""Of what an operator may set limits; that of a run is said when it is started, that of a pool in its policy."""


class Gate(NamedTuple):
    """What a limit is about: `Gate("environment", "gpu")`; a run by its number, a pool by its key."""

    kind: str
    name: str


Limits = Mapping[Gate, int]
"""How many may be alive at once, for every environment and queue that has a limit."""

NOTHING = Needs()


@dataclass(frozen=True, slots=True)
class Lane:
    """What holds for all that wait in it."""

    gates: tuple[tuple[Gate, int | None], ...] = ()
    """Its limits; a run's and a pool's with their numbers, the others' stand in the table of limits."""
    needs: Needs = NOTHING
    """What is reserved for each of them; nothing in a pool, whose processes have reserved it."""

    @property
    def pool(self) -> str | None:
        """Key of the pool whose processes take it."""
        return next((gate.name for gate, _ in self.gates if gate.kind == POOL), None)


def write(
    run_id: int,
    max_concurrency: int,
    *,
    environment: str,
    queue: str,
    is_root: bool,
    limits: Limits,
    needs: Needs = NOTHING,
    pool: Pool | None = None,
) -> str:
    """The lane of an action, as text; empty where only the number of slots holds.

    The limit of a run does not hold for its root: when nothing else of the run is alive it is free, and a root whose
    children are alive counts for nothing.

    Example:
        >>> write(7, 2, environment="gpu", queue="", is_root=False, limits={})
        '[["run", "7", 2]]'
    """
    fixed: list[tuple[Gate, int | None]] = []
    if max_concurrency and not is_root:
        fixed.append((Gate(RUN, str(run_id)), max_concurrency))
    if pool is not None:
        fixed.append((Gate(POOL, pool.of(run_id).key), pool.of(run_id).places))
    held = _limited(environment, queue, limits)
    return _text(Lane((*fixed, *held), needs if pool is None else NOTHING))


def relimited(lane: str, environment: str, queue: str, limits: Limits) -> str:
    """The same lane under other limits of environments and queues."""
    known = read(lane)
    fixed = [(gate, most) for gate, most in known.gates if gate.kind not in LIMITABLE]
    return _text(Lane((*fixed, *_limited(environment, queue, limits)), known.needs))


@lru_cache(maxsize=4096)
def read(lane: str) -> Lane:
    """What a text says."""
    if not lane:
        return Lane()
    *gates, last = json.loads(lane)
    if not isinstance(last, dict):
        return Lane(_gates([*gates, last]))
    return Lane(_gates(gates), Needs(**last))  # pyright: ignore[reportUnknownArgumentType]


def _limited(environment: str, queue: str, limits: Limits) -> list[tuple[Gate, int | None]]:
    found = (Gate(ENVIRONMENT, environment), Gate(QUEUE, queue))
    return [(gate, None) for gate in found if gate in limits]


def _gates(found: list[tuple[str, str, int | None]]) -> tuple[tuple[Gate, int | None], ...]:
    return tuple((Gate(kind, name), most) for kind, name, most in found)


def _text(lane: Lane) -> str:
    parts: list[object] = [(*gate, most) for gate, most in lane.gates]
    if lane.needs != NOTHING:
        parts.append({name: value for name, value in asdict(lane.needs).items() if value})
    return json.dumps(parts) if parts else ""
